"""The singleton that keeps an agent's identity in its cluster and shows its connection."""

from datetime import datetime
from typing import Any

from brokkr_common.wire.agents import Agent
from brokkr_operator.resources import conditions, names
from brokkr_operator.resources.conditions import Reason

KIND = "BrokkrAgent"


def resource_name(agent_name: str, cluster_name: str) -> str:
    return names.slug(agent_name, cluster_name, unique=f"{agent_name}/{cluster_name}")


def body(agent: Agent, broker_url: str) -> dict[str, Any]:
    return {
        "apiVersion": names.API_VERSION,
        "kind": KIND,
        "metadata": {"name": resource_name(agent.name, agent.cluster_name)},
        "spec": {
            "agentId": str(agent.id),
            "name": agent.name,
            "clusterName": agent.cluster_name,
            "brokerUrl": broker_url,
        },
    }


def status(
    old: dict[str, Any],
    *,
    error: str | None,
    paused: bool,
    channel: bool,
    stacks: int,
    version: str,
    changed: bool,
    now: datetime,
) -> dict[str, Any]:
    """The new status. Equal to the old one where nothing changed: polls alone write nothing."""
    connected = error is None
    found = conditions.set_(
        old.get("conditions") or [],
        "Connected",
        connected,
        reason=Reason.CONNECTED if connected else Reason.DISCONNECTED,
        message=error or "The broker answers",
        generation=1,
        now=now,
    )
    found = conditions.set_(
        found,
        "Ready",
        not paused,
        reason=Reason.PAUSED
        if paused
        else Reason.PROGRESSING
        if not connected
        else Reason.CONNECTED,
        message="INACTIVE in the broker: nothing new is taken, what is here stays"
        if paused
        else "What is here is kept true",
        generation=1,
        now=now,
    )
    shown = "Open" if channel else "Polling"
    new = {**old, "conditions": found, "channel": shown, "stacks": stacks, "version": version}
    if changed or "lastChange" not in old:
        new["lastChange"] = conditions.timestamp(now)
    return new

"""What can be seen of some objects now: pods, Events and logs. What fails is said, not hidden.

Source: the shapes of seed 003, Diagnostics.
"""

import asyncio
from collections.abc import Sequence
from typing import Any

import msgspec

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import KubeError, UnknownKind
from brokkr_operator.observe import descend
from brokkr_operator.resources.objects import Entry, Object

_MOST_PODS = 50
_MOST_EVENTS = 50
_AT_ONCE = 8


class Findings(msgspec.Struct, frozen=True):
    """`logs` by `pod/container`. `problems` are what could not be seen."""

    pods: list[dict[str, Any]]
    events: list[dict[str, Any]]
    logs: dict[str, str]
    problems: list[str]


async def diagnose(kube: Kube, inventory: Sequence[Entry]) -> Findings:
    problems: list[str] = []
    pods: list[Object] = []
    try:
        pods = await descend.pods_below(kube, inventory)
    except (KubeError, UnknownKind) as e:
        problems.append(f"pods: {str(e)[:300]}")
    if len(pods) > _MOST_PODS:
        problems.append(f"logs: of the first {_MOST_PODS} of {len(pods)} pods")
    events = await _events(kube, inventory, pods, problems)
    logs = await _logs(kube, pods[:_MOST_PODS])
    return Findings([_pod(pod) for pod in pods], events, logs, problems)


async def _events(
    kube: Kube, inventory: Sequence[Entry], pods: Sequence[Object], problems: list[str]
) -> list[dict[str, Any]]:
    """The newest about these objects and pods."""
    about = {entry.uid for entry in inventory} | {pod["metadata"]["uid"] for pod in pods}
    places = {entry.key.namespace or "default" for entry in inventory}
    places |= {pod["metadata"]["namespace"] for pod in pods}
    found: list[Object] = []
    for place in sorted(places):
        try:
            kind = await kube.discovery.find("v1", "Event")
            async for event in kube.list_(kind, namespace=place):
                if (event.get("involvedObject") or {}).get("uid") in about:
                    found.append(event)  # noqa: PERF401
        except (KubeError, UnknownKind) as e:
            problems.append(f"events in {place}: {str(e)[:300]}")
    found.sort(key=_moment, reverse=True)
    return [_event(event) for event in found[:_MOST_EVENTS]]


def _moment(event: Object) -> str:
    metadata = event["metadata"]
    seen = event.get("lastTimestamp") or event.get("eventTime")
    return str(seen or metadata.get("creationTimestamp") or "")


def _event(event: Object) -> dict[str, Any]:
    about = event.get("involvedObject") or {}
    return {
        "event_type": event.get("type"),
        "reason": event.get("reason"),
        "message": event.get("message"),
        "involved_object": about.get("name", "unknown"),
        "involved_object_kind": about.get("kind"),
        "involved_object_name": about.get("name"),
        "first_timestamp": event.get("firstTimestamp"),
        "last_timestamp": event.get("lastTimestamp"),
        "count": event.get("count"),
    }


def _pod(pod: Object) -> dict[str, Any]:
    status = pod.get("status") or {}
    return {
        "name": pod["metadata"]["name"],
        "namespace": pod["metadata"]["namespace"],
        "phase": status.get("phase") or "Unknown",
        "conditions": [
            {
                "condition_type": c.get("type"),
                "status": c.get("status"),
                "reason": c.get("reason"),
                "message": c.get("message"),
            }
            for c in status.get("conditions") or ()
        ],
        "containers": [_container(c) for c in _statuses(pod)],
    }


def _statuses(pod: Object) -> list[Object]:
    status = pod.get("status") or {}
    return [
        *(status.get("initContainerStatuses") or ()),
        *(status.get("containerStatuses") or ()),
    ]


def _container(status: Object) -> dict[str, Any]:
    state = status.get("state") or {}
    kind = next((k for k in ("running", "waiting", "terminated") if state.get(k)), "")
    details = state.get(kind) or {}
    return {
        "name": status["name"],
        "ready": status.get("ready", False),
        "restart_count": status.get("restartCount", 0),
        "state": kind.capitalize() or "Unknown",
        "state_reason": details.get("reason"),
        "state_message": details.get("message"),
        "exit_code": details.get("exitCode"),
    }


async def _logs(kube: Kube, pods: Sequence[Object]) -> dict[str, str]:
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(pod: Object, name: str, previous: bool) -> tuple[str, str]:
        key = f"{pod['metadata']['name']}/{name}" + (" (previous)" if previous else "")
        async with limit:
            try:
                return key, await descend.tail(kube, pod, name, previous=previous)
            except KubeError as e:
                return key, f"(no log: {str(e)[:300]})"

    wanted = []
    for pod in pods:
        restarted = {s["name"] for s in _statuses(pod) if s.get("restartCount", 0)}
        for name in descend.containers(pod):
            wanted.append(one(pod, name, False))
            if name in restarted:
                wanted.append(one(pod, name, True))
    return dict(await asyncio.gather(*wanted))

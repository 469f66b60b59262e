"""Who this agent is: as the broker says, or, with the broker away, as the cluster remembers."""

import asyncio
import logging
from uuid import UUID

from brokkr_common.wire.agents import Agent, AgentStatus
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import BrokerError, StartupError
from brokkr_operator.resources import brokkragent, names

logger = logging.getLogger(__name__)


async def establish(
    broker: Broker,
    kube: Kube,
    *,
    name: str,
    cluster_name: str,
    url: str,
    retries: int,
    known: UUID | None = None,
) -> UUID:
    """The agent's id. Waits for the broker where nobody remembers it. Raises StartupError.

    `known` is what this process knew before it began anew.
    """
    for attempt in range(retries + 1):
        try:
            agent = await _ask(broker, name=name, cluster_name=cluster_name)
        except BrokerError as e:
            remembered = known or await _remembered(kube, name=name, cluster_name=cluster_name)
            if remembered:
                logger.warning("starting without the broker", extra={"reason": str(e)})
                return remembered
            if e.status in (401, 403):
                raise StartupError(f"the broker does not accept agent.pak: {e}") from e
            if attempt == retries:
                raise StartupError(f"no broker at {url} after {retries} retries: {e}") from e
            await asyncio.sleep(1)
        else:
            await kube.apply(brokkragent.body(agent, url))
            return agent.id
    raise AssertionError("unreachable")


async def _ask(broker: Broker, *, name: str, cluster_name: str) -> Agent:
    await broker.ready()
    who = await broker.whoami()
    if who.agent is None:
        raise StartupError("agent.pak is not the key of an agent")
    agent = await broker.get_agent(who.agent)
    if (agent.name, agent.cluster_name) != (name, cluster_name):
        raise StartupError(
            f"agent.pak belongs to agent {agent.name!r} of cluster {agent.cluster_name!r}, "
            f"but agent.agent_name is {name!r} and agent.cluster_name {cluster_name!r}"
        )
    if agent.status is AgentStatus.INACTIVE and agent.last_heartbeat is None:
        logger.info("first start: activating")
        agent = await broker.activate(agent.id)
    return agent


async def _remembered(kube: Kube, *, name: str, cluster_name: str) -> UUID | None:
    kind = await kube.discovery.find(names.API_VERSION, brokkragent.KIND)
    found = await kube.find_in(kind, "", brokkragent.resource_name(name, cluster_name))
    return UUID(found["spec"]["agentId"]) if found else None

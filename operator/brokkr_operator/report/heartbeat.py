"""Say that the agent is alive, and hear whether it is paused."""

from uuid import UUID

from brokkr_common.wire.agents import Agent
from brokkr_operator import metrics
from brokkr_operator.clients.broker.client import Broker


async def beat(broker: Broker, agent_id: UUID) -> Agent:
    """Returns the agent's own record. Raises BrokerError."""
    await broker.heartbeat(agent_id)
    metrics.heartbeats.inc()
    return await broker.get_agent(agent_id)

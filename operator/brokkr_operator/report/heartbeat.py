"""Say that the agent is alive."""

from uuid import UUID

from brokkr_operator import metrics
from brokkr_operator.clients.broker.channel import Channel
from brokkr_operator.clients.broker.client import Broker


async def beat(broker: Broker, channel: Channel, agent_id: UUID) -> None:
    """Through the channel, or by REST. Raises BrokerError."""
    if not await channel.heartbeat():
        await broker.heartbeat(agent_id)
    metrics.heartbeats.inc()

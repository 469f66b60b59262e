"""The channel: one WebSocket to the broker, opened again whenever it ends, while we run."""

import asyncio
import logging
import random
from collections.abc import Callable
from uuid import UUID

import aiohttp
import msgspec

from brokkr_common.wire.channel import Close, Heartbeat, Topic, Wake
from brokkr_operator import metrics
from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.errors import BrokerError

logger = logging.getLogger(__name__)

_LONGEST_DELAY = 60.0
_SETTLED_SECONDS = 60.0
_HEARTBEAT = msgspec.json.encode(Heartbeat()).decode()
_decode = msgspec.json.Decoder(Wake).decode


class Channel:
    """`url`: where it is, if not at the broker's address."""

    def __init__(
        self,
        broker: Broker,
        agent_id: UUID,
        *,
        url: str | None = None,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self._broker = broker
        self._agent_id = agent_id
        self._url = url
        self._jitter = jitter
        self._socket: aiohttp.ClientWebSocketResponse | None = None

    @property
    def is_open(self) -> bool:
        return self._socket is not None and not self._socket.closed

    async def heartbeat(self) -> bool:
        """Say that we are alive. False where the channel is not open."""
        if self._socket is None or self._socket.closed:
            return False
        try:
            await self._socket.send_str(_HEARTBEAT)
        except (ConnectionError, aiohttp.ClientError):
            return False
        return True

    async def run(self, woken: Callable[[frozenset[Topic]], None]) -> None:
        """Until cancelled. `woken` hears topics: of a wake-up, and all when the channel opens."""
        loop = asyncio.get_running_loop()
        failures = 0
        while True:
            began = loop.time()
            try:
                within = await self._serve(woken)
            except BrokerError as e:
                within = None
                level = logging.INFO if failures else logging.WARNING
                logger.log(level, "no channel, polling alone", extra={"reason": str(e)[:300]})
            if loop.time() - began > _SETTLED_SECONDS:
                failures = 0
            # NB: full jitter. All agents of a broker come back at the same time, else.
            delay = within or min(_LONGEST_DELAY, 2.0 ** min(failures, 6))
            failures += 1
            await asyncio.sleep(delay * self._jitter())

    async def _serve(self, woken: Callable[[frozenset[Topic]], None]) -> float | None:
        """One connection, to its end. Returns within how many seconds to come back, if told."""
        self._socket = socket = await self._broker.open_channel(self._agent_id, self._url)
        metrics.channel.set(1)
        logger.info("channel open")
        reason = ""
        try:
            woken(frozenset(Topic))
            while not socket.closed:
                message = await socket.receive()
                if message.type is aiohttp.WSMsgType.TEXT:
                    woken(_topics(message.data))
                elif message.type is aiohttp.WSMsgType.CLOSE:
                    reason = message.extra or ""
        finally:
            self._socket = None
            metrics.channel.set(0)
            await socket.close()
        logger.info("channel ended", extra={"code": socket.close_code, "reason": reason})
        return _seconds(reason) if socket.close_code == Close.GOING_AWAY else None


def _topics(text: str) -> frozenset[Topic]:
    """What of a frame we know; there may be more of a newer broker."""
    try:
        wake = _decode(text)
    except msgspec.MsgspecError:
        return frozenset()
    return frozenset(topic for topic in Topic if topic in wake.topics)


def _seconds(reason: str) -> float | None:
    try:
        return min(_LONGEST_DELAY, max(0.0, float(reason)))
    except ValueError:
        return None

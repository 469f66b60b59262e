"""LISTEN on the schema's channel, and hand what arrives to subscribers."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Any

import asyncpg

logger = logging.getLogger(__name__)

Subscriber = Callable[[str, str], None]
"""Takes topic and id (`key`, `<hash>`). Topic `lost` means: anything may have been missed."""

_CHECK_SECONDS = 15


class Bus:
    """One listening connection of its own, opened again whenever it breaks."""

    def __init__(self, connect: Callable[[], Any], *, schema: str) -> None:
        self._connect = connect
        self._channel = f"brokkr_{schema}"
        self._subscribers: list[Subscriber] = []

    def subscribe(self, subscriber: Subscriber) -> None:
        self._subscribers.append(subscriber)

    async def run(self) -> None:
        """Listen until cancelled."""
        delay = 0.1
        while True:
            try:
                await self._listen()
            except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as e:
                logger.warning("notification channel lost", extra={"reason": repr(e)})
            self._tell("lost", "")
            await asyncio.sleep(delay)
            delay = min(delay * 2, 5)

    async def _listen(self) -> None:
        connection = await self._connect()
        try:
            ended = asyncio.Event()
            connection.add_termination_listener(lambda _: ended.set())
            await connection.add_listener(self._channel, self._receive)
            self._tell("lost", "")  # whatever was said before this moment was not heard
            while not connection.is_closed():
                # NB: a peer that vanished without a word is only noticed by asking.
                await connection.execute("SELECT 1", timeout=5)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_CHECK_SECONDS):
                        await ended.wait()
        finally:
            connection.terminate()

    def _receive(self, _connection: object, _pid: int, _channel: str, payload: object) -> None:
        topic, _, identifier = str(payload).partition(":")
        self._tell(topic, identifier)

    def _tell(self, topic: str, identifier: str) -> None:
        for subscriber in self._subscribers:
            subscriber(topic, identifier)

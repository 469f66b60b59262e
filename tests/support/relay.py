"""A relay before Postgres that can freeze, and that can drop every connection."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from urllib.parse import parse_qs, urlsplit


class Relay:
    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def freeze(self) -> None:
        self._flowing.clear()

    def thaw(self) -> None:
        self._flowing.set()

    def drop(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await self._flowing.wait()
        inner_reader, inner_writer = await asyncio.open_unix_connection(self._socket)
        ends = {writer, inner_writer}
        self._writers |= ends
        with contextlib.suppress(OSError):
            await asyncio.gather(self._pump(reader, inner_writer), self._pump(inner_reader, writer))
        self._writers -= ends
        for end in ends:
            end.transport.abort()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            await self._flowing.wait()
            writer.write(data)
            await writer.drain()
        writer.transport.abort()


@contextlib.asynccontextmanager
async def relayed(url: str) -> AsyncIterator[tuple[Relay, str]]:
    """The relay, and the URL that leads through it."""
    parts = urlsplit(url)
    folder = parse_qs(parts.query)["host"][0]
    relay = Relay(f"{folder}/.s.PGSQL.5432")
    server = await asyncio.start_server(relay.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    try:
        yield relay, f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}"
    finally:
        relay.thaw()
        relay.drop()
        server.close()

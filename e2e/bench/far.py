"""A database that is far away, and one that does not answer: what remains of the broker.

Between broker and Postgres stands a relay that holds back every chunk for half the round trip, or
all of them.
"""

import asyncio
import contextlib
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import requests

from brokkr_broker.db.embedded import Server
from harness import Broker, stop_all

ROUND_TRIP = 0.0012


class Relay:
    """On a thread of its own, so that it does not wait for whoever measures."""

    def __init__(self, folder: Path) -> None:
        self.folder = str(folder)
        self._socket = str(folder / ".s.PGSQL.5432")
        self.delay = 0.0
        self.frozen = False
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        threading.Thread(target=self._run, daemon=True).start()
        self._ready.wait()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner_writer = await asyncio.open_unix_connection(self._socket)
        with contextlib.suppress(OSError):
            await asyncio.gather(self._pump(reader, inner_writer), self._pump(inner_reader, writer))
        for end in (writer, inner_writer):
            end.close()

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            while self.frozen:
                await asyncio.sleep(0.01)
            self._loop.call_later(self.delay, writer.write, data)
        writer.close()


@contextlib.contextmanager
def _behind_relay() -> Iterator[tuple[Broker, Relay]]:
    folder = Path(tempfile.mkdtemp(prefix="brokkr-far-"))
    folder.chmod(0o755)
    server = Server(folder / "pg", durable=True, max_connections=100)
    server.start(owner=True)
    relay = Relay(folder / "pg" / "run")
    url = f"postgresql://brokkr@127.0.0.1:{relay.port}/brokkr"
    broker = Broker(folder / "broker", log_level="warn", BROKKR__DATABASE__URL=url)
    try:
        broker.start()
        broker.wait()
        yield broker, relay
    finally:
        relay.frozen = False
        stop_all(broker)
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def run(make: Callable[[Broker, str], Any]) -> list[dict[str, Any]]:
    """`make` builds the REST bench for a broker and the folder of its Postgres socket."""
    with _behind_relay() as (broker, relay):
        bench = make(broker, relay.folder)
        state = f"/api/v1/agents/{bench.agent}/target-state?mode=full"
        heartbeat = f"/api/v1/agents/{bench.agent}/heartbeat"
        rows = []
        for name, path, options in (
            ("target state", state, {}),
            ("heartbeat", heartbeat, {"method": "POST"}),
        ):
            rates = []
            for delay in (0.0, ROUND_TRIP / 2):
                relay.delay = delay
                where = f"{round_trip(relay):.1f} ms away" if delay else "near"
                bench.measure(f"{name}, database {where}", path, **options)
                rates.append(bench.rows[-1]["requests_per_second"])
            relay.delay = 0.0
            share = rates[1] / rates[0]
            rows.append({"what": f"{name}, share that remains", "share": round(share, 2)})
            print(f"{rows[-1]['what']}: {share:.0%}", flush=True)
        relay.frozen = True
        bench.measure("liveness, database frozen", "/healthz")
        started = time.monotonic()
        status = requests.get(f"{broker.url}/readyz", timeout=30).status_code
        seconds = time.monotonic() - started
        print(f"readiness, database frozen: {status} after {seconds:.1f} s", flush=True)
        rows.append({"what": "readiness, frozen", "status": status, "seconds": round(seconds, 2)})
        relay.frozen = False
        return [*bench.rows, *rows]


def round_trip(relay: Relay) -> float:
    """Milliseconds of a statement that does nothing, through the relay."""
    url = f"postgresql://brokkr@127.0.0.1:{relay.port}/brokkr"
    with psycopg.connect(url, autocommit=True) as connection:
        times = []
        for _ in range(50):
            started = time.monotonic()
            connection.execute("SELECT 1")
            times.append(time.monotonic() - started)
    return sorted(times)[25] * 1000

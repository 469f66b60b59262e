"""Many agents on one broker: how long they take to connect, what each costs, how soon one is woken.

The agents are simulated by one process that shares the machine: sockets that shake hands, answer
pings, count wake-ups, and come back as real ones do.
"""

import asyncio
import base64
import os
import random
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import psycopg
import uvloop

sys.path.insert(0, str(Path(__file__).parents[1]))

from harness import Broker, stop_all

YAML = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\n"


class SimulatedAgent(asyncio.Protocol):
    """One channel. `woken` is the moment of the last wake-up."""

    def __init__(self, fleet: "Fleet", agent_id: str, pak: str) -> None:
        self.fleet = fleet
        self.agent_id = agent_id
        self.pak = pak
        self.woken = 0.0
        self._open = False
        self._buffer = b""
        self._comes_back = 2.0

    async def connect(self) -> None:
        while True:
            try:
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: self, "127.0.0.1", self.fleet.port)
                return
            except OSError:
                await asyncio.sleep(random.random() * self._comes_back)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._buffer = b""
        key = base64.b64encode(os.urandom(16)).decode()
        transport.write(
            f"GET /api/v1/agents/{self.agent_id}/channel HTTP/1.1\r\nHost: localhost\r\n"
            f"Authorization: Bearer {self.pak}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        if not self._open:
            head, found, rest = self._buffer.partition(b"\r\n\r\n")
            if not found:
                return
            if b" 101 " not in head.partition(b"\r\n")[0]:
                self.fleet.refused += 1
                self._transport.abort()
                return
            self._open, self._buffer = True, rest
            self.fleet.opened(1)
        while len(self._buffer) >= 2 and len(self._buffer) >= 2 + (self._buffer[1] & 127):
            size = self._buffer[1] & 127  # NB: the broker sends nothing longer than that
            code, body = self._buffer[0] & 15, self._buffer[2 : 2 + size]
            self._buffer = self._buffer[2 + size :]
            if code == 1:
                self.woken = time.monotonic()
                self.fleet.woken += 1
            elif code == 9:
                self._transport.write(bytes([0x8A, 0x80 | size, 0, 0, 0, 0]) + body)
            elif code == 8:
                self._comes_back = float(body[2:] or b"2")
                self._transport.write(bytes([0x88, 0x82, 0, 0, 0, 0]) + body[:2])

    def connection_lost(self, _: Exception | None) -> None:
        if self._open:
            self._open = False
            self.fleet.opened(-1)
        if not self.fleet.ending:
            self.fleet.later(random.random() * self._comes_back, self.connect)


class Fleet:
    """All of them."""

    def __init__(self, port: int, known: list[tuple[str, str]]) -> None:
        self.port = port
        self.agents = [SimulatedAgent(self, *one) for one in known]
        self.connected = self.refused = self.woken = 0
        self.ending = False
        self._changed = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()

    def opened(self, change: int) -> None:
        self.connected += change
        self._changed.set()

    def later(self, delay: float, action: Any) -> None:
        async def run() -> None:
            await asyncio.sleep(delay)
            await action()

        task = asyncio.create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def connect(self) -> float:
        """Until all are connected: seconds."""
        started = time.monotonic()
        for agent in self.agents:
            self.later(0, agent.connect)
        await self.until(len(self.agents))
        return time.monotonic() - started

    async def until(self, count: int) -> None:
        while self.connected != count:
            self._changed.clear()
            await self._changed.wait()


async def measure(broker: Broker, count: int) -> dict[str, Any]:
    known = await _register(broker, count)
    stack = broker.stack("woken")
    broker.ask("POST", f"/stacks/{stack}/labels", "all")
    before = _rss(broker)
    fleet = Fleet(broker.port, known)
    seconds = await fleet.connect()
    await asyncio.sleep(2)
    each = (_rss(broker) - before) * 1024 / count
    wakes = [await _wake(broker, fleet, stack) for _ in range(5)]
    back, slow = await _restart(broker, fleet, known[0])
    fleet.ending = True
    for agent in fleet.agents:
        agent._transport.abort()
    return {
        "what": f"{count:,} agents",
        "connect_seconds": round(seconds, 2),
        "kib_each": round(each, 1),
        "all_woken_ms": [round(1000 * w) for w in wakes],
        "restart_all_back_seconds": round(back, 1),
        "rest_meanwhile_p50_ms": round(statistics.median(slow) * 1000, 1),
        "rest_meanwhile_p99_ms": round(sorted(slow)[int(len(slow) * 0.99)] * 1000, 1),
        "rest_requests_meanwhile": len(slow),
        "refused": fleet.refused,
    }


async def _register(broker: Broker, count: int) -> list[tuple[str, str]]:
    """Agents with keys, all with one label."""
    known: list[tuple[str, str]] = []
    headers = {"Authorization": f"Bearer {broker.pak}"}
    async with aiohttp.ClientSession(f"{broker.url}/api/v1/", headers=headers) as http:
        limit = asyncio.Semaphore(32)

        async def one(number: int) -> None:
            body = {"name": f"sim-{count}-{number}", "cluster_name": "bench"}
            async with limit, http.post("agents", json=body) as response:
                made = await response.json()
                known.append((made["agent"]["id"], made["initial_pak"]))

        await asyncio.gather(*map(one, range(count)))
    socket = broker.folder / "data" / "run"
    with psycopg.connect(f"postgresql://brokkr@/brokkr?host={socket}") as connection:
        connection.execute("SET search_path TO public")
        connection.execute(
            "INSERT INTO agent_labels (agent_id, label) SELECT id, 'all' FROM agents"
        )
    return known


async def _wake(broker: Broker, fleet: Fleet, stack: str) -> float:
    """Seconds from the push until the last of them is woken."""
    await asyncio.sleep(1)
    wanted = fleet.woken + len(fleet.agents)
    started = time.monotonic()
    await asyncio.to_thread(broker.push, stack, YAML)
    while fleet.woken < wanted:
        await asyncio.sleep(0.002)
        assert time.monotonic() - started < 30, (fleet.woken, wanted)
    return max(agent.woken for agent in fleet.agents) - started


async def _restart(
    broker: Broker, fleet: Fleet, agent: tuple[str, str]
) -> tuple[float, list[float]]:
    """Seconds from the broker's readiness until all are back, and how long polls took meanwhile."""
    await asyncio.to_thread(broker.kill, 15)
    await fleet.until(0)
    broker.start()
    await asyncio.to_thread(broker.wait)
    started = time.monotonic()
    times: list[float] = []
    polling = asyncio.create_task(_poll(broker, agent, times))
    await fleet.until(len(fleet.agents))
    seconds = time.monotonic() - started
    polling.cancel()
    return seconds, times or [0.0]


async def _poll(broker: Broker, agent: tuple[str, str], times: list[float]) -> None:
    headers = {"Authorization": f"Bearer {agent[1]}"}
    url = f"{broker.url}/api/v1/agents/{agent[0]}/target-state"
    async with aiohttp.ClientSession(headers=headers) as http:
        while True:
            started = time.monotonic()
            async with http.get(url) as response:
                await response.read()
            times.append(time.monotonic() - started)
            await asyncio.sleep(0.01)


def _rss(broker: Broker) -> float:
    return float(psutil.Process(broker.pid).memory_info().rss / 2**20)


def run(counts: tuple[int, ...] = (1000, 10_000)) -> list[dict[str, Any]]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else soft, hard))
    rows = []
    for count in counts:
        folder = Path(tempfile.mkdtemp(prefix="brokkr-bench-"))
        folder.chmod(0o755)
        broker = Broker(folder, log_level="warn")
        try:
            broker.start()
            broker.wait()
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                row = runner.run(measure(broker, count))
        finally:
            stop_all(broker)
            shutil.rmtree(folder, ignore_errors=True)
        rows.append(row)
        print(", ".join(f"{k.replace('_', ' ')} {v}" for k, v in row.items()), flush=True)
    return rows

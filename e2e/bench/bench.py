"""`make bench`: the budgets, measured: REST, channels, propagation, an agent in its cluster.

REST is measured with wrk against `brokkr-broker serve`. The broker, its embedded Postgres (durable)
and wrk share this machine. CPU per request is that of broker and Postgres together, and the figure
to trust on a busy machine. Statements are counted by Postgres: a statement outside a transaction is
a transaction of its own.
"""

import argparse
import asyncio
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg

sys.path.insert(0, str(Path(__file__).parents[1]))

import channels
import cluster
import far
import propagation

from harness import Broker, stop_all

YAML = "apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: c{0}}}\ndata: {{text: '{1}'}}\n"


class Bench:
    """One broker with one agent that serves ten stacks of 1.2 kB each."""

    def __init__(
        self, broker: Broker, seconds: int, connections: int, socket: str | None = None
    ) -> None:
        self.broker = broker
        self.seconds = seconds
        self.connections = connections
        self.rows: list[dict[str, Any]] = []
        self.agent, self.pak = broker.register("bench")
        self.stacks = [broker.stack(f"bench-{i}", agent_id=self.agent) for i in range(10)]
        for number, stack in enumerate(self.stacks):
            self.object = broker.push(stack, YAML.format(number, "x" * 1130))["id"]
        self.socket = socket or str(broker.folder / "data" / "run")

    def measure(
        self, name: str, path: str, *, pak: str = "", budget: str = "", **request: Any
    ) -> None:
        script = _script(pak or self.pak, **request)
        with tempfile.NamedTemporaryFile("w", suffix=".lua") as file:
            file.write(script)
            file.flush()
            url = f"{self.broker.url}{path}"
            self._wrk(file.name, url, 1)
            before, transactions = self._cpu(), self._transactions()
            out = self._wrk(file.name, url, self.seconds)
            cpu = self._cpu() - before
            statements = self._transactions() - transactions
        requests = int(_find(r"(\d+) requests in", out))
        failures = int(_find(r"Non-2xx or 3xx responses: (\d+)", out, "0"))
        row = {
            "what": name,
            "requests_per_second": round(requests / self.seconds),
            "p50_ms": _milliseconds(_find(r"^ +50% +(\S+)", out)),
            "p99_ms": _milliseconds(_find(r"^ +99% +(\S+)", out)),
            "cpu_ms": round(cpu * 1000 / max(requests, 1), 3),
            "statements": round(statements / max(requests, 1), 2),
            "failures": failures,
            "budget": budget,
        }
        self.rows.append(row)
        print(_line(row), flush=True)

    def _wrk(self, script: str, url: str, seconds: int) -> str:
        command = ["wrk", "-t1", f"-c{self.connections}", f"-d{seconds}s", "--latency", "-s"]
        done = subprocess.run([*command, script, url], capture_output=True, text=True, check=True)
        return done.stdout

    def _cpu(self) -> float:
        """CPU seconds of broker and Postgres so far, ended backends included."""
        broker = psutil.Process(self.broker.pid)
        total = 0.0
        for process in (broker, *broker.children(recursive=True)):
            times = process.cpu_times()
            total += times.user + times.system + times.children_user + times.children_system
        return total

    def _transactions(self) -> int:
        with psycopg.connect(f"postgresql://brokkr@/brokkr?host={self.socket}") as connection:
            time.sleep(1.2)  # NB: backends report their counts with a delay of up to a second
            row = connection.execute(
                "SELECT xact_commit FROM pg_stat_database WHERE datname = current_database()"
            ).fetchone()
        assert row
        return int(row[0])


def run(bench: Bench) -> None:
    state = f"/api/v1/agents/{bench.agent}/target-state?mode=full"
    tag = bench.broker.call("GET", state.removeprefix("/api/v1"), pak=bench.pak).headers["ETag"]
    admin = bench.broker.pak
    event = {"deployment_object_id": bench.object, "event_type": "DEPLOY", "status": "SUCCESS"}
    push = {"yaml_content": YAML.format(0, "x" * 1130)}
    bench.measure("liveness", "/healthz")
    bench.measure("target state, 10 objects of 1.2 kB", state, budget=">= 4,500 /s, <= 2 st.")
    bench.measure("poll, nothing changed (304)", state, tag=tag, budget=">= 6,000 /s, <= 1 st.")
    heartbeat = f"/api/v1/agents/{bench.agent}/heartbeat"
    bench.measure("heartbeat", heartbeat, method="POST", budget=">= 5,000 /s, 1 st.")
    events = f"/api/v1/agents/{bench.agent}/events"
    bench.measure("event report, durable", events, method="POST", body=event, budget=">= 5,000 /s")
    objects = f"/api/v1/stacks/{bench.stacks[0]}/deployment-objects"
    bench.measure(
        "POST deployment object", objects, method="POST", body=push, pak=admin,
        budget=">= 2,000 /s",
    )  # fmt: skip
    count = bench.broker.ask("GET", "/agent-events")
    print(f"\nwith a history of {len(count)}+ events:")
    bench.measure("target state, with history", state, budget="within 25 % of fresh")
    bench.measure("heartbeat, with history", heartbeat, method="POST", budget="within 25 %")


def rest(seconds: int, connections: int) -> list[dict[str, Any]]:
    """The REST API."""
    if not shutil.which("wrk"):
        sys.exit("bench: wrk is missing (Debian: apt-get install wrk)")
    folder = Path(tempfile.mkdtemp(prefix="brokkr-bench-"))
    folder.chmod(0o755)
    broker = Broker(folder, durable=True, log_level="warn")
    try:
        started = _seconds(lambda: (broker.start(), broker.wait()))
        print(f"start to ready, empty data directory: {started:.2f} s")
        rss = psutil.Process(broker.pid).memory_info().rss / 2**20
        print(f"broker idle: {rss:.0f} MiB RSS (budget 100)\n\n{_head()}", flush=True)
        bench = Bench(broker, seconds, connections)
        run(bench)
        rss = psutil.Process(broker.pid).memory_info().rss / 2**20
        print(f"\nbroker after all that: {rss:.0f} MiB RSS")
        return bench.rows
    finally:
        stop_all(broker)
        shutil.rmtree(folder, ignore_errors=True)


def in_cluster(quiet_seconds: int) -> list[dict[str, Any]]:
    """One agent and its API server."""
    with cluster.opened() as bench:
        cluster.run(bench, quiet_seconds)
        return bench.rows


def propagate(pushes: int) -> list[dict[str, Any]]:
    """From push to object and event: with the channel, and with polling alone."""
    rows = []
    for what, stacks, pause, settings in (
        ("with the channel", 1, 0.1, {}),
        # NB: several stacks, since each push waits for a poll.
        ("polling alone, every 10 s", min(pushes, 10), 12.0, {"ws_force_rest": "true"}),
    ):
        with cluster.opened(**settings) as bench:
            found = asyncio.run(propagation.measure(bench, pushes, stacks=stacks, pause=pause))
            row = {"what": what, "pushes": pushes, **found}
        rows.append(row)
        print(", ".join(f"{k.replace('_', ' ')} {v}" for k, v in row.items()), flush=True)
    return rows


def compare(old: dict[str, Any], new: dict[str, Any]) -> None:
    """Every figure that both runs have, and how it changed."""
    for section, rows in new.items():
        before = {row["what"]: row for row in old.get(section, [])}
        for row in rows:
            for name, value in row.items():
                was = before.get(row["what"], {}).get(name)
                if isinstance(value, int | float) and isinstance(was, int | float) and was:
                    change = f"{value / was - 1:+.0%}"
                    print(f"{section}: {row['what']}: {name} {was} -> {value} ({change})")


def main() -> None:
    sections: dict[str, Callable[[argparse.Namespace], list[dict[str, Any]]]] = {
        "rest": lambda o: rest(o.seconds, o.connections),
        "far": lambda o: far.run(lambda b, s: Bench(b, o.seconds, o.connections, s)),
        "channels": lambda o: channels.run(tuple(o.agents)),
        "propagation": lambda o: propagate(o.pushes),
        "cluster": lambda o: in_cluster(o.quiet_seconds),
    }
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("sections", nargs="*", help=f"some of {', '.join(sections)}")
    arguments.add_argument("--seconds", type=int, default=5, help="of each REST measurement")
    arguments.add_argument("--connections", type=int, default=32)
    arguments.add_argument("--agents", type=int, nargs="+", default=[1000, 10_000])
    arguments.add_argument("--pushes", type=int, default=200)
    arguments.add_argument("--quiet-seconds", type=int, default=0, help="100 stacks, no change")
    arguments.add_argument("--json", type=Path, help="write the rows there as well")
    arguments.add_argument("--compare", type=Path, help="with the rows of an earlier run")
    options = arguments.parse_args()
    rows = {}
    for name in options.sections or sections:
        if name not in sections:
            arguments.error(f"{name} is none of {', '.join(sections)}")
        print(f"\n== {name}", flush=True)
        rows[name] = sections[name](options)
    if options.json:
        options.json.write_text(json.dumps(rows, indent=2))
    if options.compare:
        compare(json.loads(options.compare.read_text()), rows)


def _script(pak: str, *, method: str = "GET", body: Any = None, tag: str | None = None) -> str:
    lines = [f'wrk.method = "{method}"', f'wrk.headers["Authorization"] = "Bearer {pak}"']
    if tag:
        lines.append(f"wrk.headers[\"If-None-Match\"] = '{tag}'")
    if body is not None:
        lines.append('wrk.headers["Content-Type"] = "application/json"')
        lines.append(f"wrk.body = [==[{json.dumps(body)}]==]")
    return "\n".join(lines)


def _find(pattern: str, text: str, default: str = "") -> str:
    found = re.search(pattern, text, re.MULTILINE)
    return found[1] if found else default


def _milliseconds(text: str) -> float:
    for unit, factor in (("us", 0.001), ("ms", 1.0), ("m", 60_000.0), ("s", 1000.0)):
        if text.endswith(unit):
            return round(float(text.removesuffix(unit)) * factor, 2)
    return 0.0


def _seconds(action: Callable[[], object]) -> float:
    started = time.monotonic()
    action()
    return time.monotonic() - started


def _head() -> str:
    return f"{'':38} {'req/s':>7} {'p50 ms':>7} {'p99 ms':>7} {'CPU ms':>7} {'stmts':>6}  budget"


def _line(row: dict[str, Any]) -> str:
    failed = f"  FAILED: {row['failures']}" if row["failures"] else ""
    return (
        f"{row['what']:38} {row['requests_per_second']:7,} {row['p50_ms']:7} {row['p99_ms']:7} "
        f"{row['cpu_ms']:7} {row['statements']:6}  {row['budget']}{failed}"
    )


if __name__ == "__main__":
    main()

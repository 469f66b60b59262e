"""What an agent does to a cluster: objects per second, drift, memory, and quiet.

Cluster, broker, Postgres and agent share this machine. Times are what a client of the API server
sees: from the push to the moment when the stack is Ready.
"""

import asyncio
import json
import shutil
import ssl
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import psutil
import yaml

sys.path.insert(0, str(Path(__file__).parents[1]))

import assets
import audit
import clusters
import manifests as m
from harness import Agent, Broker, Kubectl, eventually, stop_all

_APPLY = {"Content-Type": "application/apply-patch+yaml"}


class Bench:
    """One cluster, one broker, one agent with settings as they are by default."""

    def __init__(
        self, cluster: clusters.Cluster, broker: Broker, folder: Path, **settings: str
    ) -> None:
        self.broker = broker
        self.cluster = cluster
        self.kubectl = Kubectl(str(assets.find("kubectl")), cluster.kubeconfig)
        defaults = {
            "polling_interval": "10",
            "resync_interval": "300",
            "deployment_health_interval": "60",
            "event_message_retry_delay": "5",
            **settings,
        }
        kubeconfig = cluster.agent_kubeconfig
        self.agent = Agent(folder, broker, kubeconfig, "bench", log_level="info", **defaults)
        self.agent.start()
        self.agent.wait()
        self.rows: list[dict[str, Any]] = []

    @property
    def rss(self) -> float:
        """MiB of the agent."""
        return float(psutil.Process(self.agent.pid).memory_info().rss / 2**20)

    def add(self, what: str, **values: Any) -> None:
        self.rows.append({"what": what, **values})
        shown = ", ".join(f"{k.replace('_', ' ')} {v}" for k, v in values.items())
        print(f"{what}: {shown}", flush=True)

    @property
    def cpu(self) -> float:
        """Seconds of the agent."""
        times = psutil.Process(self.agent.pid).cpu_times()
        return float(times.user + times.system)

    def push(self, texts: dict[str, str]) -> tuple[float, float]:
        """Stacks by name, until all of them are applied. Returns seconds, and CPU of the agent."""
        stacks = {name: self.broker.stack(name, agent_id=self.agent.id) for name in texts}
        started, cpu = time.monotonic(), self.cpu

        def push() -> None:
            for name, text in texts.items():
                self.broker.push(stacks[name], text)

        async def both() -> None:
            await asyncio.gather(
                asyncio.to_thread(push), _ready(self.cluster, set(stacks.values()))
            )

        asyncio.run(both())
        return time.monotonic() - started, self.cpu - cpu

    def remove_all(self) -> None:
        for stack in self.broker.ask("GET", f"/agents/{self.agent.id}/stacks"):
            self.broker.ask("DELETE", f"/stacks/{stack['id']}")
        gone = ("get", "brokkrstacks", "-o", "name")
        eventually(lambda: not self.kubectl.run(*gone).strip(), seconds=300, what="stacks gone")


def run(bench: Bench, quiet_seconds: int) -> None:
    bench.add("idle", rss_mib=round(bench.rss))
    bare = asyncio.run(_bare(bench.cluster, 1000))
    log = audit.of(bench.cluster)
    log.mark()
    text = m.bundle(m.namespace("one"), *(_config_map(f"c{i}", "one") for i in range(999)))
    seconds, cpu = bench.push({"one": text})
    patching = _span([r for r in log.requests() if "/namespaces/one/" in r["requestURI"]])
    bench.add(
        "1,000 objects in one stack",
        seconds=round(seconds, 2),
        agent_cpu_seconds=round(cpu, 2),
        seconds_of_patches=round(patching, 2),
        bare_client_seconds=round(bare, 2),
        share_of_its_rate=f"{bare / patching:.0%}",
        rss_mib=round(bench.rss),
    )
    asyncio.run(_drift(bench, 100))
    bench.remove_all()
    big = m.bundle(m.namespace("big"), *(_config_map(f"c{i}", "big", 2900) for i in range(500)))
    bench.add("500 ConfigMaps, 1.5 MB", seconds=round(bench.push({"big": big})[0], 2), budget=2)
    bench.remove_all()
    stacks = {f"s{i}": _stack(f"s{i}", 10) for i in range(50)}
    bench.add("50 stacks x 10 objects", seconds=round(bench.push(stacks)[0], 2), budget=4)
    bench.remove_all()
    before = bench.rss
    log.mark()
    stacks = {f"s{i}": _stack(f"s{i}", 4) for i in range(500)}
    seconds, cpu = bench.push(stacks)
    bench.add(
        "500 stacks x 4 objects",
        seconds=round(seconds, 1),
        agent_cpu_seconds=round(cpu, 2),
        requests_per_stack=round(len(log.requests()) / 500, 1),
        rss_mib=round(bench.rss),
        rss_kib_per_stack=round((bench.rss - before) * 1024 / 500),
    )
    if quiet_seconds:
        _quiet(bench, quiet_seconds)


def _stack(name: str, count: int) -> str:
    return m.bundle(*(_config_map(f"{name}-{i}", "default") for i in range(count)))


def _config_map(name: str, namespace: str, size: int = 100) -> str:
    return m.config_map(name, namespace, "x" * size)


def _quiet(bench: Bench, seconds: int) -> None:
    """NB: leases and dry runs are no writes."""
    bench.remove_all()
    bench.push({f"s{i}": _stack(f"s{i}", 4) for i in range(100)})
    time.sleep(10)
    log = audit.of(bench.cluster)
    log.mark()
    time.sleep(seconds)
    bench.add(
        f"100 stacks, {seconds} quiet seconds",
        writes=len(log.writes()),
        lists=len(log.lists()),
        requests=len(log.requests()),
        rss_mib=round(bench.rss),
    )


def _span(requests: list[dict[str, Any]]) -> float:
    """Seconds from the start of the first request to the end of the last."""
    times = [
        datetime.fromisoformat(r[field]).timestamp()
        for r in requests
        for field in ("requestReceivedTimestamp", "stageTimestamp")
    ]
    return max(times) - min(times)


async def _bare(cluster: clusters.Cluster, count: int) -> float:
    """Seconds for the patches of the agent, a dry run of each and then each, 16 at a time."""
    async with api(cluster) as (http, server):
        limit = asyncio.Semaphore(16)

        async def patch(path: str, body: str, dry_run: bool) -> None:
            query = {"fieldManager": "bare", "force": "true"} | (
                {"dryRun": "All"} if dry_run else {}
            )
            async with (
                limit,
                http.patch(server + path, params=query, data=body, headers=_APPLY) as response,
            ):
                response.raise_for_status()
                json.loads(await response.read())

        await patch("/api/v1/namespaces/bare", m.namespace("bare"), False)
        path = "/api/v1/namespaces/bare/configmaps/c"
        bodies = [
            json.dumps(yaml.safe_load(_config_map(f"c{number}", "bare"))) for number in range(count)
        ]
        started = time.monotonic()
        for dry_run in (True, False):
            await asyncio.gather(
                *(patch(f"{path}{number}", body, dry_run) for number, body in enumerate(bodies))
            )
        return time.monotonic() - started


async def _ready(cluster: clusters.Cluster, stacks: set[str]) -> None:
    """Until all these stacks are Ready. NB: a watch, since asking would be work for the cluster."""
    left = set(stacks)
    async with api(cluster) as (http, server):
        path = f"{server}/apis/brokkr.io/v1/brokkrstacks"
        async with http.get(path, params={"watch": "true"}) as response:
            async for line in response.content:
                stack = json.loads(line)["object"]
                conditions = stack.get("status", {}).get("conditions", ())
                if any((c["type"], c["status"]) == ("Ready", "True") for c in conditions):
                    left.discard(stack["spec"]["stackId"])
                    if not left:
                        return


async def _drift(bench: Bench, count: int) -> None:
    """Delete objects of the stack at once, and see when each is back."""
    async with api(bench.cluster) as (http, server):
        path = f"{server}/api/v1/namespaces/one/configmaps"
        async with http.get(path, params={"limit": "1"}) as response:
            version = (await response.json())["metadata"]["resourceVersion"]
        deleted: dict[str, float] = {}
        took: dict[str, float] = {}

        async def watch() -> None:
            query = {"watch": "true", "resourceVersion": version}
            async with http.get(path, params=query) as response:
                async for line in response.content:
                    event = json.loads(line)
                    name = event["object"]["metadata"]["name"]
                    if event["type"] == "ADDED" and name in deleted:
                        took[name] = time.monotonic() - deleted[name]
                        if len(took) == count:
                            return

        async def delete(name: str) -> None:
            deleted[name] = time.monotonic()
            async with http.delete(f"{path}/{name}") as response:
                response.raise_for_status()

        watching = asyncio.create_task(watch())
        await asyncio.gather(*(delete(f"c{i}") for i in range(count)))
        await asyncio.wait_for(watching, 60)
        times = sorted(took.values())
        bench.add(
            f"{count} objects deleted at once, back after",
            p50_ms=round(times[count // 2] * 1000),
            p99_ms=round(times[int(count * 0.99) - 1] * 1000),
        )


class api:
    """A session with the API server as admin."""

    def __init__(self, cluster: clusters.Cluster) -> None:
        config = yaml.safe_load(cluster.kubeconfig.read_text())
        self._server = config["clusters"][0]["cluster"]["server"]
        authority = config["clusters"][0]["cluster"]["certificate-authority"]
        self._token = config["users"][0]["user"]["token"]
        self._ssl = ssl.create_default_context(cafile=authority)

    async def __aenter__(self) -> tuple[aiohttp.ClientSession, str]:
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=self._ssl, limit=64),
            headers={"Authorization": f"Bearer {self._token}"},
            read_bufsize=2**24,
        )
        return self._http, self._server

    async def __aexit__(self, *_: object) -> None:
        await self._http.close()


@contextmanager
def opened(**settings: str) -> Iterator[Bench]:
    folder = Path(tempfile.mkdtemp(prefix="brokkr-bench-"))
    folder.chmod(0o755)
    cluster = clusters.LocalCluster(folder / "cluster")
    broker = Broker(folder, durable=True, log_level="warn")
    bench = None
    try:
        cluster.start()
        broker.start()
        broker.wait()
        bench = Bench(cluster, broker, folder, **settings)
        yield bench
    finally:
        stop_all(*([bench.agent] if bench else []), broker)
        cluster.stop()
        shutil.rmtree(folder, ignore_errors=True)

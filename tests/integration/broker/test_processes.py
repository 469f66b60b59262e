"""`brokkr-broker serve` as it is run: several workers, TLS, traces."""

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from concurrent import futures
from pathlib import Path
from typing import Any
from uuid import uuid4

import grpc
import psutil
import pytest
import requests
import trustme
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from harness import Broker, eventually
from support.commands import BROKER, command


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = Path(f"/tmp/brokkr-test-{uuid4().hex[:8]}")  # NB: short, for the Unix socket
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


def workers(broker: Broker) -> list[psutil.Process]:
    return [p for p in psutil.Process(broker.pid).children() if _is_worker(p)]


def _is_worker(process: psutil.Process) -> bool:
    try:
        alive = process.status() != psutil.STATUS_ZOMBIE
        return alive and "brokkr_broker" in process.cmdline()
    except psutil.NoSuchProcess:
        return False


def test_workers_share_the_port_and_are_replaced(folder: Path, database: str) -> None:
    settings = {"BROKKR__DATABASE__URL": database, "BROKKR__API__WORKERS": "2"}
    broker = Broker(folder, **settings)
    command(
        database, "create", "generator", "--name", "g", BROKKR__BROKER__DATA_DIR=f"{folder}/data"
    )
    broker.start()
    try:
        broker.wait()
        eventually(lambda: len(workers(broker)) == 2)
        # Given requests on many connections, the metrics are the sum of both
        for _ in range(40):
            headers = {"Authorization": f"Bearer {broker.pak}", "Connection": "close"}
            assert requests.get(f"{broker.url}/api/v1/stacks", headers=headers, timeout=5).ok
        text = requests.get(f"{broker.url}/metrics", timeout=5).text
        line = (
            'brokkr_http_requests_total{endpoint="/api/v1/stacks",method="GET",status="200"} 40.0'
        )
        assert line in text
        # When one dies, another takes its place
        first = workers(broker)[0]
        first.kill()
        eventually(lambda: first.pid not in {p.pid for p in workers(broker)})
        eventually(lambda: len(workers(broker)) == 2)
        eventually(lambda: broker.call("GET", "/stacks").ok)
        # When the supervisor is killed, no worker stays
        left = workers(broker)
        broker.kill(signal.SIGKILL)
        eventually(lambda: not any(p.is_running() for p in left))
    finally:
        if broker.running():
            broker.kill()


def test_workers_stop_with_the_broker(folder: Path, database: str) -> None:
    settings = {"BROKKR__DATABASE__URL": database, "BROKKR__API__WORKERS": "2"}
    broker = Broker(folder, **settings)
    broker.start()
    broker.wait()
    eventually(lambda: len(workers(broker)) == 2)
    left = workers(broker)
    assert broker.kill(signal.SIGTERM) == 0
    assert not any(p.is_running() for p in left)


def test_https(folder: Path, database: str) -> None:
    folder.mkdir()
    authority = trustme.CA()
    issued = authority.issue_cert("localhost")
    cert, key, ca = (str(folder / name) for name in ("tls.crt", "tls.key", "ca.crt"))
    issued.private_key_pem.write_to_path(key)
    issued.cert_chain_pems[0].write_to_path(cert)
    authority.cert_pem.write_to_path(ca)
    tls = {"BROKKR__API__TLS_CERT_FILE": cert, "BROKKR__API__TLS_KEY_FILE": key}
    broker = Broker(folder, BROKKR__DATABASE__URL=database, **tls)
    broker.start()
    try:
        url = f"https://localhost:{broker.port}"
        answer = eventually(lambda: requests.get(f"{url}/healthz", verify=ca, timeout=5))
        assert answer.headers["Strict-Transport-Security"] == "max-age=31536000"
    finally:
        broker.kill(signal.SIGTERM)


def test_a_certificate_that_cannot_be_read_stops_the_start(folder: Path) -> None:
    env = {
        **os.environ,
        "BROKKR__API__TLS_CERT_FILE": f"{folder}/no.crt",
        "BROKKR__API__TLS_KEY_FILE": f"{folder}/no.key",
    }
    done = subprocess.run([BROKER, "serve"], env=env, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith("brokkr-broker: api.tls_cert_file, api.tls_key_file (")
    del env["BROKKR__API__TLS_KEY_FILE"]
    done = subprocess.run([BROKER, "serve"], env=env, capture_output=True, text=True)
    assert "one needs the other" in done.stderr


class Collector(trace_service_pb2_grpc.TraceServiceServicer):  # type: ignore[misc]
    """A real OTLP receiver."""

    def __init__(self) -> None:
        self.received: list[Any] = []

    def Export(self, request: Any, _context: Any) -> Any:
        self.received.extend(request.resource_spans)
        return trace_service_pb2.ExportTraceServiceResponse()


def test_traces_reach_a_collector(folder: Path, database: str) -> None:
    collector = Collector()
    server = grpc.server(futures.ThreadPoolExecutor(max_workers=2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    settings = {
        "BROKKR__LOG__FORMAT": "json",
        "BROKKR__TELEMETRY__ENABLED": "true",
        "BROKKR__TELEMETRY__OTLP_ENDPOINT": f"http://127.0.0.1:{port}",
        "BROKKR__TELEMETRY__SAMPLING_RATE": "0",
        "BROKKR__TELEMETRY__BROKER__SAMPLING_RATE": "1",
        "BROKKR__DATABASE__URL": database,
    }
    broker = Broker(folder, **settings)
    broker.start()
    trace = "0af7651916cd43dd8448eb211c80319c"
    try:
        broker.wait()
        headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01"}
        requests.get(f"{broker.url}/api/v1/stacks", headers=headers, timeout=5)
    finally:
        broker.kill(signal.SIGTERM)  # sends what is left
    server.stop(0)
    names = {
        attribute.value.string_value
        for received in collector.received
        for attribute in received.resource.attributes
        if attribute.key == "service.name"
    }
    assert names == {"brokkr-broker"}
    spans = [s for r in collector.received for scope in r.scope_spans for s in scope.spans]
    [span] = [s for s in spans if s.trace_id.hex() == trace]
    attributes = {a.key: a.value for a in span.attributes}
    assert span.name == "GET /api/v1/stacks"
    assert attributes["http.response.status_code"].int_value == 401
    assert trace in broker.log.read_text()

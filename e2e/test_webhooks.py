"""Webhooks that agents deliver, to receivers that only the cluster reaches."""

import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from harness import Agent, Broker, eventually


class Receiver:
    """Takes POSTs; answers what `answers` says, then 200."""

    def __init__(self) -> None:
        self.calls: list[tuple[dict[str, str], bytes]] = []
        self.answers: list[int] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                receiver.calls.append(({k.lower(): v for k, v in self.headers.items()}, body))
                self.send_response(receiver.answers.pop(0) if receiver.answers else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, format: str, *arguments: Any) -> None:
                return

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()


def _subscribe(broker: Broker, url: str, labels: list[str], **fields: Any) -> str:
    hook = {"name": "e2e", "url": url, "event_types": ["stack.created"], "target_labels": labels}
    webhook: str = broker.ask("POST", "/webhooks", {**hook, **fields})["id"]
    return webhook


def _statuses(broker: Broker, webhook: str) -> list[str]:
    return [d["status"] for d in broker.ask("GET", f"/webhooks/{webhook}/deliveries")]


def test_the_agent_with_all_labels_delivers_signed_and_with_the_auth_header(
    broker: Broker, agent: Agent, receiver: Receiver, unique: str
) -> None:
    labels = [f"{unique}-a", f"{unique}-b"]
    webhook = _subscribe(
        broker, receiver.url, labels, auth_header="Bearer t0p", signing_secret="s" * 32
    )
    broker.ask("POST", f"/agents/{agent.id}/labels", labels[0])
    stack = broker.stack(unique)
    # Given an agent with one of two labels, nobody delivers
    eventually(lambda: _statuses(broker, webhook) == ["pending"])
    assert not receiver.calls
    # When it has both, it does
    broker.ask("POST", f"/agents/{agent.id}/labels", labels[1])
    eventually(lambda: _statuses(broker, webhook) == ["success"])
    [(headers, body)] = receiver.calls
    assert json.loads(body)["data"]["stack_id"] == stack
    assert headers["authorization"] == "Bearer t0p"
    assert headers["x-brokkr-event-type"] == "stack.created"
    moment, _, digest = headers["x-brokkr-signature"].partition(",")
    signed = f"{moment.removeprefix('t=')}.".encode() + body
    expected = hmac.new(b"s" * 32, signed, hashlib.sha256).hexdigest()
    assert digest.removeprefix("v1=") == expected
    broker.ask("DELETE", f"/webhooks/{webhook}")


def test_what_fails_is_told_and_tried_again_and_what_is_refused_is_dead(
    broker: Broker, agent: Agent, receiver: Receiver, unique: str
) -> None:
    broker.ask("POST", f"/agents/{agent.id}/labels", unique)
    webhook = _subscribe(broker, receiver.url, [unique])
    receiver.answers = [503]
    broker.stack(unique)
    eventually(lambda: _statuses(broker, webhook) == ["success"], seconds=20)
    [delivery] = broker.ask("GET", f"/webhooks/{webhook}/deliveries")
    assert delivery["attempts"] == 2
    receiver.answers = [410]
    broker.stack(f"{unique}-2")
    eventually(lambda: "dead" in _statuses(broker, webhook))
    dead = next(
        d for d in broker.ask("GET", f"/webhooks/{webhook}/deliveries") if d["status"] == "dead"
    )
    assert dead["last_error"].startswith("HTTP 410")
    broker.ask("DELETE", f"/webhooks/{webhook}")

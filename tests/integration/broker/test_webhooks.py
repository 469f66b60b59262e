"""Webhooks, against a real receiver: fast, slow, failing, hanging, redirecting, closing early."""

import asyncio
import contextlib
import hashlib
import hmac
import json
import ssl
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest
import trustme
from aiohttp import web

from brokkr_broker import tasks
from brokkr_broker.api import ROUTES
from brokkr_broker.config import Broker, BrokerConfig, Webhooks
from brokkr_broker.tasks import webhooks as task
from brokkr_common.settings import Words
from brokkr_common.wire.webhooks import EVENT_TYPES
from support.broker import RunningBroker, running_broker
from support.serving import serving

KEY, OTHER_KEY = "11" * 32, "22" * 32
WAIT = "SELECT extract(epoch FROM next_retry_at - last_attempt_at)::float8 FROM webhook_deliveries"
CONFIG = BrokerConfig(broker=Broker(webhook_encryption_key=KEY))


class Receiver:
    """Answers by path, and keeps what it got."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], Any, float]] = []
        self.release = asyncio.Event()
        self.url = ""
        self.failures = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        body = await request.text()
        self.got.append((request.path, dict(request.headers), json.loads(body), time.monotonic()))
        match request.path:
            case "/hang":
                await self.release.wait()
            case "/close":
                assert request.transport
                request.transport.abort()
            case "/redirect":
                return web.Response(status=302, headers={"Location": f"{self.url}/secret"})
            case "/gone":
                return web.Response(status=404, text="nobody here")
            case "/busy":
                return web.Response(status=429, headers={"Retry-After": "77"})
            case "/broken":
                return web.Response(status=500, text="x" * 10_000)
            case "/flaky" if self.failures:
                self.failures -= 1
                return web.Response(status=503)
        return web.Response(text="thanks")

    def bodies(self, path: str) -> list[Any]:
        return [body for where, _, body, _ in self.got if where == path]


@contextlib.asynccontextmanager
async def receiving(**options: Any) -> AsyncIterator[Receiver]:
    receiver = Receiver()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", receiver.answer)
    async with serving(app, **options) as address:
        receiver.url = f"{'https' if options else 'http'}://{address}"
        yield receiver
        receiver.release.set()


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture
async def broker(database: str) -> AsyncIterator[RunningBroker]:
    async with (
        running_broker(database, config=CONFIG) as running,
        tasks.running(running.context),
    ):
        yield running


async def subscribe(broker: RunningBroker, url: str, *types: str, **fields: Any) -> Any:
    body = {"name": "w", "url": url, "event_types": types or ["*"], **fields}
    return await broker.admin.ask("POST", "/webhooks", body)


async def deliveries(broker: RunningBroker, webhook: Any, status: str = "") -> list[Any]:
    query = f"?status={status}" if status else ""
    found: list[Any] = await broker.admin.ask("GET", f"/webhooks/{webhook['id']}/deliveries{query}")
    return found


async def until(probe: Any, seconds: float = 10) -> Any:
    async with asyncio.timeout(seconds):
        while True:
            found = probe()
            found = await found if asyncio.iscoroutine(found) else found
            if found:
                return found
            await asyncio.sleep(0.02)


async def hurry(broker: RunningBroker) -> None:
    """Let retries be due."""
    await broker.context.db.execute("UPDATE webhook_deliveries SET next_retry_at = now()")
    broker.context.webhook_due.set()


async def test_an_event_arrives_signed_within_a_second(
    broker: RunningBroker, receiver: Receiver
) -> None:
    webhook = await subscribe(broker, f"{receiver.url}/ok", "stack.*", auth_header="Bearer theirs")
    assert webhook["has_url"]
    assert webhook["has_auth_header"]
    assert receiver.url not in str(webhook)

    started = time.monotonic()
    stack = await broker.admin.ask("POST", "/stacks", {"name": "shop", "description": "d"})

    [(_, headers, body, moment)] = await until(lambda: receiver.got)
    assert moment - started < 1
    [delivery] = await until(lambda: deliveries(broker, webhook, "success"))
    assert body["event_type"] == headers["X-Brokkr-Event-Type"] == "stack.created"
    assert headers["X-Brokkr-Delivery-Id"] == delivery["id"]
    assert headers["Authorization"] == "Bearer theirs"
    assert headers["Content-Type"] == "application/json"
    assert body["id"] == delivery["event_id"]
    assert body["timestamp"].endswith("Z")
    assert body["data"] == {
        "stack_id": stack["id"],
        "name": "shop",
        "description": "d",
        "created_at": stack["created_at"],
    }
    seconds, digest = (part.partition("=")[2] for part in headers["X-Brokkr-Signature"].split(","))
    signed = f"{seconds}.{delivery['payload']}".encode()
    secret = webhook["signing_secret"].encode()
    assert hmac.new(secret, signed, hashlib.sha256).hexdigest() == digest
    assert (delivery["attempts"], delivery["last_error"]) == (1, None)
    assert "signing_secret" not in await broker.admin.ask("GET", f"/webhooks/{webhook['id']}")


async def test_every_kind_of_event_comes_with_what_the_book_says(
    broker: RunningBroker, receiver: Receiver
) -> None:
    await subscribe(broker, f"{receiver.url}/all")
    agent_id, agent = await broker.agent("west")
    stack = await broker.stack()
    pushed = await broker.push(stack)
    for status in ("SUCCESS", "FAILURE"):
        await broker.report(agent, agent_id, pushed["id"], status)
    for success in (True, False):
        body = {"work_type": "custom", "yaml_content": "x", "target_agent_ids": [agent_id]}
        order = (await broker.admin.ask("POST", "/work-orders", body))["id"]
        await agent.ask("POST", f"/work-orders/{order}/claim", {"agent_id": agent_id})
        ending = {"success": success, "retryable": False}
        await agent.ask("POST", f"/work-orders/{order}/complete", ending)
    await broker.admin.ask("DELETE", f"/stacks/{stack}")
    await broker.admin.ask("DELETE", f"/agents/{agent_id}")

    await until(lambda: len({b["event_type"] for b in receiver.bodies("/all")}) == 12)
    found = {b["event_type"]: b["data"] for b in receiver.bodies("/all")}
    assert set(found) == set(EVENT_TYPES)
    assert found["agent.registered"]["cluster_name"] == "c"
    assert set(found["agent.deregistered"]) == {"agent_id", "name", "deleted_at"}
    assert found["deployment.created"]["sequence_id"] == pushed["sequence_id"]
    for kind in ("deployment.applied", "deployment.failed", "deployment.deleted"):
        assert found[kind]["deployment_object_id"] == pushed["id"]
        assert found[kind]["stack_id"] == stack
    assert found["deployment.failed"]["agent_id"] == agent_id
    assert found["workorder.claimed"]["agent_id"] == agent_id
    assert found["workorder.completed"]["work_order_log_id"]
    assert found["workorder.failed"]["result_message"] == "Unknown error"
    assert await broker.admin.ask("GET", "/webhooks/event-types") == list(EVENT_TYPES)


async def test_filters_really_filter(broker: RunningBroker, receiver: Receiver) -> None:
    (one_id, one), (two_id, two) = [await broker.agent() for _ in range(2)]
    stack, other = await broker.stack(), await broker.stack()
    await broker.admin.ask("POST", f"/stacks/{stack}/annotations", {"key": "env", "value": "prod"})
    await broker.admin.ask("POST", f"/agents/{two_id}/labels", "region:eu")
    wanted: dict[str, Any] = {
        "agent": {"agent_id": one_id},
        "stack": {"stack_id": stack},
        "annotation": {"labels": {"env": "prod"}},
        "label": {"labels": {"region": "eu"}},
        "both": {"labels": {"env": "prod", "region": "eu"}},
        "none": {"labels": {"env": "dev"}},
    }
    for name, filters in wanted.items():
        await subscribe(broker, f"{receiver.url}/{name}", "deployment.applied", filters=filters)
    await subscribe(broker, f"{receiver.url}/other-type", "deployment.failed", "agent.applied")
    pushed = {s: (await broker.push(s))["id"] for s in (stack, other)}
    for agent_id, agent in ((one_id, one), (two_id, two)):
        for object_id in pushed.values():
            await broker.report(agent, agent_id, object_id, "SUCCESS")

    await until(lambda: len(receiver.got) >= 9)
    await asyncio.sleep(0.2)
    counts = {name: len(receiver.bodies(f"/{name}")) for name in wanted}
    assert counts == {"agent": 2, "stack": 2, "annotation": 2, "label": 2, "both": 1, "none": 0}
    assert receiver.bodies("/other-type") == []


@pytest.mark.parametrize(
    ("path", "status", "error"),
    [
        ("/gone", "dead", "HTTP 404: nobody here"),
        ("/redirect", "dead", "HTTP 302"),
        ("/broken", "failed", "HTTP 500: xxx"),
        ("/busy", "failed", "HTTP 429"),
        ("/close", "failed", "Connection failed"),
        ("/hang", "failed", "Request timed out"),
    ],
)
async def test_what_a_bad_answer_means(
    broker: RunningBroker, receiver: Receiver, path: str, status: str, error: str
) -> None:
    webhook = await subscribe(broker, receiver.url + path, "stack.created", timeout_seconds=1)
    await broker.stack()
    [found] = await until(lambda: deliveries(broker, webhook, status))
    assert found["last_error"].startswith(error)
    assert len(found["last_error"]) < 600
    assert found["attempts"] == 1
    assert receiver.bodies("/secret") == [], "no redirect is followed"
    if path == "/busy":
        wait = await broker.context.db.fetchval(WAIT)
        assert wait == pytest.approx(77), "Retry-After"
    if status == "dead":
        entries = await until(
            lambda: _entries(broker, "webhook.delivery_failed"),
        )
        assert entries[0]["resource_id"] == webhook["id"]


async def _entries(broker: RunningBroker, action: str) -> Any:
    return (await broker.admin.ask("GET", f"/admin/audit-logs?action={action}"))["logs"]


async def test_retries_grow_end_in_dead_and_can_be_revived(
    broker: RunningBroker, receiver: Receiver
) -> None:
    receiver.failures = 3
    webhook = await subscribe(broker, f"{receiver.url}/flaky", "stack.created", max_retries=2)
    await broker.stack()
    for attempt, delay in ((1, 2), (2, 4)):
        [found] = await until(lambda n=attempt: _with_attempts(broker, webhook, n))
        assert found["status"] == "failed"
        seconds = await broker.context.db.fetchval(WAIT)
        assert seconds == pytest.approx(delay)
        await hurry(broker)
    [dead] = await until(lambda: deliveries(broker, webhook, "dead"))
    assert dead["attempts"] == 3
    path = f"/webhook-deliveries/{dead['id']}/redeliver"
    await broker.admin.ask("POST", path)
    broker.context.webhook_due.set()
    await until(lambda: deliveries(broker, webhook, "success"))
    status, problem, _ = await broker.admin.call("POST", path)
    assert (status, problem["code"]) == (409, "delivery_not_dead")


async def _with_attempts(broker: RunningBroker, webhook: Any, count: int) -> list[Any]:
    return [d for d in await deliveries(broker, webhook) if d["attempts"] == count]


async def test_a_receiver_that_hangs_delays_no_other(
    broker: RunningBroker, receiver: Receiver
) -> None:
    await subscribe(broker, f"{receiver.url}/hang", "stack.created", timeout_seconds=60)
    await subscribe(broker, f"{receiver.url}/ok", "stack.created")
    for _ in range(60):
        await broker.stack()
    await until(lambda: len(receiver.bodies("/ok")) == 60)
    assert len(receiver.bodies("/hang")) <= 30


async def test_nobody_is_told_twice_by_two_brokers(database: str, receiver: Receiver) -> None:
    async with (
        running_broker(database, config=CONFIG) as first,
        running_broker(database, config=CONFIG) as second,
        tasks.running(first.context),
        tasks.running(second.context),
    ):
        webhook = await subscribe(first, f"{receiver.url}/ok", "stack.created")
        same = second.client(first.admin.pak)
        for number in range(100):
            client = first.admin if number % 2 else same
            await client.ask("POST", "/stacks", {"name": f"s{number}"})
        await until(lambda: len(receiver.got) >= 100)
        assert len(await deliveries(first, webhook)) == 50, "the default page"
        await asyncio.sleep(0.3)
        ids = [body["id"] for body in receiver.bodies("/ok")]
        assert len(ids) == len(set(ids)) == 100


async def test_what_was_claimed_and_never_settled_is_sent_again(
    broker: RunningBroker, receiver: Receiver
) -> None:
    webhook = await subscribe(broker, f"{receiver.url}/hang", "stack.created")
    await broker.stack()
    await until(lambda: receiver.got)
    await broker.context.db.execute(
        "UPDATE webhook_deliveries SET acquired_until = now() - interval '1 s'"
    )
    await task.release(broker.context)
    await until(lambda: len(receiver.got) == 2)
    receiver.release.set()
    [found] = await until(lambda: deliveries(broker, webhook, "success"))
    assert found["attempts"] == 1, "the first sender was too late to say so"


async def test_a_key_can_be_changed_and_a_lost_one_is_said_so(
    database: str, receiver: Receiver
) -> None:
    def sealed_with(key: str, *old: str) -> BrokerConfig:
        settings = Broker(webhook_encryption_key=key, webhook_encryption_old_keys=Words(old))
        return BrokerConfig(broker=settings)

    async with running_broker(database, config=sealed_with(KEY)) as broker:
        webhook = await subscribe(
            broker, f"{receiver.url}/ok", "stack.created", auth_header="Bearer theirs"
        )
        pak = broker.admin.pak
    for config, status in (
        (sealed_with(OTHER_KEY, KEY), "success"),
        (sealed_with(OTHER_KEY), "dead"),
    ):
        async with (
            running_broker(database, config=config) as broker,
            tasks.running(broker.context),
        ):
            broker.admin = broker.client(pak)
            await broker.stack()
            [found] = await until(lambda b=broker, s=status: deliveries(b, webhook, s))
    assert found["last_error"].startswith("undecryptable: it was sealed with another")
    assert len(receiver.got) == 1, "nothing is sent without its auth header"


async def test_addresses_that_are_not_to_be_reached(database: str, receiver: Receiver) -> None:
    blocked = Webhooks(blocked_networks=Words(("127.0.0.0/8", "::1/128", "169.254.0.0/16")))
    config = BrokerConfig(broker=CONFIG.broker, webhooks=blocked)
    async with running_broker(database, config=config) as broker:
        port = receiver.url.rpartition(":")[2]
        for host in ("127.0.0.1", "localhost", "[::ffff:127.0.0.1]", "169.254.169.254"):
            webhook = await subscribe(broker, f"http://{host}:{port}/ok", timeout_seconds=2)
            status, problem, _ = await broker.admin.call("POST", f"/webhooks/{webhook['id']}/test")
            assert (status, problem["code"]) == (400, "webhook_test_failed"), host
            assert "must not reach" in problem["error"], (host, problem)
    assert receiver.got == []


async def test_a_certificate_that_nobody_vouches_for_is_not_trusted(broker: RunningBroker) -> None:
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(served)
    async with receiving(ssl_context=served) as receiver:
        webhook = await subscribe(broker, f"{receiver.url}/ok")
        status, problem, _ = await broker.admin.call("POST", f"/webhooks/{webhook['id']}/test")
        assert (status, problem["code"]) == (400, "webhook_test_failed")
        assert "certificate" in problem["error"].lower()
        assert receiver.got == []


async def test_a_certificate_that_is_vouched_for(
    database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    authority = trustme.CA()
    served = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(served)
    with authority.cert_pem.tempfile() as trusted:
        monkeypatch.setenv("SSL_CERT_FILE", trusted)
        async with (
            receiving(ssl_context=served) as receiver,
            running_broker(database, config=CONFIG) as broker,
        ):
            await subscribe(broker, f"{receiver.url}/ok", validate=True)
            assert len(receiver.got) == 1


async def test_trying_it_out(broker: RunningBroker, receiver: Receiver) -> None:
    webhook = await subscribe(broker, f"{receiver.url}/ok", validate=True)
    [test] = receiver.bodies("/ok")
    assert test["event_type"] == "webhook.test"
    answer = await broker.admin.ask("POST", f"/webhooks/{webhook['id']}/test")
    assert answer == {"success": True, "status_code": 200, "message": "Test delivery successful"}
    body = {"name": "x", "url": f"{receiver.url}/gone", "event_types": ["*"], "validate": True}
    status, problem, _ = await broker.admin.call("POST", "/webhooks", body)
    assert (status, problem["code"]) == (400, "webhook_test_failed")
    assert problem["details"]["status_code"] == 404
    assert len(await broker.admin.ask("GET", "/webhooks")) == 1
    assert await deliveries(broker, webhook) == []


async def test_changing_one(broker: RunningBroker, receiver: Receiver) -> None:
    webhook = await subscribe(
        broker, f"{receiver.url}/old", auth_header="x", target_labels=["a"],
        filters={"labels": {"a": "b"}},
    )  # fmt: skip
    path = f"/webhooks/{webhook['id']}"
    same = await broker.admin.ask("PUT", path, {})
    assert (same["has_auth_header"], same["target_labels"]) == (True, ["a"])
    changed = await broker.admin.ask(
        "PUT", path,
        {"url": f"{receiver.url}/new", "auth_header": None, "target_labels": None, "filters": None},
    )  # fmt: skip
    assert (changed["has_auth_header"], changed["target_labels"], changed["filters"]) == (
        False, None, None,
    )  # fmt: skip
    await broker.stack()
    await until(lambda: receiver.bodies("/new"))
    await broker.admin.ask("PUT", path, {"enabled": False})
    await broker.stack()
    await asyncio.sleep(0.3)
    assert len(receiver.got) == 1
    await broker.admin.ask("DELETE", path)
    assert (await broker.admin.call("GET", path))[0] == 404


@pytest.mark.parametrize(
    ("fields", "status", "code"),
    [
        ({"name": ""}, 400, "invalid_request_body"),
        ({"url": ""}, 400, "invalid_request_body"),
        ({"url": "ftp://x/"}, 400, "invalid_url_scheme"),
        ({"url": "http://"}, 400, "invalid_webhook"),
        ({"url": "http://[x"}, 400, "invalid_url_scheme"),
        ({"event_types": []}, 400, "invalid_request_body"),
        ({"max_retries": 11}, 422, "invalid_request_body"),
        ({"timeout_seconds": 0}, 422, "invalid_request_body"),
        ({"timeout_seconds": 301}, 422, "invalid_request_body"),
        ({"auth_header": "a\r\nX: y"}, 400, "invalid_webhook"),
        ({"filters": {"cluster": "x"}}, 422, "invalid_request_body"),
        ({"signing_secret": "short"}, 400, "invalid_request_body"),
    ],
    ids=range(12),
)
async def test_what_is_refused(
    broker: RunningBroker, fields: dict[str, Any], status: int, code: str
) -> None:
    body = {"name": "w", "url": "http://example.com/", "event_types": ["*"], **fields}
    found, problem, _ = await broker.admin.call("POST", "/webhooks", body)
    assert (found, problem["code"]) == (status, code), problem


async def test_agents_deliver_what_is_labelled_for_them(
    broker: RunningBroker, receiver: Receiver
) -> None:
    (fit_id, fit), (unfit_id, unfit) = [await broker.agent() for _ in range(2)]
    for agent_id, labels in ((fit_id, ["env:prod", "region:us", "x"]), (unfit_id, ["env:prod"])):
        for label in labels:
            await broker.admin.ask("POST", f"/agents/{agent_id}/labels", label)
    webhook = await subscribe(
        broker, f"{receiver.url}/inside", "stack.created",
        target_labels=["env:prod", "region:us"], auth_header="Bearer x", max_retries=1,
    )  # fmt: skip
    await broker.stack()

    assert await unfit.ask("GET", f"/agents/{unfit_id}/webhooks/pending") == []
    [job] = await fit.ask("GET", f"/agents/{fit_id}/webhooks/pending")
    assert (job["url"], job["auth_header"]) == (f"{receiver.url}/inside", "Bearer x")
    assert job["signature"].startswith("t=")
    assert await fit.ask("GET", f"/agents/{fit_id}/webhooks/pending") == [], "it is held"
    path = f"/webhook-deliveries/{job['id']}/result"
    for client, code in (
        (unfit, "delivery_not_acquired_by_agent"),
        (broker.admin, "agent_pak_required"),
    ):
        status, problem, _ = await client.call("POST", path, {"success": True})
        assert (status, problem["code"]) == (403, code)
    outcome = await fit.ask(
        "POST", path, {"success": False, "status_code": 503, "error": "HTTP 503"}
    )
    assert (outcome["status"], outcome["attempts"]) == ("failed", 1)
    await hurry(broker)
    [job] = await fit.ask("GET", f"/agents/{fit_id}/webhooks/pending")
    assert (await fit.ask("POST", path, {"success": True}))["status"] == "success"
    [found] = await deliveries(broker, webhook)
    assert (found["status"], found["attempts"], found["target_labels"]) == (
        "success", 2, ["env:prod", "region:us"],
    )  # fmt: skip
    assert receiver.got == []


async def test_old_deliveries_go(broker: RunningBroker, receiver: Receiver) -> None:
    webhook = await subscribe(broker, f"{receiver.url}/ok", "stack.created")
    await broker.stack()
    await until(lambda: deliveries(broker, webhook, "success"))
    assert await task.clean_up(broker.context) == 0
    await broker.context.db.execute(
        "UPDATE webhook_deliveries SET created_at = now() - interval '8 days'"
    )
    assert await task.clean_up(broker.context) == 1


def test_the_list_of_routes_is_the_books() -> None:
    assert sum(r.tag in ("webhooks", "webhook-deliveries") for r in ROUTES) == 10

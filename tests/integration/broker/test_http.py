"""What every answer has around it: CORS, compression, safety, limits, the log line."""

import asyncio
import gzip
import json
import logging

import pytest

from brokkr_broker.config import Api, BrokerConfig, Cors, Metrics
from brokkr_common import logs
from brokkr_common.settings import Words
from support.broker import RunningBroker, running_broker

OURS, THEIRS = "https://ours.example", "https://theirs.example"


def cors(*origins: str) -> BrokerConfig:
    return BrokerConfig(cors=Cors(allowed_origins=Words(origins), max_age_seconds=60))


async def test_a_page_of_an_allowed_origin_may_read_and_others_may_not(database: str) -> None:
    async with running_broker(database, config=cors(OURS)) as broker:
        _, _, ours = await broker.admin.call("GET", "/stacks", headers={"Origin": OURS})
        _, _, theirs = await broker.admin.call("GET", "/stacks", headers={"Origin": THEIRS})
        _, _, nobody = await broker.admin.call("GET", "/stacks")
        _, _, probe = await broker.root.call("GET", "/healthz", headers={"Origin": THEIRS})
        status, _, refused = await broker.client(None).call(
            "GET", "/stacks", headers={"Origin": OURS}
        )
    assert ours["Access-Control-Allow-Origin"] == OURS
    assert "Origin" in ours["Vary"]
    assert "ETag" in ours["Access-Control-Expose-Headers"]
    assert "Access-Control-Allow-Origin" not in theirs
    assert "Access-Control-Allow-Origin" not in nobody
    assert probe["Access-Control-Allow-Origin"] == "*"
    assert (status, refused["Access-Control-Allow-Origin"]) == (401, OURS), "errors, too"


async def test_preflight(database: str) -> None:
    asks = {"Access-Control-Request-Method": "PUT"}
    async with running_broker(database, config=cors(OURS)) as broker:
        anybody = broker.client(None)
        status, body, ours = await anybody.call(
            "OPTIONS", "/stacks", headers={"Origin": OURS, **asks}
        )
        _, _, theirs = await anybody.call("OPTIONS", "/stacks", headers={"Origin": THEIRS, **asks})
        plain, _, _ = await broker.admin.call("OPTIONS", "/stacks")
    assert (status, body) == (204, b"")
    assert ours["Access-Control-Allow-Origin"] == OURS
    assert "PUT" in ours["Access-Control-Allow-Methods"]
    assert "Authorization" in ours["Access-Control-Allow-Headers"]
    assert ours["Access-Control-Max-Age"] == "60"
    assert "Access-Control-Allow-Origin" not in theirs
    assert plain == 405


@pytest.mark.parametrize(
    "config", [cors("*"), BrokerConfig(api=Api(cors_origins=Words(("*",))))], ids=["cors", "older"]
)
async def test_a_star_lets_every_origin_in(database: str, config: BrokerConfig) -> None:
    async with running_broker(database, config=config) as broker:
        _, _, headers = await broker.admin.call("GET", "/stacks", headers={"Origin": THEIRS})
    assert headers["Access-Control-Allow-Origin"] == "*"


async def test_large_answers_are_compressed_for_who_takes_it(broker: RunningBroker) -> None:
    for number in range(20):
        await broker.admin.ask("POST", "/stacks", {"name": f"stack-{number}"})
    async with broker.http.get(
        f"{broker.url}/api/v1/stacks",
        headers={"Authorization": f"Bearer {broker.admin.pak}", "Accept-Encoding": "gzip"},
    ) as response:
        assert response.headers["Content-Encoding"] == "gzip"
        assert len(await response.json()) == 20
    _, rows, headers = await broker.admin.call(
        "GET", "/stacks", headers={"Accept-Encoding": "identity"}
    )
    assert "Content-Encoding" not in headers
    assert "Accept-Encoding" in headers["Vary"]
    assert len(rows) == 20


async def test_a_compressed_body_is_read_and_a_bomb_is_not(broker: RunningBroker) -> None:
    async def post(body: bytes) -> int:
        headers = {
            "Authorization": f"Bearer {broker.admin.pak}",
            "Content-Type": "application/json",
            "Content-Encoding": "gzip",
        }
        url = f"{broker.url}/api/v1/stacks"
        async with broker.http.post(url, data=gzip.compress(body), headers=headers) as response:
            return response.status

    assert await post(json.dumps({"name": "zipped"}).encode()) == 201
    assert await post(b" " * 50 * 1024 * 1024) in (400, 413)
    assert await broker.admin.ask("GET", "/stacks")


async def test_every_answer_is_safe_for_browsers(broker: RunningBroker) -> None:
    _, _, api = await broker.admin.call("GET", "/stacks")
    _, _, missing = await broker.client(None).call("GET", "/nothing")
    _, _, page = await broker.root.call("GET", "/swagger-ui/")
    stack = await broker.stack()
    _, _, row = await broker.admin.call("GET", f"/stacks/{stack}")
    for headers in (api, missing, page):
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]
        assert headers["Server"] == "brokkr"
    assert api["Cache-Control"] == missing["Cache-Control"] == "no-store"
    assert row["Cache-Control"] == "no-cache"
    assert "default-src 'self'" in page["Content-Security-Policy"]


async def test_a_key_is_slowed_down_and_others_are_not(database: str) -> None:
    async with running_broker(database, rate_limit=20) as broker:
        _, agent = await broker.agent()
        answers = await asyncio.gather(*(broker.admin.call("POST", "/auth/pak") for _ in range(60)))
        refused = [(body, headers) for status, body, headers in answers if status == 429]
        assert len(refused) >= 20
        assert refused[0][0]["code"] == "rate_limited"
        assert refused[0][1]["Retry-After"] == "1"
        assert (await agent.call("POST", "/auth/pak"))[0] == 200


async def test_metrics_behind_the_admins_key(database: str) -> None:
    async with running_broker(
        database, config=BrokerConfig(metrics=Metrics(require_auth=True))
    ) as broker:
        _, agent = await broker.agent()
        assert (await broker.root.call("GET", "/metrics"))[0] == 401
        for client, status in ((agent, 403), (broker.admin, 200)):
            headers = {"Authorization": f"Bearer {client.pak}"}
            assert (await broker.root.call("GET", "/metrics", headers=headers))[0] == status


async def test_database_statements_are_counted(broker: RunningBroker) -> None:
    await broker.stack()
    await broker.admin.ask("GET", "/stacks")
    _, raw, _ = await broker.root.call("GET", "/metrics")
    text = raw.decode()
    for kind in ("select", "insert"):
        assert f'brokkr_database_queries_total{{query_type="{kind}"}}' in text
    assert 'brokkr_database_query_duration_seconds_bucket{le="5.0",query_type="select"}' in text


async def test_one_line_a_request_with_the_callers_trace(
    broker: RunningBroker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    formatter = logs.JsonFormatter("broker")
    caplog.handler.setFormatter(formatter)
    caplog.clear()
    trace = "0af7651916cd43dd8448eb211c80319c"
    headers = {"traceparent": f"00-{trace}-b7ad6b7169203331-01", "X-Request-Id": "mine"}

    await broker.admin.ask("GET", "/stacks", headers=headers)

    lines = [json.loads(line) for line in caplog.text.splitlines() if '"GET /api' in line]
    assert len(lines) == 1
    assert lines[0]["level"] == "INFO"
    assert lines[0]["component"] == "broker"
    assert lines[0]["trace_id"] == trace
    metadata = lines[0]["metadata"]
    assert metadata["request_id"] == "mine"
    assert metadata["status"] == 200
    assert metadata["duration_ms"] > 0

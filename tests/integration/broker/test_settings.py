"""Settings of a running broker: what may change, and by whom it is told."""

import asyncio
import dataclasses
import logging
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiohttp import web

from brokkr_broker import config, server, tasks
from brokkr_broker.config import Api, BrokerConfig
from support.broker import RunningBroker, running_broker


@dataclasses.dataclass
class File:
    path: Path

    @property
    def environ(self) -> dict[str, str]:
        return {"BROKKR_CONFIG_FILE": str(self.path)}

    def write(self, text: str) -> BrokerConfig:
        self.path.write_text(text)
        return config.load(self.environ)


@pytest.fixture
def file(tmp_path: Path) -> File:
    return File(tmp_path / "broker.toml")


BEFORE = '[log]\nlevel = "info"\n[cors]\nallowed_origins = ["https://a.example"]\n'
AFTER = """
[log]
level = "debug"
[cors]
allowed_origins = ["https://b.example", "https://c.example"]
max_age_seconds = 5
[broker]
diagnostic_cleanup_interval_seconds = 1
diagnostic_max_age_hours = 2
webhook_delivery_interval_seconds = 3
webhook_delivery_batch_size = 4
webhook_cleanup_retention_days = 5
[api]
port = 4000
[database]
url = "postgres://user:secret@elsewhere/db"
"""


async def test_the_admin_has_the_settings_read_again(database: str, file: File) -> None:
    started = file.write(BEFORE)
    async with running_broker(database, config=started, environ=file.environ) as broker:
        file.write(AFTER)
        level = logging.getLogger().level
        try:
            outcome = await broker.admin.ask("POST", "/admin/config/reload")
            assert logging.getLogger().level == logging.DEBUG
        finally:
            logging.getLogger().setLevel(level)

        changes = {c["key"]: (c["old_value"], c["new_value"]) for c in outcome["changes"]}
        assert set(changes) == set(config.RELOADABLE)
        assert changes["log.level"] == ("info", "debug")
        assert changes["cors.allowed_origins"][1] == "https://b.example,https://c.example"
        assert outcome["success"] is True
        assert outcome["message"] == "need a restart: api.port, database.url"
        assert "secret" not in str(outcome)
        headers = {"Origin": "https://b.example"}
        _, _, answered = await broker.admin.call("GET", "/stacks", headers=headers)
        assert answered["Access-Control-Allow-Origin"] == "https://b.example"
        again = await broker.admin.ask("POST", "/admin/config/reload")
        assert (again["changes"], again["success"]) == ([], True)


async def test_a_mistake_changes_nothing_and_is_named(database: str, file: File) -> None:
    started = file.write(BEFORE)
    async with running_broker(database, config=started, environ=file.environ) as broker:
        file.path.write_text('[log]\nlevel = "loud"\n')
        outcome = await broker.admin.ask("POST", "/admin/config/reload")
        assert outcome["success"] is False
        assert outcome["message"].startswith("log.level: Invalid enum value 'loud'")
        assert broker.context.config == started


async def test_a_changed_file_is_noticed(
    database: str, file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = file.write(BEFORE)
    monkeypatch.setenv("BROKKR_CONFIG_FILE", str(file.path))
    monkeypatch.setenv("BROKKR_CONFIG_WATCHER_DEBOUNCE_SECONDS", "0.1")
    async with (
        running_broker(database, config=started, environ=file.environ) as broker,
        tasks.running(broker.context),
    ):
        await asyncio.sleep(0.5)
        file.write(BEFORE.replace("a.example", "new.example"))
        await _until(lambda: broker.context.config.cors.allowed_origins[0], "https://new.example")
        entry = await _logged(broker, "config.reloaded")
        assert (entry["actor_type"], entry["resource_type"]) == ("system", "config")


async def test_one_broker_tells_the_others(database: str, file: File) -> None:
    started = file.write(BEFORE)
    async with (
        running_broker(database, config=started, environ=file.environ) as first,
        running_broker(database, config=started, environ=file.environ) as second,
        tasks.running(second.context),
    ):
        await asyncio.sleep(0.3)  # the second is listening
        file.write(BEFORE.replace("a.example", "new.example"))
        await first.admin.ask("POST", "/admin/config/reload")
        await _until(lambda: second.context.config.cors.allowed_origins[0], "https://new.example")


async def test_a_new_certificate_is_served_without_a_restart(tmp_path: Path) -> None:
    authority = trustme.CA()
    cert, key = tmp_path / "tls.crt", tmp_path / "tls.key"

    def issue(name: str) -> None:
        issued = authority.issue_cert(name)
        issued.private_key_pem.write_to_path(key)
        cert.write_bytes(b"".join(blob.bytes() for blob in issued.cert_chain_pems))

    issue("localhost")
    served = server.certificate_of(Api(tls_cert_file=str(cert), tls_key_file=str(key)))
    assert served
    runner = web.AppRunner(web.Application())
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=served).start()
    port = runner.addresses[0][1]
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)

    async def subject() -> Any:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=trusting, server_hostname="localhost"
        )
        found = writer.get_extra_info("peercert")["serialNumber"]
        writer.close()
        await writer.wait_closed()
        return found

    first = await subject()
    api = Api(tls_cert_file=str(cert), tls_key_file=str(key))
    async with server.beside(api, served, asyncio.Event()):
        await asyncio.sleep(0.5)
        issue("localhost")
        async with asyncio.timeout(10):
            while await subject() == first:
                await asyncio.sleep(0.05)
    await runner.cleanup()


async def _until(probe: Callable[[], Any], wanted: Any) -> None:
    async with asyncio.timeout(10):
        while probe() != wanted:
            await asyncio.sleep(0.02)


async def _logged(broker: RunningBroker, action: str) -> Any:
    async with asyncio.timeout(10):
        while True:
            found = await broker.admin.ask("GET", f"/admin/audit-logs?action={action}")
            if found["logs"]:
                return found["logs"][0]
            await asyncio.sleep(0.05)

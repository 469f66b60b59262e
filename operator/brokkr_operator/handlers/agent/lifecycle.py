"""Settings, login, start and stop. kopf cancels foreign tasks, so ours live in between."""

from typing import Any

import kopf

from brokkr_operator.handlers.agent import storages
from brokkr_operator.runtime import Runtime


def register(registry: kopf.OperatorRegistry) -> None:
    kopf.on.startup(registry=registry)(startup)
    kopf.on.login(registry=registry)(login)
    kopf.on.cleanup(registry=registry)(cleanup)


async def startup(settings: kopf.OperatorSettings, memo: Any, **_: Any) -> None:
    settings.posting.enabled = False
    settings.watching.server_timeout = 300
    settings.watching.client_timeout = 310
    settings.watching.connect_timeout = 30
    settings.networking.request_timeout = 30
    settings.persistence.finalizer = "brokkr.io/none"
    settings.persistence.diffbase_storage = storages.NoDiffs()
    settings.persistence.progress_storage = storages.NoProgress()
    runtime: Runtime = memo.runtime
    runtime.start()


async def login(memo: Any, **_: Any) -> kopf.ConnectionInfo:
    runtime: Runtime = memo.runtime
    return await runtime.access.for_kopf()


async def cleanup(memo: Any, **_: Any) -> None:
    runtime: Runtime = memo.runtime
    await runtime.stop()
    memo.stop.set()  # NB: whoever still waits for it, kopf waits for, five seconds

"""Settings are read again when their file changes, and when another broker was told to."""

import asyncio
import logging
import os
from pathlib import Path

import watchfiles

from brokkr_broker.context import Context
from brokkr_broker.services import audit
from brokkr_broker.services.audit import Origin
from brokkr_common.settings import FILE_VARIABLE
from brokkr_common.wire.admin import ConfigReload

logger = logging.getLogger(__name__)

ENABLED_VARIABLE = "BROKKR_CONFIG_WATCHER_ENABLED"
DEBOUNCE_VARIABLE = "BROKKR_CONFIG_WATCHER_DEBOUNCE_SECONDS"


async def watch(context: Context) -> None:
    """Until the file's folder goes. Without a file, or switched off, nothing is watched."""
    file = os.environ.get(FILE_VARIABLE)
    if not file or os.environ.get(ENABLED_VARIABLE, "true").lower() in ("false", "0", "no"):
        return
    debounce = float(os.environ.get(DEBOUNCE_VARIABLE, "5"))
    # NB: the folder, for a mounted ConfigMap changes by a link beside the file.
    async for _ in watchfiles.awatch(Path(file).parent, recursive=False):
        await asyncio.sleep(debounce)
        await _record(context, await context.live.reload())


async def follow(context: Context) -> None:
    """Another broker of this database was told to read its settings again: so do we."""
    await context.reload_wanted.wait()
    context.reload_wanted.clear()
    await _record(context, await context.live.reload())


async def _record(context: Context, outcome: ConfigReload) -> None:
    if not outcome.changes:
        return
    _, details = audit.subject(outcome)
    entry = audit.entry("config.reloaded", actor=None, origin=Origin(), details=details)
    await context.audit.record(entry)

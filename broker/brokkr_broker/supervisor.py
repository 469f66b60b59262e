"""Several serving processes on one port: the kernel spreads connections over them."""

import asyncio
import contextlib
import logging
import os
import socket
import sys
import tempfile
from collections.abc import Iterator, Mapping

from prometheus_client import multiprocess

from brokkr_broker.config import BrokerConfig
from brokkr_broker.metrics import MULTIPROCESS_VARIABLE
from brokkr_broker.server import PARENT_VARIABLE

logger = logging.getLogger(__name__)

_STOP_SECONDS = 20
_RESTART_SECONDS = 1


async def supervise(config: BrokerConfig, url: str, *, stop: asyncio.Event) -> None:
    """Keep `api.workers` processes serving until `stop`. One that dies is replaced."""
    with _port(config) as port, tempfile.TemporaryDirectory(prefix="brokkr-metrics-") as folder:
        env = {
            **os.environ,
            "BROKKR__DATABASE__URL": url,
            "BROKKR__API__WORKERS": "1",
            "BROKKR__API__PORT": str(port),
            PARENT_VARIABLE: str(os.getpid()),
            MULTIPROCESS_VARIABLE: folder,
        }
        workers = [
            asyncio.create_task(_keep(number, env, stop)) for number in range(config.api.workers)
        ]
        await asyncio.gather(*workers)


@contextlib.contextmanager
def _port(config: BrokerConfig) -> Iterator[int]:
    """The port, held for the workers; where 0 is set, a free one."""
    family = socket.AF_INET6 if ":" in config.api.host else socket.AF_INET
    with socket.socket(family) as held:
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind((config.api.host, config.api.port))
        yield held.getsockname()[1]


async def _keep(number: int, env: Mapping[str, str], stop: asyncio.Event) -> None:
    while not stop.is_set():
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "brokkr_broker", "serve", env=env
        )
        await _until_end(process, stop)
        multiprocess.mark_process_dead(process.pid, env[MULTIPROCESS_VARIABLE])  # type: ignore[no-untyped-call]
        if not stop.is_set():
            extra = {"worker": number, "exit_code": process.returncode}
            logger.error("a worker ended and is started again", extra=extra)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_RESTART_SECONDS):
                    await stop.wait()


async def _until_end(process: asyncio.subprocess.Process, stop: asyncio.Event) -> None:
    """Wait for the process, or stop it."""
    ended, stopped = asyncio.create_task(process.wait()), asyncio.create_task(stop.wait())
    await asyncio.wait({ended, stopped}, return_when=asyncio.FIRST_COMPLETED)
    stopped.cancel()
    with contextlib.suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await ended
    except TimeoutError:
        process.kill()
        await process.wait()

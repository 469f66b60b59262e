"""One serving process: an open context, its tasks, and the socket, with or without TLS."""

import asyncio
import contextlib
import functools
import logging
import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import watchfiles
from aiohttp import web

from brokkr_broker import tasks
from brokkr_broker.app import create_app, open_context
from brokkr_broker.config import Api, BrokerConfig
from brokkr_broker.context import Context
from brokkr_broker.errors import StartupError
from brokkr_broker.metrics import Metrics
from brokkr_common.loops import Loop

logger = logging.getLogger(__name__)

PARENT_VARIABLE = "BROKKR_SUPERVISOR_PID"
"""Set for a worker: it ends when this process is gone, however it went."""


async def serve(
    config: BrokerConfig,
    url: str,
    *,
    stop: asyncio.Event,
    first: Callable[[Context], Awaitable[None]],
) -> None:
    """Serve until `stop`. `first` runs before the first request is taken."""
    certificate = certificate_of(config.api)
    async with open_context(config, url, Metrics()) as context:
        await first(context)
        runner = web.AppRunner(
            create_app(context), access_log=None, shutdown_timeout=10, handle_signals=False
        )
        await runner.setup()
        try:
            await web.TCPSite(
                runner,
                config.api.host,
                config.api.port,
                backlog=1024,
                reuse_port=True,
                ssl_context=certificate,
            ).start()
            logger.info("serving", extra={"address": _shown(runner, certificate is not None)})
            async with tasks.running(context), beside(config.api, certificate, stop):
                await stop.wait()
            logger.info("stopping")
            context.stopping.set()
        finally:
            await runner.cleanup()


def certificate_of(api: Api) -> ssl.SSLContext | None:
    """The server's certificate, if there is one. Raises StartupError."""
    if not api.tls_cert_file:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    try:
        context.load_cert_chain(api.tls_cert_file, api.tls_key_file)
    except (OSError, ssl.SSLError) as e:
        files = f"{api.tls_cert_file}, {api.tls_key_file}"
        raise StartupError(f"api.tls_cert_file, api.tls_key_file ({files}): {e}") from e
    return context


@contextlib.asynccontextmanager
async def beside(
    api: Api, certificate: ssl.SSLContext | None, stop: asyncio.Event
) -> AsyncIterator[None]:
    """What runs next to serving: the certificate's renewal, and the end with the supervisor."""
    running = []
    if certificate:
        running.append(asyncio.create_task(_renew(api, certificate)))
    if parent := os.environ.get(PARENT_VARIABLE):
        step = functools.partial(_end_with, int(parent), stop)
        running.append(asyncio.create_task(Loop("supervisor", step, interval=1.0).run()))
    try:
        yield
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)


async def _renew(api: Api, certificate: ssl.SSLContext) -> None:
    """New connections get the certificate that is in the files now."""
    cert, key = str(api.tls_cert_file), str(api.tls_key_file)
    async for _ in watchfiles.awatch(*{Path(f).parent for f in (cert, key)}, recursive=False):
        try:
            certificate.load_cert_chain(cert, key)
        except (OSError, ssl.SSLError) as e:  # half of it is written: the next change has the rest
            logger.warning("certificate not renewed", extra={"reason": str(e)})
        else:
            logger.info("certificate renewed")


async def _end_with(parent: int, stop: asyncio.Event) -> None:
    if os.getppid() != parent:
        stop.set()


def _shown(runner: web.AppRunner, secure: bool) -> str:
    host, port = runner.addresses[0][:2]
    scheme = "https" if secure else "http"
    return f"{scheme}://{'localhost' if host == '0.0.0.0' else host}:{port}"

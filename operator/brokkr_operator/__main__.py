"""`brokkr-agent`: the operator of one cluster."""

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable
from typing import Any
from uuid import UUID

import click
import kopf
import uvloop

from brokkr_common import __version__, extensions, logs
from brokkr_common.extensions import ExtensionError
from brokkr_common.settings import SettingsError
from brokkr_operator import config as settings
from brokkr_operator.assembly import open_kube, open_runtime
from brokkr_operator.clients.kube import access
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.config import OperatorConfig
from brokkr_operator.errors import KubeError, OperatorError
from brokkr_operator.handlers.agent import lifecycle, stacks, workorders
from brokkr_operator.handlers.agent.probes import Probes
from brokkr_operator.runtime import Runtime

logger = logging.getLogger(__name__)

_RESTART_SECONDS = 1.0


@click.group()
@click.version_option(__version__, prog_name="brokkr-agent")
def agent() -> None:
    """The Brokkr agent. Settings: a TOML file (BROKKR_CONFIG_FILE) and BROKKR__SECTION__KEY."""


@agent.command()
def start() -> None:
    """Serve this cluster until told to stop."""
    try:
        config = settings.load(os.environ)
        logs.configure(level=config.log.level, format=config.log.format, component="agent")
        extensions.announce()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(_start(config))
    except (SettingsError, ExtensionError, OperatorError) as e:
        click.echo(f"brokkr-agent: {e}", err=True)
        sys.exit(1)
    except (KeyboardInterrupt, asyncio.CancelledError):
        return  # told to stop before there was anything to stop


async def _start(config: OperatorConfig) -> None:
    _let_signals_cancel()
    probes = Probes()
    server = await probes.serve(config.agent.health_port)
    try:
        reached = await access.load(config.agent.kubeconfig_path)
        async with open_kube(config, reached) as (kube, leader):
            probes.kube, probes.leader = kube, leader
            if leader:
                await leader.acquire()
            holding = asyncio.ensure_future(leader.hold() if leader else asyncio.Event().wait())
            try:
                await _live(config, reached, kube, probes, holding)
            finally:
                holding.cancel()
    finally:
        await server.cleanup()


def _on_signal(act: Callable[[], object]) -> None:
    """What SIGTERM and SIGINT do. NB: as process 1 an unhandled SIGTERM is ignored."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, act)


def _let_signals_cancel() -> None:
    if task := asyncio.current_task():
        _on_signal(task.cancel)


async def _live(
    config: OperatorConfig,
    reached: access.Access,
    kube: Kube,
    probes: Probes,
    holding: "asyncio.Future[Any]",
) -> None:
    """One life after the other, until a signal or LeaseLost. Raises what the first one meets."""
    known: UUID | None = None
    told = asyncio.Event()
    while True:
        try:
            async with open_runtime(config, reached, kube, known=known) as runtime:
                probes.runtime, known = runtime, runtime.agent_id
                logger.info("agent starts", extra={"agent_id": str(known)})
                if await _operate(runtime, holding, told):
                    return
        except KubeError as e:
            if known is None or holding.done():
                raise
            logger.warning("not begun anew yet", extra={"reason": str(e)[:300]})
        probes.runtime = None
        if told.is_set():
            return
        _let_signals_cancel()
        await asyncio.sleep(_RESTART_SECONDS)


async def _operate(runtime: Runtime, holding: "asyncio.Future[Any]", told: asyncio.Event) -> bool:
    """Until a signal, which sets `told`, or until another replica may lead. Raises LeaseLost.

    False where our definitions were deleted, or kopf gave up: its watch of a kind ends for good, or
    never begins again, when that happens at the wrong moment. Everything is in the cluster, so
    beginning anew is safe.
    """
    registry = kopf.OperatorRegistry()
    lifecycle.register(registry)
    stacks.register(registry)
    workorders.register(registry)
    stop, ready = asyncio.Event(), asyncio.Event()
    hearing = asyncio.ensure_future(_hear(ready, told, stop))
    ended = asyncio.ensure_future(runtime.ended.wait())
    for future in (holding, ended):
        future.add_done_callback(lambda _: stop.set())
    try:
        await kopf.operator(
            registry=registry,
            memo=kopf.Memo(runtime=runtime, stop=stop),
            standalone=True,
            clusterwide=True,
            ready_flag=ready,
            stop_flag=stop,
        )
        if holding.done():
            holding.result()
        return not runtime.ended.is_set()
    except OperatorError:
        raise
    except Exception:
        logger.exception("kopf gave up; the agent begins anew")
        return False
    finally:
        ended.cancel()
        hearing.cancel()


async def _hear(ready: asyncio.Event, told: asyncio.Event, stop: asyncio.Event) -> None:
    """In place of kopf, which forgets a signal that comes while it stops for another reason."""

    def end() -> None:
        told.set()
        stop.set()

    await ready.wait()
    _on_signal(end)


if __name__ == "__main__":
    agent()

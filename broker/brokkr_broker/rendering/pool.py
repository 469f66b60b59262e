"""The broker's side of the workers: started when needed, killed when late, ended when idle."""

import asyncio
import contextlib
import logging
import os
import sys

from brokkr_broker import errors
from brokkr_broker.rendering import jobs
from brokkr_broker.rendering.jobs import Answer, Job

logger = logging.getLogger(__name__)

_IDLE_SECONDS = 60
_INHERITED = ("PATH", "PYTHONPATH", "LANG", "LC_ALL", "TZ")


class TookTooLong(Exception):
    """The worker did not answer in time and was killed."""


class Workers:
    """At most `limit` processes; each works on one job at a time."""

    def __init__(self, *, limit: int, timeout: float) -> None:
        self.timeout = timeout
        self._free = asyncio.Semaphore(limit)
        self._idle: list[_Worker] = []

    async def ask(self, job: Job) -> Answer:
        """Raises TookTooLong, or Unavailable where no worker can be started."""
        async with self._free:
            worker = self._idle.pop() if self._idle else await _Worker.start()
            if worker.retire:
                worker.retire.cancel()
            try:
                async with asyncio.timeout(self.timeout):
                    answer = await worker.ask(job)
            except TimeoutError:
                raise TookTooLong from None
            except (asyncio.IncompleteReadError, ConnectionError) as e:
                logger.warning("a rendering worker died", extra={"reason": repr(e)})
                raise TookTooLong from e
            else:
                self._keep(worker)
                return answer
            finally:
                if worker not in self._idle:
                    await worker.stop()

    async def close(self) -> None:
        while self._idle:
            await self._idle.pop().stop()

    def _keep(self, worker: "_Worker") -> None:
        self._idle.append(worker)
        loop = asyncio.get_running_loop()
        worker.retire = loop.call_later(_IDLE_SECONDS, self._drop, worker)

    def _drop(self, worker: "_Worker") -> None:
        if worker in self._idle:
            self._idle.remove(worker)
            worker.end()


class _Worker:
    def __init__(self, process: asyncio.subprocess.Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise TypeError("a worker is spoken to by pipes")
        self._process, self._stdin, self._stdout = process, process.stdin, process.stdout
        self.retire: asyncio.TimerHandle | None = None

    @classmethod
    async def start(cls) -> "_Worker":
        try:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "brokkr_broker.rendering.worker",
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env={name: os.environ[name] for name in _INHERITED if name in os.environ},
                start_new_session=True,  # a Ctrl-C is for the broker, which ends its workers
            )  # fmt: skip
        except OSError as e:
            raise errors.Unavailable("no rendering worker can be started") from e
        return cls(process)

    async def ask(self, job: Job) -> Answer:
        self._stdin.write(jobs.frame(job))
        await self._stdin.drain()
        header = await self._stdout.readexactly(jobs.HEADER_BYTES)
        return jobs.ANSWERS.decode(await self._stdout.readexactly(int.from_bytes(header, "big")))

    def end(self) -> None:
        """The worker ends by itself when its stdin does."""
        self._stdin.close()

    async def stop(self) -> None:
        if self.retire:
            self.retire.cancel()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()

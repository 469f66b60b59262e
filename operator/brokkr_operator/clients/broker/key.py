"""The agent's key: given as a setting, or kept in a file that may change while the agent runs."""

import logging
from collections.abc import Callable
from pathlib import Path

from brokkr_operator.errors import StartupError

logger = logging.getLogger(__name__)


def constant(pak: str) -> Callable[[], str]:
    return lambda: pak


class KeyFile:
    """Read again whenever the file is another one: a mounted Secret is swapped, not written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._pak = ""
        self._stamp: tuple[int, ...] = ()
        self()
        if not self._pak:
            raise StartupError(f"agent.pak_file: {path} cannot be read, or is empty")

    def __call__(self) -> str:
        """The key. While the file cannot be read, or is empty, the last one."""
        try:
            found = self._path.stat()
            stamp = (found.st_mtime_ns, found.st_ino, found.st_size)
            if stamp != self._stamp and (text := self._path.read_text().strip()):
                if self._stamp:
                    logger.info("key read again", extra={"file": str(self._path)})
                self._pak, self._stamp = text, stamp
        except (OSError, UnicodeDecodeError) as e:
            logger.debug("key not read", extra={"reason": str(e)})
        return self._pak

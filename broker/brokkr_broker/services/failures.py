"""Failed authentication in the audit trail, without letting it be flooded.

In each minute the first failure of an address is written down at once, and how many more there were
at the end of it. Beyond a number of addresses all others share one entry.
"""

from typing import Any

from brokkr_broker.services import audit
from brokkr_broker.services.audit import Origin, Trail

WINDOW_SECONDS = 60
_MAX_ADDRESSES = 100


class Failures:
    def __init__(self, trail: Trail) -> None:
        self._trail = trail
        self._repeated: dict[Origin, int] = {}
        self._others = 0

    async def note(self, origin: Origin, *, path: str, head: str) -> None:
        """`head` is what stands before the secret part of the key, if it had the form of one."""
        known = Origin(origin.address)
        if known in self._repeated:
            self._repeated[known] += 1
        elif len(self._repeated) >= _MAX_ADDRESSES:
            self._others += 1
        else:
            self._repeated[known] = 0
            prefix = {"pak_prefix": head} if head else {}
            await self._record(origin, path=path, **prefix)

    async def sweep(self) -> None:
        """The end of a minute: write down what was only counted."""
        repeated, self._repeated = self._repeated, {}
        others, self._others = self._others, 0
        for origin, count in repeated.items():
            if count:
                await self._record(origin, repeated=count)
        if others:
            await self._record(Origin(), repeated=others, addresses="others")

    async def _record(self, origin: Origin, **details: Any) -> None:
        details = {"reason": "invalid_pak", **details}
        await self._trail.record(
            audit.entry("auth.failed", actor=None, origin=origin, details=details)
        )

"""kopf's memory of what it handled, kept nowhere: our handlers need none.

Without it kopf neither copies every resource at each of its events, nor could ever write an
annotation.
"""

from typing import Any

import kopf


class NoDiffs(kopf.DiffBaseStorage):
    """There is no last handled state."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None


class NoProgress(kopf.ProgressStorage):
    """No handler is ever half done."""

    def fetch(self, **_: Any) -> None:
        return None

    def store(self, **_: Any) -> None:
        return None

    def purge(self, **_: Any) -> None:
        return None

    def touch(self, **_: Any) -> None:
        return None

    def clear(self, *, essence: Any) -> Any:
        return essence

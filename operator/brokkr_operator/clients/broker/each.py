"""Many things to ask of the broker, one after the other."""

from collections.abc import Awaitable, Callable, Iterable
from typing import TypeVar

from brokkr_operator.errors import BrokerError

T = TypeVar("T")


async def each(items: Iterable[T], ask: Callable[[T], Awaitable[None]]) -> None:
    """What one of them meets holds up no other, unless it is general: then that is the end.

    Raises the first BrokerError.
    """
    failed: BrokerError | None = None
    for item in items:
        try:
            await ask(item)
        except BrokerError as e:
            if e.is_general:
                raise
            failed = failed or e
    if failed:
        raise failed

"""Tera's functions. `get_env` is left out: a template must not read the broker's environment."""

import secrets
from collections.abc import Callable
from datetime import UTC, datetime

from brokkr_broker.tera.arguments import Arguments
from brokkr_broker.tera.errors import TemplateError
from brokkr_broker.tera.values import Value


def range_(args: Arguments) -> Value:
    start, end, step = args.count("start", 0), args.count("end"), args.count("step_by", 1)
    if start > end:
        raise args.wrong("takes a `start` that is not above `end`")
    if step == 0:
        raise args.wrong("takes a `step_by` above 0")
    numbers = range(start, end, step)
    args.budget.items(len(numbers))
    return list(numbers)


def now(args: Arguments) -> Value:
    """UTC, whatever `utc` says: a broker has no time zone of its own."""
    args.flag("utc")
    moment = datetime.now(UTC)
    return int(moment.timestamp()) if args.flag("timestamp") else moment.isoformat()


def throw(args: Arguments) -> Value:
    raise TemplateError(args.text("message"))


def get_random(args: Arguments) -> Value:
    start, end = args.whole("start", 0), args.whole("end")
    if start >= end:
        raise args.wrong("takes an `end` above `start`")
    return start + secrets.randbelow(end - start)


FUNCTIONS: dict[str, Callable[[Arguments], Value]] = {
    "range": range_,
    "now": now,
    "throw": throw,
    "get_random": get_random,
}

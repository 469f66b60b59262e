"""Tera's tests (`builtins/testers.rs`): `x is odd`."""

import math
import re
from collections.abc import Callable

from brokkr_broker.tera.errors import TemplateError
from brokkr_broker.tera.values import MISSING, Value, contains, is_number, kind


def _number(name: str, value: Value) -> float:
    if not is_number(value):
        raise TemplateError(f"test {name} takes numbers, not {kind(value)}")
    return float(value)


def _text(name: str, value: Value) -> str:
    if not isinstance(value, str):
        raise TemplateError(f"test {name} takes texts, not {kind(value)}")
    return value


def _odd(value: Value) -> bool:
    return math.fmod(_number("odd", value), 2) != 0


def _divisible(value: Value, by: Value) -> bool:
    number, divisor = _number("divisibleby", value), _number("divisibleby", by)
    return divisor != 0 and math.fmod(number, divisor) == 0


def _containing(value: Value, wanted: Value) -> bool:
    match value:
        case str() | dict():
            return _text("containing", wanted) in value
        case list():
            return contains(value, wanted)
    raise TemplateError(f"test containing takes a text, an array or an object, not {kind(value)}")


def _matching(value: Value, pattern: Value) -> bool:
    text, expression = _text("matching", value), _text("matching", pattern)
    try:
        return re.search(expression, text) is not None
    except re.error as e:
        raise TemplateError(f"test matching: invalid regular expression: {e}") from e


TESTERS: dict[str, tuple[int, Callable[..., bool]]] = {
    "defined": (0, lambda value: value is not MISSING),
    "undefined": (0, lambda value: value is MISSING),
    "string": (0, lambda value: isinstance(value, str)),
    "number": (0, is_number),
    "odd": (0, _odd),
    "even": (0, lambda value: not _odd(value)),
    "divisibleby": (1, _divisible),
    "iterable": (0, lambda value: isinstance(value, list | dict)),
    "object": (0, lambda value: isinstance(value, dict)),
    "starting_with": (
        1,
        lambda v, p: _text("starting_with", v).startswith(_text("starting_with", p)),
    ),
    "ending_with": (1, lambda v, p: _text("ending_with", v).endswith(_text("ending_with", p))),
    "containing": (1, _containing),
    "matching": (1, _matching),
}
"""The number of arguments behind the value, and the test."""


def test(name: str, value: Value, arguments: list[Value]) -> bool:
    """Raises TemplateError for an undefined value, but in `defined` and `undefined`."""
    count, function = TESTERS[name]
    if len(arguments) != count:
        raise TemplateError(f"test {name} takes {count or 'no'} arguments")
    if value is MISSING and name not in ("defined", "undefined"):
        raise TemplateError(f"test {name} is called on an undefined variable")
    return function(value, *arguments)

"""Tera's view of JSON values: truth, equality, printing, numbers, paths into them.

The rules are those of the crate (`context.rs`) and of serde_json, whose integers have 64 bits.
"""

import json
import math
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, TypeGuard

from brokkr_broker.tera.errors import TemplateError
from brokkr_broker.tera.limits import Budget

Value = Any
"""None, bool, int, float, str, list or dict with text keys."""


class Missing:
    """The type of MISSING: what is not there, as opposed to null."""


MISSING = Missing()
I64_MIN, I64_MAX, U64_MAX = -(2**63), 2**63 - 1, 2**64 - 1
SPACES = (
    " \t\n\v\f\r\x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


def canonical(value: Value) -> Value:
    """A value as the crate holds it: keys in order, integers beyond 64 bits as floats."""
    match value:
        case dict():
            return {key: canonical(value[key]) for key in sorted(value)}
        case list():
            return [canonical(item) for item in value]
        case bool():
            return value
        case int() if not I64_MIN <= value <= U64_MAX:
            return _as_float(value)
    return value


def _as_float(number: int) -> float:
    try:
        return float(number)
    except OverflowError:
        raise TemplateError("a number is out of range") from None


def is_number(value: Value) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def truth(value: Value) -> bool:
    return bool(value) and not (isinstance(value, float) and math.isnan(value))


def same(left: Value, right: Value) -> bool:
    """Strict equality: 1, 1.0 and true are three things."""
    if type(left) is not type(right):
        return False
    if isinstance(left, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    return bool(left == right)


def contains(items: Iterable[Value], wanted: Value) -> bool:
    return any(same(item, wanted) for item in items)


def kind(value: Value) -> str:
    for types, name in (
        (Missing, "nothing"), (bool, "boolean"), (int | float, "number"), (str, "string"),
        (list, "array"), (dict, "object"),
    ):  # fmt: skip
        if isinstance(value, types):
            return name
    return "null"


def text(value: Value, budget: Budget) -> str:
    """A value as it is printed."""
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return ""
        case dict():
            return "[object]"
        case list():
            return _listed(value, budget)
    return number_text(value)


def _listed(items: list[Value], budget: Budget) -> str:
    parts, length = [], 0
    for item in items:
        budget.step()
        parts.append(text(item, budget))
        length += len(parts[-1]) + 2
        budget.text(length)
    return f"[{', '.join(parts)}]"


def number_text(number: float) -> str:
    """Digits without an exponent: `2.0` is `2`, `1e21` is `1000000000000000000000`."""
    if isinstance(number, int):
        return str(number)
    digits = format(Decimal(repr(number)), "f")
    return digits.removesuffix(".0")


def encode(value: Value, *, pretty: bool, budget: Budget) -> str:
    """A value as JSON, the way serde_json writes it."""
    parts: list[str] = []
    length = 0
    for part in _tokens(value, "\n" if pretty else ""):
        budget.step()
        length += len(part)
        budget.text(length)
        parts.append(part)
    return "".join(parts)


def _tokens(value: Value, line: str) -> Iterable[str]:
    match value:
        case dict() | list() if not value:
            yield "{}" if isinstance(value, dict) else "[]"
        case dict():
            colon = ": " if line else ":"
            pairs = ((json.dumps(k, ensure_ascii=False) + colon, v) for k, v in value.items())
            yield from _nested("{", pairs, "}", line)
        case list():
            yield from _nested("[", (("", item) for item in value), "]", line)
        case float():
            yield _float_json(value)
        case _:
            yield json.dumps(value, ensure_ascii=False)


def _nested(first: str, pairs: Iterable[tuple[str, Value]], last: str, line: str) -> Iterable[str]:
    inner = line and line + "  "
    opening = first
    for name, value in pairs:
        yield opening + inner + name
        yield from _tokens(value, inner)
        opening = ","
    yield line + last


def _float_json(number: float) -> str:
    """Shortest digits, at least one behind the point; from 1e16 up and below 1e-5 an exponent."""
    if 1e-5 <= abs(number) < 1e16 or number == 0:
        digits = format(Decimal(repr(number)), "f")
        return digits if "." in digits else digits + ".0"
    mantissa, _, exponent = repr(number).partition("e")
    return f"{mantissa.removesuffix('.0')}e{exponent[0]}{exponent[1:].lstrip('0')}"


def plain(value: str | float) -> str:
    """A text or number as `~` joins it: numbers are written as in JSON, `2.0` stays `2.0`."""
    return _float_json(value) if isinstance(value, float) else str(value)


def step_into(value: Value, steps: Iterable[str]) -> Value:
    """Follow keys and positions into a value, or MISSING."""
    for step in steps:
        if isinstance(value, dict):
            value = value.get(step, MISSING)
        elif isinstance(value, list):
            index = _position(step)
            value = value[index] if index is not None and index < len(value) else MISSING
        else:
            return MISSING
    return value


def _position(step: str) -> int | None:
    if not (step.isascii() and step.isdigit()) or (step[0] == "0" and step != "0"):
        return None
    return int(step[:20])


def pointer(value: Value, path: str) -> Value:
    """Follow a dotted path (`a.b.0`), as filters take in `attribute`."""
    return step_into(value, [step for step in path.split(".") if step])


def calculate(operator: str, left: float, right: float) -> float | None:
    """A sum and the like; None is "not a number". Integers stay integers, or fail."""
    if operator == "/":
        return _divide(left, right)
    if operator == "%":
        return _rest(left, right)
    if isinstance(left, int) and isinstance(right, int) and _same_width(left, right):
        whole = int(_OPERATIONS[operator](left, right))
        signed = _fit(I64_MIN, I64_MAX, left, right)
        if not (_fit(I64_MIN, I64_MAX, whole) if signed else _fit(0, U64_MAX, whole)):
            raise TemplateError(f"{left} {operator} {right} is out of bounds")
        return whole
    result = float(_OPERATIONS[operator](float(left), float(right)))
    if math.isfinite(result):
        return result
    if operator == "*":
        return None
    raise TemplateError(f"{left} {operator} {right} is out of bounds")


_OPERATIONS = {
    "+": lambda left, right: left + right,
    "-": lambda left, right: left - right,
    "*": lambda left, right: left * right,
}


def _same_width(left: int, right: int) -> bool:
    return _fit(I64_MIN, I64_MAX, left, right) or _fit(0, U64_MAX, left, right)


def _fit(low: int, high: int, *numbers: int) -> bool:
    return all(low <= number <= high for number in numbers)


def _divide(left: float, right: float) -> float | None:
    if right == 0:
        return None
    result = float(left) / float(right)
    if not math.isfinite(result):
        return None
    return saturated(result) if result == math.floor(result) else result


def _rest(left: float, right: float) -> float | None:
    if isinstance(left, int) and isinstance(right, int) and _same_width(left, right):
        if right == 0:
            raise TemplateError(f"{left} % {right}: modulo by zero")
        return int(math.copysign(1, left)) * (abs(left) % abs(right))
    return math.fmod(left, right) if right else None


def saturated(number: float) -> int:
    """The integer of 64 bits that is nearest towards zero."""
    if math.isnan(number):
        return 0
    if math.isinf(number):
        return I64_MAX if number > 0 else I64_MIN
    return max(I64_MIN, min(I64_MAX, int(number)))

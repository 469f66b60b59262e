"""Filters that take or make numbers (`builtins/filters/number.rs`, `int` and `float`)."""

import math
import re

from brokkr_broker.tera.arguments import Arguments
from brokkr_broker.tera.values import I64_MAX, I64_MIN, SPACES, Value, is_number, saturated

_BASES = {2: "0b", 8: "0o", 16: "0x"}
_DIGITS = re.compile(r"[+-]?[0-9A-Za-z]+")
_FLOAT = re.compile(
    r"[+-]?(inf|infinity|nan|(\d+\.?\d*|\.\d+)(e[+-]?\d+)?)", re.IGNORECASE | re.ASCII
)
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB")
_BINARY_UNITS = ("B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB")


def abs_(value: Value, args: Arguments) -> Value:
    args.as_number(value)
    return abs(value)


def pluralize(value: Value, args: Arguments) -> Value:
    number = args.as_number(value)
    plural, singular = args.text("plural", "s"), args.text("singular", "")
    return singular if abs(number) == 1 else plural


def round_(value: Value, args: Arguments) -> Value:
    number = args.as_number(value)
    method, precision = args.text("method", "common"), args.whole("precision", 0)
    if method not in ("common", "ceil", "floor"):
        raise args.wrong("knows the methods common, ceil and floor")
    try:
        factor = 10.0**precision
        scaled = number * factor
        if method == "common":
            whole = _half_away_from_zero(scaled)
        else:
            whole = float(math.ceil(scaled) if method == "ceil" else math.floor(scaled))
        return whole / factor
    except (OverflowError, ZeroDivisionError, ValueError):
        return None


def _half_away_from_zero(number: float) -> float:
    whole = float(math.trunc(number))
    return whole + math.copysign(1, number) if abs(number - whole) >= 0.5 else whole


def filesizeformat(value: Value, args: Arguments) -> Value:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise args.wrong("takes a number of bytes as its value")
    units = _BINARY_UNITS if args.flag("binary") else _UNITS
    size, step = float(value), 0
    while size >= 1024:
        size, step = size / 1024, step + 1
    return f"{size:.{0 if size == int(size) else 2}f} {units[step]}"


def int_(value: Value, args: Arguments) -> Value:
    default, base = args.whole("default", 0), args.count("base", 10)
    if not 2 <= base <= 36:
        raise args.wrong("takes a base from 2 to 36")
    if is_number(value):
        return saturated(float(value))
    if not isinstance(value, str):
        raise args.wrong("takes a text or a number as its value")
    text = value.strip(SPACES)
    prefix = _BASES.get(base, "")
    while prefix and text.startswith(prefix):
        text = text.removeprefix(prefix)
    number = _whole(text, base)
    if number is None and "." in text:
        number = saturated(float(text)) if _FLOAT.fullmatch(text) else None
    return default if number is None else number


def _whole(text: str, base: int) -> int | None:
    if not _DIGITS.fullmatch(text) or len(text) > 80:
        return None
    try:
        number = int(text, base) if not text.lstrip("+-").startswith(("0b", "0o", "0x")) else None
    except ValueError:
        return None
    return number if number is not None and I64_MIN <= number <= I64_MAX else None


def float_(value: Value, args: Arguments) -> Value:
    default = args.number("default", 0.0)
    if is_number(value):
        return float(value)
    if not isinstance(value, str):
        raise args.wrong("takes a text or a number as its value")
    text = value.strip(SPACES)
    number = float(text) if _FLOAT.fullmatch(text) else default
    return number if math.isfinite(number) else None


FILTERS = {
    "abs": abs_,
    "pluralize": pluralize,
    "round": round_,
    "filesizeformat": filesizeformat,
    "int": int_,
    "float": float_,
}

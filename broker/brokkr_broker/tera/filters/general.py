"""Filters on values of any kind (`builtins/filters/common.rs`)."""

from brokkr_broker.tera.arguments import Arguments
from brokkr_broker.tera.values import Value, encode, kind, text


def length(value: Value, args: Arguments) -> Value:
    if not isinstance(value, str | list | dict):
        raise args.wrong(f"takes a text, an array or an object, not {kind(value)}")
    return len(value)


def reverse(value: Value, args: Arguments) -> Value:
    if not isinstance(value, str | list):
        raise args.wrong(f"takes a text or an array, not {kind(value)}")
    return value[::-1]


def json_encode(value: Value, args: Arguments) -> Value:
    return encode(value, pretty=args.get("pretty", False) is True, budget=args.budget)


def as_str(value: Value, args: Arguments) -> Value:
    return text(value, args.budget)


FILTERS = {"length": length, "reverse": reverse, "json_encode": json_encode, "as_str": as_str}

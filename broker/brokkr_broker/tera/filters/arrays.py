"""Filters on arrays and objects (`builtins/filters/array.rs`, `object.rs`)."""

from collections.abc import Callable
from typing import Any

from brokkr_broker.tera.arguments import Arguments
from brokkr_broker.tera.filters.texts import pattern
from brokkr_broker.tera.values import (
    I64_MAX,
    I64_MIN,
    MISSING,
    Value,
    encode,
    kind,
    pointer,
    same,
    saturated,
    text,
)

_SORTABLE: dict[str, Callable[[Value], Any]] = {
    "boolean": lambda key: key,
    "number": float,
    "string": lambda key: key,
    "array": len,
}


def first(value: Value, args: Arguments) -> Value:
    items = args.as_list(value)
    return items[0] if items else ""


def last(value: Value, args: Arguments) -> Value:
    items = args.as_list(value)
    return items[-1] if items else ""


def nth(value: Value, args: Arguments) -> Value:
    items = args.as_list(value)
    if not items:
        return ""
    index = args.count("n")
    return items[index] if index < len(items) else ""


def join(value: Value, args: Arguments) -> Value:
    items = args.as_list(value)
    separator = pattern(args, "sep") if args.get("sep", None) is not None else ""
    parts = [text(item, args.budget) for item in items]
    args.budget.text(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def sort(value: Value, args: Arguments) -> Value:
    items = args.as_list(value)
    path = args.text("attribute", "")
    keys = [pointer(item, path) for item in items]
    for key in keys:
        if key is MISSING:
            raise args.wrong(f"does not find the attribute `{path}` everywhere")
        if kind(key) not in _SORTABLE:
            raise args.wrong(f"cannot sort by {kind(key)}")
        if kind(key) != kind(keys[0]):
            raise args.wrong("sorts values of one type only")
    sortable = [_SORTABLE[kind(key)](key) for key in keys]
    order = sorted(range(len(items)), key=sortable.__getitem__)
    return [items[position] for position in order]


def unique(value: Value, args: Arguments) -> Value:
    items = args.as_list(value)
    if not items:
        return items
    exact, path = args.flag("case_sensitive"), args.text("attribute", "")
    keys = [pointer(item, path) for item in items]
    if keys[0] is MISSING:
        raise args.wrong(f"does not find the attribute `{path}`")
    found: dict[Value, Value] = {}
    for item, key in zip(items, keys, strict=True):
        if key is MISSING:
            continue
        if kind(key) != kind(keys[0]):
            raise args.wrong("compares values of one type only")
        if kind(key) not in ("boolean", "string") and not _is_i64(key):
            raise args.wrong("compares texts, integers and booleans only")
        shown = key if exact or not isinstance(key, str) else key.lower()
        found.setdefault(shown, item)
    return list(found.values())


def _is_i64(key: Value) -> bool:
    return isinstance(key, int) and I64_MIN <= key <= I64_MAX


def slice_(value: Value, args: Arguments) -> Value:
    items = args.as_list(value)
    if not items:
        return items
    start = _index(args.number("start", 0), items)
    end = _index(args.number("end", float(len(items))), items)
    return items[start : min(end, len(items))] if start < end else []


def _index(number: float, items: list[Value]) -> int:
    return max(0, saturated(number if number >= 0 else len(items) + number))


def group_by(value: Value, args: Arguments) -> Value:
    items = args.as_list(value)
    if not items:
        return {}
    path = args.text("attribute")
    groups: dict[str, list[Value]] = {}
    for item in items:
        key = pointer(item, path)
        if key is MISSING or key is None:
            continue
        name = key if isinstance(key, str) else encode(key, pretty=False, budget=args.budget)
        groups.setdefault(name, []).append(item)
    return dict(sorted(groups.items()))


def filter_(value: Value, args: Arguments) -> Value:
    items = args.as_list(value)
    if not items:
        return items
    path, wanted = args.text("attribute"), args.get("value", None)

    def fits(item: Value) -> bool:
        found = pointer(item, path)
        found = None if found is MISSING else found
        return found is not None if wanted is None else same(found, wanted)

    return [item for item in items if fits(item)]


def map_(value: Value, args: Arguments) -> Value:
    items = args.as_list(value)
    if not items:
        return items
    path = args.text("attribute")
    found = (pointer(item, path) for item in items)
    return [one for one in found if one is not MISSING and one is not None]


def concat(value: Value, args: Arguments) -> Value:
    items, more = args.as_list(value), args.get("with")
    return [*items, *more] if isinstance(more, list) else [*items, more]


def get(value: Value, args: Arguments) -> Value:
    key = args.text("key")
    if not isinstance(value, dict):
        raise args.wrong(f"takes an object as its value, not {kind(value)}")
    if key in value:
        return value[key]
    default = args.get("default", MISSING)
    if default is MISSING:
        raise args.wrong(f"does not find the key `{key}`")
    return default


FILTERS = {
    "first": first,
    "last": last,
    "nth": nth,
    "join": join,
    "sort": sort,
    "unique": unique,
    "slice": slice_,
    "group_by": group_by,
    "filter": filter_,
    "map": map_,
    "concat": concat,
    "get": get,
}

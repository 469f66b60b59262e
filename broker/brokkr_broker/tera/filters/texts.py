"""Filters on texts (`builtins/filters/string.rs`)."""

import re
from collections.abc import Callable
from urllib.parse import quote

from anyascii import anyascii

from brokkr_broker.tera.arguments import Arguments
from brokkr_broker.tera.values import SPACES, Value

_TAGS = re.compile(r"<!--.*?-->|<[^>]*>")
_WORD = re.compile(r"\b([\w'])([\w']*)\b")
_BETWEEN_TAGS = re.compile(r">\s+<")
_NO_ALNUM = re.compile(r"[^A-Za-z0-9]")
_NO_SLUG = re.compile(r"[^a-z0-9]+")
_HTML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#x27;", "/": "&#x2F;"}
_XML = {"&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&apos;"}


def _simple(change: Callable[[str], Value]) -> Callable[[Value, Arguments], Value]:
    def filter(value: Value, args: Arguments) -> Value:
        return change(args.as_text(value))

    return filter


def pattern(args: Arguments, name: str) -> str:
    """A text in which `\\n` and `\\t` may be written out."""
    return args.text(name).replace("\\n", "\n").replace("\\t", "\t")


def trim_start_matches(value: Value, args: Arguments) -> Value:
    text, part = args.as_text(value), pattern(args, "pat")
    while part and text.startswith(part):
        text = text.removeprefix(part)
    return text


def trim_end_matches(value: Value, args: Arguments) -> Value:
    text, part = args.as_text(value), pattern(args, "pat")
    while part and text.endswith(part):
        text = text.removesuffix(part)
    return text


def truncate(value: Value, args: Arguments) -> Value:
    text, length, end = args.as_text(value), args.count("length", 255), args.text("end", "…")
    return text if length >= len(text) else text[:length] + end


def replace(value: Value, args: Arguments) -> Value:
    text, old, new = args.as_text(value), args.text("from"), args.text("to")
    args.budget.text(len(text) + text.count(old) * max(0, len(new) - len(old)))
    return text.replace(old, new)


def split(value: Value, args: Arguments) -> Value:
    text, part = args.as_text(value), pattern(args, "pat")
    if not part:
        return ["", *text, ""]
    args.budget.items(text.count(part) + 1)
    return text.split(part)


def indent(value: Value, args: Arguments) -> Value:
    text, prefix = args.as_text(value), args.text("prefix", "    ")
    first, blank = args.flag("first"), args.flag("blank")
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    args.budget.text(len(text) + len(lines) * len(prefix))
    for number, raw in enumerate(lines):
        line = raw.removesuffix("\r")
        wanted = first if number == 0 else blank or bool(line.strip(SPACES))
        lines[number] = prefix + line if wanted else line
    return "\n".join(lines)


def _title(text: str) -> str:
    return _WORD.sub(lambda found: found[1].upper() + found[2].lower(), text)


def _slug(text: str) -> str:
    return _NO_SLUG.sub("-", anyascii(text).lower()).strip("-")


def _percent(text: str) -> str:
    return _NO_ALNUM.sub(lambda found: "".join(f"%{b:02X}" for b in found[0].encode()), text)


def _escape(table: dict[str, str]) -> Callable[[str], str]:
    return lambda text: "".join(table.get(c, c) for c in text)


def _addslashes(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("'", "\\'")


FILTERS = {
    "upper": _simple(str.upper),
    "lower": _simple(str.lower),
    "trim": _simple(lambda text: text.strip(SPACES)),
    "trim_start": _simple(lambda text: text.lstrip(SPACES)),
    "trim_end": _simple(lambda text: text.rstrip(SPACES)),
    "trim_start_matches": trim_start_matches,
    "trim_end_matches": trim_end_matches,
    "truncate": truncate,
    "wordcount": _simple(lambda text: len(text.split())),
    "replace": replace,
    "capitalize": _simple(lambda text: text[:1].upper() + text[1:].lower()),
    "title": _simple(_title),
    "linebreaksbr": _simple(lambda text: text.replace("\r\n", "<br>").replace("\n", "<br>")),
    "indent": indent,
    "striptags": _simple(lambda text: _TAGS.sub("", text)),
    "spaceless": _simple(lambda text: _BETWEEN_TAGS.sub("><", text)),
    "urlencode": _simple(lambda text: quote(text, safe="/-_.~")),
    "urlencode_strict": _simple(_percent),
    "escape": _simple(_escape(_HTML)),
    "escape_xml": _simple(_escape(_XML)),
    "slugify": _simple(_slug),
    "addslashes": _simple(_addslashes),
    "split": split,
}

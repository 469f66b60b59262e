"""Settings: built-in defaults, under a TOML file, under `BROKKR__SECTION__KEY` variables.

The shape is a frozen struct of sections. An unknown or malformed key is an error that names the
key and where it came from; nothing is silently ignored.
"""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

import msgspec

PREFIX = "BROKKR__"
FILE_VARIABLE = "BROKKR_CONFIG_FILE"
_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_SIZES = {"kb": 1024, "mb": 1024**2, "gb": 1024**3, "b": 1}

T = TypeVar("T", bound=msgspec.Struct)


class SettingsError(Exception):
    """A setting is unknown or malformed."""


class Section(
    msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True
):
    """A group of settings; the TOML table of the same name."""


def load(shape: type[T], *, environ: Mapping[str, str], optional: frozenset[str]) -> T:
    """Read settings for `shape`.

    Sections named in `optional` may be present without being ours: broker and agent can share one
    file and one environment. Raises SettingsError.
    """
    merged = _read_file(environ.get(FILE_VARIABLE))
    origin = dict.fromkeys(_flatten(merged), environ.get(FILE_VARIABLE, ""))
    for variable, value in sorted(environ.items()):
        if variable.startswith(PREFIX):
            path = variable.removeprefix(PREFIX).lower().split("__")
            _put(merged, path, value, variable)
            origin[".".join(path)] = variable
    fields = {field.name for field in msgspec.structs.fields(shape)}
    for section in optional - fields:
        merged.pop(section, None)
    try:
        return msgspec.convert(merged, shape, strict=False, dec_hook=_decode)
    except msgspec.ValidationError as e:
        raise SettingsError(_explain(e, origin)) from e


class Seconds(float):
    """A duration: a number of seconds, or text such as `30s`, `10m`, `500ms`."""


class Bytes(int):
    """A size: a number of bytes, or text such as `10mb`."""


class Words(tuple[str, ...]):
    """A list of texts, or one text with commas between them."""

    __slots__ = ()


def _decode(kind: type, value: Any) -> Any:
    if kind is Words:
        return Words(_words(value))
    if kind is Seconds:
        return Seconds(_scaled(value, _UNITS))
    if kind is Bytes:
        return Bytes(int(_scaled(value, _SIZES)))
    raise NotImplementedError(f"no decoder for {kind}")


def _words(value: Any) -> list[str]:
    items = value.split(",") if isinstance(value, str) else value
    if not isinstance(items, list) or not all(isinstance(item, str) for item in items):
        raise ValueError(f"{value!r} is not a list of texts")
    return [item.strip() for item in items if item.strip()]


def _scaled(value: Any, units: Mapping[str, float]) -> float:
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    text = str(value).strip().lower()
    for unit in sorted(units, key=len, reverse=True):
        if text.endswith(unit):
            text, factor = text.removesuffix(unit).strip(), units[unit]
            break
    else:
        factor = 1
    try:
        number = float(text)
    except ValueError:
        raise ValueError(
            f"{value!r} is not a number with one of the units {'/'.join(units)}"
        ) from None
    if not 0 <= number < 1e15:
        raise ValueError(f"{value!r} is out of range")
    return number * factor


def _read_file(name: str | None) -> dict[str, Any]:
    if not name:
        return {}
    try:
        return tomllib.loads(Path(name).read_text())
    except OSError as e:
        raise SettingsError(f"{FILE_VARIABLE}={name}: {e.strerror}") from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as e:
        raise SettingsError(f"{name}: not valid TOML: {e}") from e


def _put(tree: dict[str, Any], path: list[str], value: str, variable: str) -> None:
    if len(path) < 2 or not all(path):
        raise SettingsError(f"{variable}: expected {PREFIX}SECTION__KEY")
    for step in path[:-1]:
        child = tree.setdefault(step, {})
        if not isinstance(child, dict):
            raise SettingsError(f"{variable}: {step} is not a section")
        tree = child
    tree[path[-1]] = value


def _flatten(tree: Mapping[str, Any], prefix: str = "") -> list[str]:
    names: list[str] = []
    for key, value in tree.items():
        name = f"{prefix}{key}"
        names += _flatten(value, f"{name}.") if isinstance(value, dict) else [name]
    return names


def _explain(e: msgspec.ValidationError, origin: Mapping[str, str]) -> str:
    """`Object contains unknown field `prot` - at `$.api`` -> `api.prot: unknown setting`."""
    text, _, path = str(e).partition(" - at `$.")
    key = path.rstrip("`")
    if "unknown field" in text:
        key = ".".join(filter(None, [key, text.split("`")[1]]))
        text = "unknown setting"
    elif "missing required field" in text:
        key = ".".join(filter(None, [key, text.split("`")[1]]))
        text = f"required: set it in the file or as {PREFIX}{key.upper().replace('.', '__')}"
    where = next((origin[name] for name in origin if name.startswith(key)), "")
    return f"{key}: {text}" + (f" (from {where})" if where else "")

"""JSON Schema for parameters: is the schema one, do parameters fit, and the defaults.

A schema is hostile text. Nothing is fetched for it: a reference must point into the schema itself.
"""

import copy
import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.protocols import Validator
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import EMPTY_REGISTRY, specification_with

from brokkr_broker.rendering.jobs import Problem

MAX_PROBLEMS = 100
_MAX_MESSAGE = 300
_MAX_DEPTH = 50
_REFERENCES = ("$ref", "$dynamicRef", "$recursiveRef")
_NAMES = {
    "$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties",
}  # fmt: skip
_DRAFTS = {
    "http://json-schema.org/draft-03/schema",
    "http://json-schema.org/draft-04/schema",
    "http://json-schema.org/draft-06/schema",
    "http://json-schema.org/draft-07/schema",
    "https://json-schema.org/draft/2019-09/schema",
    "https://json-schema.org/draft/2020-12/schema",
}
DEFAULT_DRAFT = "https://json-schema.org/draft/2020-12/schema"
_DATA = {"const", "enum", "default", "examples"}
_ENDLESS = "refers to itself without end"


def load(text: str) -> tuple[Any, list[Problem]]:
    """The schema of a text, and what is wrong with it."""
    try:
        schema = json.loads(text)
    except json.JSONDecodeError as e:
        return None, [Problem("", f"not valid JSON: {e.msg}", e.lineno)]
    except RecursionError:
        return None, [Problem("", "nested too deep")]
    try:
        return schema, list(_wrong(schema))[:MAX_PROBLEMS]
    except RecursionError:
        return schema, [Problem("", _ENDLESS)]


def violations(schema: Any, parameters: Any) -> list[Problem]:
    """Everything that does not fit, in the order of its place."""
    validator = _validator(schema)
    try:
        errors = sorted(validator.iter_errors(parameters), key=lambda e: _pointer(e.absolute_path))
    except RecursionError:
        return [Problem("", f"the schema {_ENDLESS}")]
    except Unresolvable as e:
        return [Problem("", _short(f"the schema points to nothing: {e}"))]
    return [
        Problem(_pointer(error.absolute_path), _short(error.message))
        for error in errors[:MAX_PROBLEMS]
    ]


def with_defaults(schema: Any, value: Any) -> Any:
    """A copy of the value in which what was left out has the schema's default."""
    return _filled(schema, schema, copy.deepcopy(value), 0)


def _validator(schema: Any) -> Validator:
    kind = validators.validator_for(schema, default=Draft202012Validator)
    return kind(schema, registry=EMPTY_REGISTRY)


def _wrong(schema: Any) -> Iterator[Problem]:
    if not isinstance(schema, dict | bool):
        yield Problem("", "a schema is an object")
        return
    if isinstance(schema, dict) and "$schema" in schema:
        draft = schema["$schema"]
        if not isinstance(draft, str) or draft.rstrip("#") not in _DRAFTS:
            yield Problem("/$schema", f"{_short(repr(draft))} is no draft we know")
            return
    kind = validators.validator_for(schema, default=Draft202012Validator)
    found = sorted(
        kind(kind.META_SCHEMA).iter_errors(schema), key=lambda e: _pointer(e.absolute_path)
    )
    yield from (Problem(_pointer(e.absolute_path), _short(e.message)) for e in found)
    if found or not isinstance(schema, dict):
        return
    hostile = list(_hostile(schema, schema, "", names=False))
    yield from hostile
    if not hostile:
        _validator(schema).is_valid({})  # raises RecursionError for one that never ends


def _hostile(root: Any, node: Any, path: str, names: bool) -> Iterator[Problem]:
    """References and patterns. `names` says that the keys of this node are names, not keywords."""
    if path.count("/") > _MAX_DEPTH:
        yield Problem(path, "nested too deep")
        return
    items = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in items:
        here = f"{path}/{_escaped(str(key))}"
        if not names and isinstance(value, str):
            if key in _REFERENCES:
                yield from _reference(root, value, here)
            elif key == "pattern":
                yield from _pattern(value, here)
        elif isinstance(value, dict | list) and (names or key not in _DATA):
            if key == "patternProperties" and not names:
                for pattern in value:
                    yield from _pattern(str(pattern), f"{here}/{_escaped(str(pattern))}")
            yield from _hostile(root, value, here, not names and key in _NAMES)


def _reference(root: Any, target: str, path: str) -> Iterator[Problem]:
    if not target.startswith("#"):
        yield Problem(path, f"{_short(repr(target))} points outside of the schema")
        return
    try:
        _resolved(root, target)
    except Unresolvable:
        yield Problem(path, f"{_short(repr(target))} points to nothing")


def _resolved(root: Any, target: str) -> Any:
    resource = specification_with(root.get("$schema", DEFAULT_DRAFT)).create_resource(root)
    registry: Registry[Any] = Registry()
    return registry.with_resource("", resource).resolver().lookup(target).contents


def _pattern(pattern: str, path: str) -> Iterator[Problem]:
    try:
        re.compile(pattern)
    except (re.error, RecursionError, OverflowError) as e:
        yield Problem(path, _short(f"not a regular expression: {e}"))


def _filled(root: Any, schema: Any, value: Any, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _MAX_DEPTH:
        return value
    if "$ref" in schema:
        value = _filled(root, _resolved(root, schema["$ref"]), value, depth + 1)
    for part in schema.get("allOf", ()):
        value = _filled(root, part, value, depth + 1)
    if isinstance(value, dict):
        for name, child in schema.get("properties", {}).items():
            if name not in value and isinstance(child, dict) and "default" in child:
                value[name] = copy.deepcopy(child["default"])
            if name in value:
                value[name] = _filled(root, child, value[name], depth + 1)
    elif isinstance(value, list) and isinstance(schema.get("items"), dict):
        return [_filled(root, schema["items"], item, depth + 1) for item in value]
    return value


def _pointer(path: Iterable[str | int]) -> str:
    return "".join(f"/{_escaped(str(step))}" for step in path)


def _escaped(step: str) -> str:
    return step.replace("~", "~0").replace("/", "~1")


def _short(text: str) -> str:
    return text if len(text) <= _MAX_MESSAGE else text[:_MAX_MESSAGE] + "…"

"""Path, query and body to wire models, with errors that name the field."""

from typing import Any, TypeVar
from uuid import UUID

import msgspec
from aiohttp import web

from brokkr_broker import errors

T = TypeVar("T")
_decoders: dict[Any, msgspec.json.Decoder[Any]] = {}


def path_id(request: web.Request, name: str = "id") -> UUID:
    text = request.match_info[name]
    try:
        if len(text) != 36:
            raise ValueError
        return UUID(text)
    except ValueError:
        raise errors.Invalid(f"{name} is not a UUID", code="invalid_id", field=name) from None


def uuid(request: web.Request, name: str, *, header: str = "") -> UUID | None:
    """A query parameter that is an id, if it is given; else the header that says the same."""
    text = request.query.get(name) or request.headers.get(header)
    try:
        return UUID(text) if text else None
    except ValueError:
        raise errors.Invalid(f"{name} is not a UUID", code="invalid_id", field=name) from None


def number(request: web.Request, name: str, default: int, *, least: int) -> int:
    """A query parameter that is a whole number."""
    text = request.query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and least <= int(text[:15])):
        raise errors.Invalid(
            f"{name} is a number from {least} on", code=f"invalid_{name}", field=name
        )
    return int(text[:15])


def flag(request: web.Request, name: str) -> bool | None:
    """A query parameter that is `true` or `false`, if it is given."""
    text = request.query.get(name)
    if not text:
        return None
    if text not in ("true", "false"):
        raise errors.Invalid(f"{name} is true or false", code="invalid_flag", field=name)
    return text == "true"


async def body(request: web.Request, model: type[T]) -> T:
    """Malformed JSON is a 400, the wrong shape a 422, an empty or overlong text a 400."""
    if request.content_type not in ("application/json", "application/octet-stream"):
        raise errors.UnsupportedMediaType
    decoder = _decoders.get(model)
    if decoder is None:
        decoder = _decoders[model] = msgspec.json.Decoder(model)
    try:
        decoded: T = decoder.decode(await request.read())
        return decoded
    except msgspec.ValidationError as e:
        raise _wrong_shape(e) from e
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise errors.Invalid(f"the body is not valid JSON: {e}", code="invalid_json") from e
    except RecursionError as e:
        raise errors.Invalid("the body is nested too deep", code="invalid_json") from e


def _wrong_shape(e: msgspec.ValidationError) -> errors.BrokerError:
    message, _, path = str(e).partition(" - at `$")
    pointer = path.rstrip("`").replace(".", "/").replace("[", "/").replace("]", "")
    if "`" in message and ("field" in message):
        pointer += "/" + message.split("`")[1]
    problems = [{"path": pointer, "message": message}]
    text = f"{pointer.lstrip('/') or 'body'}: {message}"
    bounds = ("length", "matching regex")
    if any(bound in message for bound in bounds):
        return errors.Invalid(text, code="invalid_request_body", errors=problems)
    return errors.Unprocessable(text, errors=problems)

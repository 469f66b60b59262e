"""The OpenAPI 3.1 document, out of ROUTES and the wire models."""

import functools
import re
from collections.abc import Sequence
from typing import Any

import msgspec
from apispec import APISpec

from brokkr_broker.api.route import Route
from brokkr_common import __version__
from brokkr_common.wire.problem import Problem

_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A repeated request with the same key does nothing and gets the first answer.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_PARAMETER = re.compile(r"{(\w+)}")
_REASONS = {
    304: "Not modified", 400: "Malformed request", 401: "No valid key", 403: "Not allowed",
    404: "Not found", 409: "Taken", 412: "Changed meanwhile", 413: "Body too large",
    415: "Body is not JSON", 422: "Wrong shape", 426: "Not a WebSocket", 429: "Too many requests",
    503: "The database does not answer",
}  # fmt: skip


def document(routes: Sequence[Route]) -> dict[str, Any]:
    """The document as plain values."""
    return _build(tuple(routes))


@functools.lru_cache(maxsize=1)
def _build(routes: tuple[Route, ...]) -> dict[str, Any]:
    spec = APISpec(
        title="Brokkr",
        version=__version__,
        openapi_version="3.1.0",
        info={"description": "Deploy to many Kubernetes clusters from one place, by pull."},
    )
    models = [m for route in routes for m in _models(route)]
    schemas, components = msgspec.json.schema_components(
        [*models, Problem], ref_template="#/components/schemas/{name}"
    )
    by_model = dict(zip(map(repr, [*models, Problem]), schemas, strict=True))
    for name, schema in components.items():
        spec.components.schema(name, schema)
    spec.components.security_scheme("pak", {"type": "http", "scheme": "bearer"})
    for route in routes:
        operation = _operation(route, by_model)
        spec.path(path=route.url, operations={route.method.lower(): operation})
    built: dict[str, Any] = spec.to_dict()
    return built


def _models(route: Route) -> list[Any]:
    found = [route.takes, route.gives, *route.gives_else.values()]
    return [model for model in found if model is not None]


def _operation(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    words = [route.method.lower(), *re.findall(r"\w+", route.url.removeprefix("/api/v1"))]
    if route.url.endswith("/") and len(route.url) > 1:
        words.append("index")
    operation: dict[str, Any] = {
        "summary": route.summary,
        "tags": [route.tag],
        "operationId": "_".join(words),
        "responses": _responses(route, schemas),
        "security": [] if route.allow is None else [{"pak": []}],
    }
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": _path_schema(name)}
        for name in _PARAMETER.findall(route.url)
    ]
    parameters += [
        {"name": q.name, "in": "query", "required": q.required, "description": q.description,
         "schema": q.schema}
        for q in route.query
    ]  # fmt: skip
    if route.conditional:
        name = "If-None-Match" if route.method == "GET" else "If-Match"
        parameters.append({"name": name, "in": "header", "schema": {"type": "string"}})
    if _takes_idempotency_key(route):
        parameters.append(_IDEMPOTENCY_KEY)
    if parameters:
        operation["parameters"] = parameters
    if route.takes is not None:
        content = {"application/json": {"schema": schemas[repr(route.takes)]}}
        if route.takes_yaml:
            content["application/yaml"] = {"schema": {"type": "string"}}
        operation["requestBody"] = {"required": True, "content": content}
    return operation


def _path_schema(name: str) -> dict[str, str]:
    return {"type": "string", "format": "uuid"} if name.endswith("id") else {"type": "string"}


def _responses(route: Route, schemas: dict[str, Any]) -> dict[str, Any]:
    success: dict[str, Any] = {"description": route.summary}
    if route.gives is not None:
        success["content"] = {route.media_type: {"schema": schemas[repr(route.gives)]}}
    problem = {"application/json": {"schema": schemas[repr(Problem)]}}
    answers = {str(route.status): success}
    for status, model in route.gives_else.items():
        content = {route.media_type: {"schema": schemas[repr(model)]}}
        answers[str(status)] = {"description": route.summary, "content": content}
    headers = _headers(route)
    if headers:
        success["headers"] = headers
    for status in sorted({*route.fails, *_usual(route)}):
        content = {} if status == 304 else {"content": problem}
        answers[str(status)] = {"description": _REASONS[status], **content}
    return answers


def _headers(route: Route) -> dict[str, Any]:
    text = {"schema": {"type": "string"}}
    headers = {}
    if route.conditional and route.status == 200:
        headers["ETag"] = {"description": "The state of what is answered.", **text}
    if any(q.name == "cursor" for q in route.query):
        headers["Link"] = {"description": 'The next page, `rel="next"`, if there is one.', **text}
    return headers


def _takes_idempotency_key(route: Route) -> bool:
    return route.method == "POST" and route.allow is not None and not route.repeatable


def _usual(route: Route) -> set[int]:
    usual = set() if route.allow is None else {401, 403, 429, 503}
    if _takes_idempotency_key(route):
        usual |= {400, 409, 413, 422}
    if "{" in route.url or route.query:
        usual.add(400)
    if route.conditional:
        usual.add(304 if route.method == "GET" else 412)
    if route.takes is not None:
        usual |= {400, 413, 415, 422}
    return usual

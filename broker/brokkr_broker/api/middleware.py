"""Around every request: its id, its deadline, the error shape, metrics, one log line."""

import asyncio
import functools
import logging
import math
import random
import re
import time
from collections.abc import Awaitable, Callable
from contextlib import AbstractContextManager
from typing import Any

from aiohttp import web

from brokkr_broker import errors
from brokkr_broker.api import access, headers, responses
from brokkr_broker.api.route import PREFIX, Handler
from brokkr_broker.config import BrokerConfig
from brokkr_broker.context import CONTEXT, DEADLINE
from brokkr_broker.db import violations
from brokkr_common import logs
from brokkr_common.wire.problem import Problem

logger = logging.getLogger(__name__)

_REQUEST_ID = re.compile(r"^[\w.-]{1,64}$")
_QUIET = {"/healthz", "/readyz", "/metrics"}
_REPEATED = ("validation_errors", "missing_labels", "missing_annotations")
_HTTP = {
    404: errors.NotFound,
    405: errors.MethodNotAllowed,
    413: errors.TooLarge,
    415: errors.UnsupportedMediaType,
}


@web.middleware
async def frame(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    started = time.perf_counter()
    given = request.headers.get("X-Request-Id")
    request_id = given if given and _REQUEST_ID.match(given) else f"{random.getrandbits(128):032x}"
    token, trace = logs.request_id.set(request_id), logs.trace_id.set("")
    context = request.app[CONTEXT]
    endpoint = _endpoint(request)
    try:
        context.tracing.begin(request.headers)
        span = context.tracing.request(
            f"{request.method} {endpoint}", request.headers, **{"url.path": request.path}
        )
        if span is None:
            response = await _answer(request, handler, context.config, request_id)
        else:
            response = await _traced(span, request, handler, request_id)
        if response.prepared:  # it stayed open for a while, and its head is long gone
            context.metrics.requests.labels(endpoint, request.method, response.status).inc()
            return response
        response.headers["X-Request-Id"] = request_id
        headers.allow_origin(request, response, context.config)
        headers.secure(request, response)
        headers.compress(request, response)
        _count(request, endpoint, response.status, time.perf_counter() - started)
        return response
    finally:
        logs.request_id.reset(token)
        logs.trace_id.reset(trace)


async def _traced(
    span: AbstractContextManager[Any], request: web.Request, handler: Handler, request_id: str
) -> web.StreamResponse:
    with span as current:
        current.set_attribute("http.request.method", request.method)
        current.set_attribute("http.route", _endpoint(request))
        response = await _answer(request, handler, request.app[CONTEXT].config, request_id)
        current.set_attribute("http.response.status_code", response.status)
        return response


async def _answer(
    request: web.Request, handler: Handler, config: BrokerConfig, request_id: str
) -> web.StreamResponse:
    try:
        async with asyncio.timeout(config.api.request_timeout) as request[DEADLINE]:
            if asked := headers.preflight(request, config):
                return asked
            if request.match_info.http_exception is not None and request.path.startswith(PREFIX):
                await access.identify(request)
            return await handler(request)
    except Exception as e:
        problem = _meaning(e)
        if problem.status >= 500:
            level = logging.ERROR if problem.status == 500 else logging.WARNING
            logger.log(level, "request failed", exc_info=e if problem.status == 500 else None)
        return render(problem, request_id, getattr(e, "headers", None))


def _meaning(e: Exception) -> errors.BrokerError:
    match e:
        case errors.BrokerError():
            return e
        case web.HTTPException():
            known = _HTTP.get(e.status)
            return known() if known else errors.Invalid(e.reason)
        case _:
            return violations.translate(e) or errors.BrokerError()


def render(
    problem: errors.BrokerError, request_id: str, given: object = None
) -> web.StreamResponse:
    repeated = {name: problem.details[name] for name in _REPEATED if name in problem.details}
    body = Problem(
        error=problem.message,
        message=problem.message,
        code=problem.code,
        request_id=request_id,
        details=problem.details,
        **repeated,
    )
    response = responses.json(body, status=problem.status)
    if problem.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    elif problem.status in (429, 503):
        seconds = math.ceil(problem.details.get("retry_after", 1))
        response.headers["Retry-After"] = str(seconds)
    elif problem.status == 405 and hasattr(given, "get"):
        response.headers["Allow"] = given.get("Allow", "")
    return response


def _count(request: web.Request, endpoint: str, status: int, elapsed: float) -> None:
    metrics = request.app[CONTEXT].metrics
    metrics.observe(endpoint, request.method, status, elapsed)
    if logger.isEnabledFor(logging.INFO) and endpoint not in _QUIET:
        extra = {"duration_ms": round(elapsed * 1000, 2), "status": status}
        logger.info("%s %s", request.method, request.path, extra=extra)


def _endpoint(request: web.Request) -> str:
    resource = request.match_info.route.resource
    return _folded(resource.canonical) if resource else "unmatched"


@functools.cache
def _folded(canonical: str) -> str:
    return re.sub(r"{(\w+)}", r":\1", canonical)

"""Every route is declared in full, and only in ROUTES."""

import importlib
import inspect
import pkgutil

from brokkr_broker import api
from brokkr_broker.api import ROUTES

PUBLIC = {"/healthz", "/readyz", "/metrics", "/docs/openapi.json", "/swagger-ui"}


def test_only_the_operations_are_public() -> None:
    for route in ROUTES:
        assert (route.allow is None) == (
            route.path in PUBLIC or route.path.startswith("/swagger-ui/")
        ), route.path


def test_each_stands_once_and_says_what_it_is() -> None:
    assert len({(r.method, r.url) for r in ROUTES}) == len(ROUTES)
    assert all(r.summary and r.status for r in ROUTES)
    silent = [r.path for r in ROUTES if r.gives is None and r.status not in (101, 204, 301)]
    assert silent == ["/agents/{id}/health-status"], "an empty 200, as it always was"


def test_no_handler_outside_routes() -> None:
    handlers = {r.handler for r in ROUTES}
    for _, name, _ in pkgutil.iter_modules(api.__path__):
        module = importlib.import_module(f"brokkr_broker.api.{name}")
        for function in vars(module).values():
            if not inspect.iscoroutinefunction(function) or function.__module__ != module.__name__:
                continue
            takes = list(inspect.signature(function).parameters)
            private = function.__name__.startswith("_") or name in ("access", "lasting", "parsing")
            if takes in (["request"], ["_request"]) and not private:
                assert function in handlers, f"{name}.{function.__name__}"

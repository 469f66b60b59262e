"""The template language: Tera 1, as the Rust crate `tera` 1.20 renders it, without escaping.

An interpreter of its own. Values are JSON and nothing else, so a template has no object to climb
out of, no file to read and no code to run: it can only use up time and memory, and `limits` bounds
both. A template stands alone: there is nothing to extend, include or import.

`compile` checks a template; `render` renders one. What differs from the crate is listed in
docs/templates.md; the crate's own answers to several hundred snippets are part of the tests.
"""

from brokkr_broker.tera.errors import TemplateError
from brokkr_broker.tera.limits import Limits
from brokkr_broker.tera.parser import parse
from brokkr_broker.tera.renderer import render

__all__ = ["Limits", "TemplateError", "parse", "render"]

"""The named arguments of a filter or function, checked as they are read."""

from typing import Any

from brokkr_broker.tera.errors import TemplateError
from brokkr_broker.tera.limits import Budget
from brokkr_broker.tera.values import Value, is_number, kind

_REQUIRED: Any = object()


class Arguments:
    """`title` is `filter nth` or `function range`; it begins every error."""

    def __init__(self, title: str, values: dict[str, Value], budget: Budget) -> None:
        self._title = title
        self._values = values
        self.budget = budget

    def get(self, name: str, default: Value = _REQUIRED) -> Value:
        if name in self._values:
            return self._values[name]
        if default is _REQUIRED:
            raise self.wrong(f"needs the argument `{name}`")
        return default

    def text(self, name: str, default: str = _REQUIRED) -> str:
        value = self.get(name, default)
        return self.as_text(value, f"`{name}`")

    def flag(self, name: str) -> bool:
        value = self.get(name, False)
        if not isinstance(value, bool):
            raise self.wrong(f"takes true or false as `{name}`, not {kind(value)}")
        return value

    def whole(self, name: str, default: int = _REQUIRED) -> int:
        value = self.get(name, default)
        if not isinstance(value, int) or isinstance(value, bool):
            raise self.wrong(f"takes a whole number as `{name}`, not {kind(value)}")
        return value

    def count(self, name: str, default: int = _REQUIRED) -> int:
        value = self.whole(name, default)
        if value < 0:
            raise self.wrong(f"takes no negative number as `{name}`")
        return value

    def number(self, name: str, default: float = _REQUIRED) -> float:
        return self.as_number(self.get(name, default), f"`{name}`")

    def as_text(self, value: Value, what: str = "its value") -> str:
        if not isinstance(value, str):
            raise self.wrong(f"takes a text as {what}, not {kind(value)}")
        return value

    def as_number(self, value: Value, what: str = "its value") -> float:
        if not is_number(value):
            raise self.wrong(f"takes a number as {what}, not {kind(value)}")
        return float(value)

    def as_list(self, value: Value) -> list[Value]:
        if not isinstance(value, list):
            raise self.wrong(f"takes an array as its value, not {kind(value)}")
        return value

    def wrong(self, message: str) -> TemplateError:
        return TemplateError(f"{self._title} {message}")

"""What a template may use up."""

from dataclasses import dataclass

from brokkr_broker.tera.errors import TemplateError

MAX_NESTING = 64


@dataclass(frozen=True)
class Limits:
    """`steps` are nodes and loop turns; `size` is characters of the output or of one text;
    `items` are the elements of one list."""

    steps: int = 1_000_000
    size: int = 10 * 1024 * 1024
    items: int = 100_000
    macro_depth: int = 50


class Budget:
    """What is left of the limits during one rendering."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._steps = limits.steps

    def step(self) -> None:
        self._steps -= 1
        if self._steps < 0:
            raise TemplateError(f"does more than {self.limits.steps} steps")

    def text(self, length: int) -> None:
        if length > self.limits.size:
            raise TemplateError(f"makes a text of more than {self.limits.size} characters")

    def items(self, count: int) -> None:
        if count > self.limits.items:
            raise TemplateError(f"makes a list of more than {self.limits.items} elements")

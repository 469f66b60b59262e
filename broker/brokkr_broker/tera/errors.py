"""The one thing that goes wrong with a template."""


class TemplateError(Exception):
    """The template cannot be parsed or rendered. `line` counts from 1; 0 where there is none."""

    def __init__(self, message: str, line: int = 0) -> None:
        self.message = message
        self.line = line
        super().__init__(f"line {line}: {message}" if line else message)

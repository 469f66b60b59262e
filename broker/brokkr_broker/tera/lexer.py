"""Source text to text pieces and tags, and the words inside a tag.

Whitespace control is done here: a `-` beside a delimiter strips the text on that side.
"""

import bisect
import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from brokkr_broker.tera.errors import TemplateError
from brokkr_broker.tera.limits import MAX_NESTING
from brokkr_broker.tera.syntax import Path, Step
from brokkr_broker.tera.values import SPACES

_OPENING = re.compile(r"\{[{%#]-?")
_COMMENT_END = re.compile(r"-?#\}")
_RAW = re.compile(r"[ \t\r\n]*raw[ \t\r\n]*(-?)%\}")
_END_RAW = re.compile(r"\{%(-?)[ \t\r\n]*endraw[ \t\r\n]*(-?)%\}")
_BLANK = re.compile(r"[ \t\r\n]*")
_NAME = re.compile(r"[A-Za-z_][A-Za-z_0-9]*")
_DOTTED = re.compile(r"\.([A-Za-z_0-9]+)")
_FLOAT = re.compile(r"(?:0|[1-9][0-9]*)\.[0-9]+")
_INT = re.compile(r"0|[1-9][0-9]*")
_KEY = re.compile(r"-?(?:0|[1-9][0-9]*)(?=\])")
_OPERATOR = re.compile(r"==|!=|<=|>=|::|[<>+\-*/%~|()\[\],=]")
_QUOTES = "\"'`"


@dataclass(frozen=True, slots=True)
class Token:
    """`kind` is path, string, float, int, operator or end; `value` is what it stands for."""

    kind: str
    value: str | Path
    line: int
    start: int
    stop: int

    @property
    def word(self) -> str:
        """A plain name, or nothing."""
        path = self.value
        if isinstance(path, Path) and len(path.steps) == 1:
            return path.text
        return ""

    def __str__(self) -> str:
        shown = self.value.text if isinstance(self.value, Path) else self.value
        return {"end": "the end of the tag", "string": f"the string {shown!r}"}.get(
            self.kind, f"`{shown}`"
        )


@dataclass(frozen=True, slots=True)
class Piece:
    """Text, or a tag with its tokens. `kind` is text, print or statement."""

    kind: str
    line: int
    text: str = ""
    tokens: tuple[Token, ...] = field(default=())


class Source:
    """A template's text, cut into pieces from front to back."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._breaks = [found.start() for found in re.finditer("\n", text)]

    def line(self, position: int) -> int:
        return bisect.bisect_left(self._breaks, position) + 1

    def pieces(self) -> Iterator[Piece]:
        position, strip = 0, False
        while position < len(self.text):
            opening = _OPENING.search(self.text, position)
            end = opening.start() if opening else len(self.text)
            before = self.text[position:end]
            yield from self._text(before, position, strip, bool(opening and "-" in opening[0]))
            if opening is None:
                return
            yield from self._tag(opening)
            position, strip = self._position, self._strip

    def _text(self, text: str, position: int, left: bool, right: bool) -> Iterator[Piece]:
        text = text.lstrip(SPACES) if left else text
        text = text.rstrip(SPACES) if right else text
        if text:
            yield Piece("text", self.line(position), text)

    def _tag(self, opening: re.Match[str]) -> Iterator[Piece]:
        """One tag. Leaves where it ends, and whether it strips what follows."""
        line = self.line(opening.start())
        if opening[0][1] == "#":
            closing = _COMMENT_END.search(self.text, opening.end())
            if closing is None:
                raise TemplateError("this comment has no end: `#}` is missing", line)
            self._position, self._strip = closing.end(), "-" in closing[0]
        elif opening[0][1] == "%" and (raw := _RAW.match(self.text, opening.end())):
            closing = _END_RAW.search(self.text, raw.end())
            if closing is None:
                raise TemplateError("this `raw` has no `endraw`", line)
            inside = self.text[raw.end() : closing.start()]
            yield from self._text(inside, raw.end(), bool(raw[1]), bool(closing[1]))
            self._position, self._strip = closing.end(), bool(closing[2])
        else:
            is_print = opening[0][1] == "{"
            tokens = self._tokens(opening.end(), "}}" if is_print else "%}", line)
            yield Piece("print" if is_print else "statement", line, "", tokens)

    def _tokens(self, position: int, closing: str, opened: int) -> tuple[Token, ...]:
        tokens = []
        while True:
            found = _BLANK.match(self.text, position)
            position = found.end() if found else position
            for end in (f"-{closing}", closing):
                if self.text.startswith(end, position):
                    stop = position + len(end)
                    tokens.append(Token("end", "", self.line(position), position, stop))
                    self._position, self._strip = stop, end[0] == "-"
                    return tuple(tokens)
            if position >= len(self.text):
                raise TemplateError(f"this tag has no end: `{closing}` is missing", opened)
            token = self._token(position)
            tokens.append(token)
            position = token.stop

    def _token(self, position: int) -> Token:
        line = self.line(position)
        if self.text[position] in _QUOTES:
            stop = self._string_end(position)
            return Token("string", self.text[position + 1 : stop - 1], line, position, stop)
        if _NAME.match(self.text, position):
            path, stop = self._path(position, 0)
            return Token("path", path, line, position, stop)
        for kind, pattern in (("float", _FLOAT), ("int", _INT), ("operator", _OPERATOR)):
            if found := pattern.match(self.text, position):
                return Token(kind, found[0], line, position, found.end())
        raise TemplateError(f"unexpected character {self.text[position]!r}", line)

    def _string_end(self, position: int) -> int:
        """Behind the closing quote. There are no escapes in a string."""
        end = self.text.find(self.text[position], position + 1)
        if end < 0:
            raise TemplateError("this string has no end", self.line(position))
        return end + 1

    def _path(self, start: int, depth: int) -> tuple[Path, int]:
        """`name`, then any of `.step` and `[key]`, without blanks."""
        if depth > MAX_NESTING:
            raise TemplateError("nested too deep", self.line(start))
        name = _NAME.match(self.text, start)
        if name is None:
            raise TemplateError("a name is expected here", self.line(start))
        steps: list[Step] = [name[0]]
        position = name.end()
        while True:
            if dotted := _DOTTED.match(self.text, position):
                steps.append(dotted[1])
                position = dotted.end()
            elif name[0] != "in" and self.text.startswith("[", position):
                step, position = self._key(position + 1, depth)
                steps.append(step)
            else:
                return Path(tuple(steps), self.text[start:position]), position

    def _key(self, position: int, depth: int) -> tuple[Step, int]:
        step: Step
        if number := _KEY.match(self.text, position):
            step, position = number[0], number.end()
        elif self.text[position : position + 1] in tuple(_QUOTES):
            stop = self._string_end(position)
            step, position = self.text[position + 1 : stop - 1], stop
        else:
            step, position = self._path(position, depth + 1)
        if not self.text.startswith("]", position):
            raise TemplateError("`]` is missing", self.line(position))
        return step, position + 1

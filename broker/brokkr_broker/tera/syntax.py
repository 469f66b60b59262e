"""The syntax tree. Lines count from 1."""

from dataclasses import dataclass
from typing import Union

Step = Union[str, "Path"]
"""A step of a path: a literal key or position, or another path whose value is the key."""


@dataclass(frozen=True, slots=True)
class Path:
    """`a.b[0][key]`. `text` is how it was written."""

    steps: tuple[Step, ...]
    text: str


@dataclass(frozen=True, slots=True)
class Literal:
    value: bool | int | float | str


@dataclass(frozen=True, slots=True)
class Call:
    """A function or filter with its named arguments."""

    name: str
    arguments: "dict[str, Expression]"
    line: int


@dataclass(frozen=True, slots=True)
class MacroCall:
    namespace: str
    call: Call


@dataclass(frozen=True, slots=True)
class Test:
    path: Path
    name: str
    arguments: "tuple[Expression, ...]"
    negated: bool


@dataclass(frozen=True, slots=True)
class Concat:
    parts: "tuple[Literal | Path | Call, ...]"


@dataclass(frozen=True, slots=True)
class Array:
    items: "tuple[Expression, ...]"


@dataclass(frozen=True, slots=True)
class Math:
    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Compare:
    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class Logic:
    """`and`, `or`."""

    operator: str
    left: "Expression"
    right: "Expression"


@dataclass(frozen=True, slots=True)
class In:
    left: "Expression"
    right: "Expression"
    negated: bool


Term = Path | Literal | Call | MacroCall | Test | Concat | Array | Math | Compare | Logic | In


@dataclass(frozen=True, slots=True)
class Expression:
    """A term, the filters behind it, and whether `not` stands before it."""

    term: Term
    line: int
    filters: tuple[Call, ...] = ()
    negated: bool = False


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Print:
    expression: Expression


@dataclass(frozen=True, slots=True)
class Set:
    name: str
    expression: Expression
    everywhere: bool


@dataclass(frozen=True, slots=True)
class If:
    branches: "tuple[tuple[Expression, Body], ...]"
    otherwise: "Body"


@dataclass(frozen=True, slots=True)
class For:
    key: str | None
    value: str
    container: Expression
    body: "Body"
    otherwise: "Body"
    line: int


@dataclass(frozen=True, slots=True)
class FilterSection:
    filter: Call
    body: "Body"


@dataclass(frozen=True, slots=True)
class Leave:
    """`break` or `continue`."""

    word: str


Node = Text | Print | Set | If | For | FilterSection | Leave
Body = tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Macro:
    """`parameters` maps names to defaults; None where an argument is required."""

    name: str
    parameters: dict[str, Literal | None]
    body: Body


@dataclass(frozen=True, slots=True)
class Template:
    body: Body
    macros: dict[str, Macro]

"""Pieces to a syntax tree: the statements, by Tera's grammar."""

from collections.abc import Iterator

from brokkr_broker.tera import syntax as s
from brokkr_broker.tera.errors import TemplateError
from brokkr_broker.tera.expressions import Reader
from brokkr_broker.tera.lexer import Piece, Source
from brokkr_broker.tera.limits import MAX_NESTING

_ALONE = {"extends", "include", "import"}


def parse(text: str) -> s.Template:
    """The tree of a template. Raises TemplateError."""
    try:
        return _Parser(text).template()
    except RecursionError:
        raise TemplateError("nested too deep") from None


class _Parser:
    def __init__(self, text: str) -> None:
        self._pieces: Iterator[Piece] = Source(text).pieces()
        self._macros: dict[str, s.Macro] = {}
        self._macro_calls: list[s.MacroCall] = []
        self._open: list[str] = []
        self._reader = Reader((), self._macro_calls)
        self._line = 0

    def template(self) -> s.Template:
        body, _ = self._body()
        for call in self._macro_calls:
            if call.namespace != "self" or call.call.name not in self._macros:
                name = f"{call.namespace}::{call.call.name}"
                raise TemplateError(f"there is no macro `{name}`", call.call.line)
        return s.Template(body, self._macros)

    def _body(self, *ends: str) -> tuple[s.Body, str]:
        """Nodes up to one of the words in `ends`, and that word; up to the end of the text where
        there is none. The reader stands behind the word."""
        nodes: list[s.Node] = []
        opened = self._line
        for piece in self._pieces:
            self._line = piece.line
            if piece.kind == "text":
                nodes.append(s.Text(piece.text))
                continue
            self._reader = Reader(piece.tokens, self._macro_calls)
            if piece.kind == "print":
                nodes.append(s.Print(self._reader.expression()))
                self._reader.end()
                continue
            word = self._reader.name("a statement")
            if word in ends:
                return tuple(nodes), word
            nodes += self._statement(word)
        if ends:
            raise TemplateError(f"`{ends[-1]}` is missing for this `{self._open[-1]}`", opened)
        return tuple(nodes), ""

    def _statement(self, word: str) -> s.Body:
        match word:
            case "if":
                return (self._if(),)
            case "for":
                return (self._for(),)
            case "set" | "set_global":
                return (self._set(word),)
            case "filter":
                return (self._filter(),)
            case "block" if not {"for", "macro"} & set(self._open):
                return self._block()
            case "macro" if not self._open:
                return self._macro()
            case "break" | "continue" if self._in_loop():
                self._reader.end()
                return (s.Leave(word),)
        raise TemplateError(self._misplaced(word), self._line)

    def _misplaced(self, word: str) -> str:
        if word in _ALONE:
            return f"a template stands alone: `{word}` is not supported"
        if word in ("break", "continue", "block", "macro") or word.startswith("end"):
            return f"`{word}` has no place here"
        if word in ("else", "elif"):
            return f"`{word}` without an `if`"
        return f"there is no statement `{word}`"

    def _in_loop(self) -> bool:
        around = [word for word in self._open if word != "if"]
        return around[-1:] == ["for"]

    def _inside(self, word: str, *ends: str) -> tuple[s.Body, str]:
        self._open.append(word)
        if len(self._open) > MAX_NESTING:
            raise TemplateError("nested too deep", self._line)
        found = self._body(*ends)
        self._open.pop()
        return found

    def _if(self) -> s.If:
        branches: list[tuple[s.Expression, s.Body]] = []
        end = "elif"
        otherwise: s.Body = ()
        while end == "elif":
            condition = self._reader.expression()
            if isinstance(condition.term, s.Array):
                raise TemplateError("an array is no condition", self._line)
            self._reader.end()
            body, end = self._inside("if", "elif", "else", "endif")
            branches.append((condition, body))
        if end == "else":
            self._reader.end()
            otherwise, _ = self._inside("if", "endif")
        self._reader.end()
        return s.If(tuple(branches), otherwise)

    def _for(self) -> s.For:
        line, key = self._line, None
        value = self._reader.name("the name of a loop variable")
        if self._reader.accept(","):
            key, value = value, self._reader.name("the name of a loop variable")
        if not self._reader.accept_word("in"):
            raise self._reader.unexpected("`in`")
        container = self._reader.container()
        self._reader.end()
        body, end = self._inside("for", "else", "endfor")
        otherwise: s.Body = ()
        if end == "else":
            self._reader.end()
            otherwise, _ = self._inside("for", "endfor")
        self._reader.end()
        return s.For(key, value, container, body, otherwise, line)

    def _set(self, word: str) -> s.Set:
        name = self._reader.name("the name of a variable")
        self._reader.expect("=")
        value = self._reader.expression()
        self._reader.end()
        return s.Set(name, value, word == "set_global")

    def _filter(self) -> s.FilterSection:
        call = self._reader.call()
        self._reader.end()
        body, _ = self._inside("filter", "endfilter")
        self._reader.end()
        return s.FilterSection(call, body)

    def _block(self) -> s.Body:
        """Without inheritance a block is its content."""
        self._reader.name("the name of a block")
        self._reader.end()
        body, _ = self._inside("block", "endblock")
        self._named_end()
        return body

    def _macro(self) -> s.Body:
        name = self._reader.name("the name of a macro")
        if name in self._macros:
            raise TemplateError(f"the macro `{name}` stands twice", self._line)
        self._reader.expect("(")
        parameters: dict[str, s.Literal | None] = {}
        while not self._reader.accept(")"):
            if parameters:
                self._reader.expect(",")
            parameter = self._reader.name("the name of a parameter")
            parameters[parameter] = self._reader.literal() if self._reader.accept("=") else None
        self._reader.end()
        body, _ = self._inside("macro", "endmacro")
        self._named_end()
        self._macros[name] = s.Macro(name, parameters, body)
        return ()

    def _named_end(self) -> None:
        if self._reader.next.word:
            self._reader.take()
        self._reader.end()

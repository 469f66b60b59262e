"""Tokens of one tag to expressions, by Tera's grammar (`tera.pest`).

Three of its rules are unlike other languages: filters bind to a whole sum (`a + b | round`), a
comparison does not chain, and parentheses around more than arithmetic end the expression.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from brokkr_broker.tera import syntax as s
from brokkr_broker.tera.errors import TemplateError
from brokkr_broker.tera.filters import FILTERS
from brokkr_broker.tera.functions import FUNCTIONS
from brokkr_broker.tera.lexer import Token
from brokkr_broker.tera.limits import MAX_NESTING
from brokkr_broker.tera.testers import TESTERS
from brokkr_broker.tera.values import I64_MAX, I64_MIN

_CONSTANTS = {"true": True, "True": True, "false": False, "False": False}
_RESERVED = {"and", "or", "not", "in", "is"}
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">")
_PRODUCTS = ("*", "/", "%")
_SUMS = ("+", "-")


class Reader:
    """A cursor over the tokens of one tag."""

    def __init__(self, tokens: Sequence[Token], macro_calls: list[s.MacroCall]) -> None:
        self._tokens = tokens
        self._at = 0
        self._depth = 0
        self._macro_calls = macro_calls

    # --- tokens ---

    @property
    def next(self) -> Token:
        return self._tokens[self._at]

    def take(self) -> Token:
        token = self._tokens[self._at]
        self._at += token.kind != "end"
        return token

    def accept(self, *operators: str) -> str:
        """The operator, if one of these comes next."""
        token = self.next
        if token.kind == "operator" and token.value in operators:
            self._at += 1
            return str(token.value)
        return ""

    def accept_word(self, word: str) -> bool:
        found = self.next.word == word
        self._at += found
        return found

    def expect(self, operator: str) -> None:
        if not self.accept(operator):
            raise self.unexpected(f"`{operator}`")

    def name(self, what: str) -> str:
        if not self.next.word:
            raise self.unexpected(what)
        return self.take().word

    def end(self) -> None:
        if self.next.kind != "end":
            raise self.unexpected("the end of the tag")

    def unexpected(self, wanted: str) -> TemplateError:
        return TemplateError(f"{wanted} is expected, not {self.next}", self.next.line)

    # --- expressions ---

    def expression(self) -> s.Expression:
        """A logical expression, or an array with filters."""
        if self._next_is("["):
            return self.array()
        return self._nested(self._or)

    def container(self) -> s.Expression:
        """What a loop walks over: an array, a variable or a function, with filters."""
        if self._next_is("["):
            return self.array()
        line = self.next.line
        found, is_group = self._operand()
        if is_group or not isinstance(found.term, s.Path | s.Call):
            raise TemplateError("a loop walks over a variable, a function or an array", line)
        return found

    def literal(self) -> s.Literal:
        """A default value of a macro's parameter."""
        term = s.Literal(str(self.take().value)) if self.next.kind == "string" else self._term()
        if not isinstance(term, s.Literal):
            raise self.unexpected("a literal")
        return term

    def array(self) -> s.Expression:
        line = self.next.line
        self.expect("[")
        items: list[s.Expression] = []
        while not self.accept("]"):
            if items:
                self.expect(",")
                if self.accept("]"):
                    break
            items.append(self._nested(self._value))
        return self._with_filters(s.Expression(s.Array(tuple(items)), line))

    def call(self) -> s.Call:
        """A filter with or without arguments."""
        line = self.next.line
        name = self.name("the name of a filter")
        arguments = self._arguments() if self.accept("(") else {}
        if name not in FILTERS and name not in ("default", "safe"):
            raise TemplateError(f"there is no filter `{name}`", line)
        return s.Call(name, arguments, line)

    def _nested(self, rule: Callable[[], s.Expression]) -> s.Expression:
        self._depth += 1
        if self._depth > MAX_NESTING:
            raise TemplateError("nested too deep", self.next.line)
        found = rule()
        self._depth -= 1
        return found

    def _next_is(self, operator: str) -> bool:
        return self.next.kind == "operator" and self.next.value == operator

    def _or(self) -> s.Expression:
        return self._logic("or", lambda: self._logic("and", self._value))

    def _logic(self, word: str, rule: Callable[[], s.Expression]) -> s.Expression:
        line, left = self.next.line, rule()
        while self.accept_word(word):
            left = s.Expression(s.Logic(word, left, rule()), line)
        return left

    def _value(self) -> s.Expression:
        """`not`? and a condition; or any expression in parentheses."""
        negated = self.accept_word("not")
        line = self.next.line
        found, is_group = self._operand()
        if is_group:
            if negated:
                raise TemplateError("`not` cannot stand before such parentheses", line)
            return found
        return replace(self._condition(found, line), negated=negated)

    def _condition(self, left: s.Expression, line: int) -> s.Expression:
        if self.next.word in ("in", "not"):
            negated = self.accept_word("not")
            if not self.accept_word("in"):
                raise self.unexpected("`in`")
            return s.Expression(s.In(left, self._haystack(), negated), line)
        left = self._filtered_sum(left, line)
        if operator := self.accept(*_COMPARISONS):
            right, is_group = self._operand()
            if is_group:
                raise TemplateError("only arithmetic can stand in parentheses here", line)
            right = self._filtered_sum(right, line)
            return s.Expression(s.Compare(operator, left, right), line)
        return left

    def _haystack(self) -> s.Expression:
        if self._next_is("["):
            return self.array()
        line = self.next.line
        found, is_group = self._operand()
        is_text = isinstance(found.term, s.Concat) or _is_text(found)
        is_plain_path = isinstance(found.term, s.Path) and not found.filters
        if is_group or not (is_text or is_plain_path):
            raise TemplateError("behind `in` stands a variable, a string or an array", line)
        return found

    def _filtered_sum(self, left: s.Expression, line: int) -> s.Expression:
        """Sums whose operands have filters of their own: `a | length + 1`."""
        if isinstance(left.term, s.Concat) or _is_text(left):
            return left
        return self._chain(left, _SUMS, lambda first: self._filtered_product(first, line), line)

    def _filtered_product(self, left: s.Expression | None, line: int) -> s.Expression:
        return self._chain(left or self._basic(), _PRODUCTS, lambda one: one or self._basic(), line)

    def _basic(self) -> s.Expression:
        """Arithmetic with filters, but no string."""
        line = self.next.line
        found, is_group = self._operand()
        if is_group or isinstance(found.term, s.Concat) or _is_text(found):
            raise TemplateError("a number, a variable or a function is expected here", line)
        return found

    def _chain(
        self,
        left: s.Expression,
        operators: tuple[str, ...],
        rule: Callable[[s.Expression | None], s.Expression],
        line: int,
    ) -> s.Expression:
        left = rule(left)
        while operator := self.accept(*operators):
            left = s.Expression(s.Math(operator, left, rule(None)), line)
        return left

    def _operand(self) -> tuple[s.Expression, bool]:
        """A string or arithmetic, with its filters. Or a group: parentheses around anything else,
        behind which only `and`, `or` and the end may follow."""
        line = self.next.line
        if self.next.kind == "string":
            first: s.Term = s.Literal(str(self.take().value))
            return self._with_filters(s.Expression(self._concat(first), line)), False
        if self.accept("("):
            inner = self._nested(self._or)
            self.expect(")")
            if not _is_arithmetic(inner):
                return inner, True
            term = inner.term
        else:
            term = self._term()
            if self._next_is("~"):
                return self._with_filters(s.Expression(self._concat(term), line)), False
        return self._with_filters(self._sum(term, line)), False

    def _with_filters(self, found: s.Expression) -> s.Expression:
        filters = []
        while self.accept("|"):
            filters.append(self.call())
        return replace(found, filters=tuple(filters)) if filters else found

    def _concat(self, first: s.Term) -> s.Term:
        parts = [first]
        while self.accept("~"):
            if self.next.kind == "string":
                parts.append(s.Literal(str(self.take().value)))
            else:
                parts.append(self._term())
        if len(parts) == 1:
            return first
        for part in parts:
            is_constant = isinstance(part, s.Literal) and isinstance(part.value, bool)
            if not isinstance(part, s.Literal | s.Path | s.Call) or is_constant:
                raise TemplateError(
                    "`~` joins strings, numbers, variables and functions", self.next.line
                )
        return s.Concat(tuple(parts))  # type: ignore[arg-type]

    def _sum(self, first: s.Term, line: int) -> s.Expression:
        left = self._product(s.Expression(first, line), line)
        while operator := self.accept(*_SUMS):
            right = self._product(self._factor(), line)
            left = s.Expression(s.Math(operator, left, right), line)
        return left

    def _product(self, left: s.Expression, line: int) -> s.Expression:
        while operator := self.accept(*_PRODUCTS):
            left = s.Expression(s.Math(operator, left, self._factor()), line)
        return left

    def _factor(self) -> s.Expression:
        line = self.next.line
        if not self.accept("("):
            return s.Expression(self._term(), line)
        inner = self._nested(self._or)
        self.expect(")")
        if not _is_arithmetic(inner):
            raise TemplateError("only arithmetic can stand in parentheses here", line)
        return inner

    # --- terms ---

    def _term(self) -> s.Term:
        token = self.take()
        match token.kind:
            case "int" | "float":
                return self._number(token, "")
            case "operator" if token.value == "-" and self._touches_number(token):
                return self._number(self.take(), "-")
            case "path" if token.word in _CONSTANTS:
                return s.Literal(_CONSTANTS[token.word])
            case "path" if token.word not in _RESERVED and isinstance(token.value, s.Path):
                return self._name(token, token.value)
        self._at -= token.kind != "end"
        raise self.unexpected("a value")

    def _touches_number(self, sign: Token) -> bool:
        return self.next.kind in ("int", "float") and self.next.start == sign.stop

    def _number(self, token: Token, sign: str) -> s.Literal:
        text = f"{sign}{token.value}"
        if token.kind == "float":
            return s.Literal(float(text))
        if len(text) > 20 or not I64_MIN <= int(text) <= I64_MAX:
            raise TemplateError(f"the integer {text} is out of bounds", token.line)
        return s.Literal(int(text))

    def _name(self, token: Token, path: s.Path) -> s.Term:
        if self.next.word == "is":
            return self._test(path)
        if token.word and self.accept("::"):
            return self._macro_call(token.word)
        if token.word and self.accept("("):
            if token.word not in FUNCTIONS:
                raise TemplateError(f"there is no function `{token.word}`", token.line)
            return s.Call(token.word, self._arguments(), token.line)
        return path

    def _macro_call(self, namespace: str) -> s.MacroCall:
        line = self.next.line
        name = self.name("the name of a macro")
        self.expect("(")
        call = s.MacroCall(namespace, s.Call(name, self._arguments(), line))
        self._macro_calls.append(call)
        return call

    def _test(self, path: s.Path) -> s.Test:
        self.take()
        negated = self.accept_word("not")
        line = self.next.line
        name = self.name("the name of a test")
        if name not in TESTERS:
            raise TemplateError(f"there is no test `{name}`", line)
        arguments: list[s.Expression] = []
        if self.accept("("):
            arguments.append(self.expression())
            while self.accept(","):
                arguments.append(self.expression())
            self.expect(")")
        return s.Test(path, name, tuple(arguments), negated)

    def _arguments(self) -> dict[str, s.Expression]:
        """Named arguments, behind the opening parenthesis."""
        arguments: dict[str, s.Expression] = {}
        while not self.accept(")"):
            if arguments:
                self.expect(",")
                if self.accept(")"):
                    break
            name = self.name("a named argument (`name=value`)")
            self.expect("=")
            arguments[name] = self.expression()
        return arguments


def _is_text(found: s.Expression) -> bool:
    return isinstance(found.term, s.Literal) and isinstance(found.term.value, str)


def _is_arithmetic(found: s.Expression) -> bool:
    if found.filters or found.negated:
        return False
    match found.term:
        case s.Literal(value):
            return not isinstance(value, str)
        case s.Path() | s.Call() | s.MacroCall() | s.Test():
            return True
        case s.Math(_, left, right):
            return _is_arithmetic(left) and _is_arithmetic(right)
    return False

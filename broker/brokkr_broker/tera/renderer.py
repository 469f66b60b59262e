"""A syntax tree and parameters to text (`renderer/processor.rs`)."""

from typing import Any

from brokkr_broker.tera import syntax as s
from brokkr_broker.tera import testers, values
from brokkr_broker.tera.arguments import Arguments
from brokkr_broker.tera.errors import TemplateError
from brokkr_broker.tera.filters import FILTERS
from brokkr_broker.tera.functions import FUNCTIONS
from brokkr_broker.tera.limits import Budget, Limits
from brokkr_broker.tera.scope import Loop, Scope
from brokkr_broker.tera.values import MISSING, Value

_DUMP = "__tera_context"


def render(template: s.Template, parameters: dict[str, Any], limits: Limits | None = None) -> str:
    """Raises TemplateError with the line. `parameters` are JSON values."""
    try:
        renderer = _Renderer(template, values.canonical(parameters), Budget(limits or Limits()))
        return renderer.body(template.body)
    except RecursionError:
        raise TemplateError("nested too deep") from None


class _Output:
    """Text that grows, within the budget."""

    def __init__(self, budget: Budget) -> None:
        self._budget = budget
        self._parts: list[str] = []
        self._length = 0

    def write(self, text: str) -> None:
        self._length += len(text)
        self._budget.text(self._length)
        self._parts.append(text)

    def text(self) -> str:
        return "".join(self._parts)


class _Renderer:
    def __init__(self, template: s.Template, parameters: dict[str, Value], budget: Budget) -> None:
        self._macros = template.macros
        self._scope = Scope(parameters)
        self._budget = budget

    # --- statements ---

    def body(self, nodes: s.Body) -> str:
        output = _Output(self._budget)
        self._body(nodes, output)
        return output.text()

    def _body(self, nodes: s.Body, output: _Output) -> None:
        for node in nodes:
            self._budget.step()
            self._node(node, output)
            if self._scope.loop and self._scope.loop.leaving:
                return

    def _node(self, node: s.Node, output: _Output) -> None:
        match node:
            case s.Text(text):
                output.write(text)
            case s.Print(expression):
                output.write(values.text(self._evaluate(expression), self._budget))
            case s.Set(name, expression, everywhere):
                self._scope.set(name, self._evaluate(expression), everywhere=everywhere)
            case s.If(branches, otherwise):
                chosen = next((body for test, body in branches if self._true(test)), otherwise)
                self._body(chosen, output)
            case s.For():
                self._for(node, output)
            case s.FilterSection(call, inner):
                text = self.body(inner)
                filtered = text if call.name == "safe" else self._filter(text, call)
                output.write(values.text(filtered, self._budget))
            case s.Leave(word) if self._scope.loop:
                self._scope.loop.leaving = word

    def _for(self, node: s.For, output: _Output) -> None:
        container = self._evaluate(node.container)
        pairs: list[tuple[str, Value]]
        match container:
            case dict() if node.key:
                pairs = list(container.items())
            case dict():
                raise TemplateError("an object is walked over by `key, value`", node.line)
            case list() | str() if node.key:
                raise TemplateError("`key, value` walks over objects only", node.line)
            case list() | str():
                pairs = [("", item) for item in container]
            case _:
                what = values.kind(container)
                raise TemplateError(f"a loop cannot walk over {what}", node.line)
        if not pairs:
            self._body(node.otherwise, output)
            return
        loop = Loop(node.key, node.value, len(pairs))
        with self._scope.inside_loop(loop):
            for loop.index, (loop.key, loop.value) in enumerate(pairs):
                self._budget.step()
                self._body(node.body, output)
                if loop.leaving == "break":
                    break
                loop.leaving = ""
                self._scope.forget()

    # --- expressions ---

    def _evaluate(self, expression: s.Expression) -> Value:
        """Raises TemplateError with the line of the expression."""
        self._budget.step()
        try:
            return self._filtered(expression)
        except TemplateError as e:
            if e.line:
                raise
            raise TemplateError(e.message, expression.line) from e

    def _filtered(self, expression: s.Expression) -> Value:
        value: Value
        if isinstance(expression.term, s.Path):
            value = self._find(expression.term)
            if (value is MISSING or value is None) and _has_default(expression):
                value = self._default(expression.filters[0])
            elif value is MISSING and expression.negated:
                return True
            elif value is MISSING:
                raise _undefined(expression.term)
        else:
            value = self._term(expression)
        for call in expression.filters:
            if call.name not in ("safe", "default"):
                value = self._filter(value, call)
        return not values.truth(value) if expression.negated else value

    def _term(self, expression: s.Expression) -> Value:
        match expression.term:
            case s.Literal(value):
                return value
            case s.Concat(parts):
                return self._concat(parts)
            case s.Array(items):
                return [self._evaluate(item) for item in items]
            case s.Call():
                return self._call(expression.term)
            case s.MacroCall():
                return self._macro(expression.term)
            case s.Math():
                number = self._number(expression.term)
                return "NaN" if number is None else number
            case s.In() | s.Test():
                return self._holds(expression.term)
        return self._true(expression)

    def _holds(self, term: s.In | s.Test) -> bool:
        return self._in(term) if isinstance(term, s.In) else self._test(term)

    def _default(self, call: s.Call) -> Value:
        if "value" not in call.arguments:
            raise TemplateError("filter default needs the argument `value`", call.line)
        return self._evaluate(call.arguments["value"])

    def _find(self, path: s.Path) -> Value:
        if path.text == _DUMP:
            return values.encode(self._scope.everything(), pretty=True, budget=self._budget)
        steps = []
        for step in path.steps:
            key = step if isinstance(step, str) else self._find(step)
            if not (isinstance(key, str) or values.is_number(key)):
                return MISSING
            steps.append(values.plain(key))
        return self._scope.find(steps)

    def _concat(self, parts: tuple[s.Literal | s.Path | s.Call, ...]) -> str:
        output = _Output(self._budget)
        for part in parts:
            value = self._evaluate(s.Expression(part, 0))
            if isinstance(part, s.Literal):
                output.write(values.text(value, self._budget))
            elif isinstance(value, str) or values.is_number(value):
                output.write(values.plain(value))
            else:
                raise TemplateError(f"`~` joins texts and numbers, not {values.kind(value)}")
        return output.text()

    def _arguments(self, title: str, call: s.Call) -> Arguments:
        given = {name: self._evaluate(value) for name, value in call.arguments.items()}
        return Arguments(title, given, self._budget)

    def _filter(self, value: Value, call: s.Call) -> Value:
        arguments = self._arguments(f"filter {call.name}", call)
        return self._bounded(FILTERS[call.name](value, arguments))

    def _call(self, call: s.Call) -> Value:
        return self._bounded(FUNCTIONS[call.name](self._arguments(f"function {call.name}", call)))

    def _bounded(self, value: Value) -> Value:
        if isinstance(value, str):
            self._budget.text(len(value))
        elif isinstance(value, list):
            self._budget.items(len(value))
        return value

    def _macro(self, called: s.MacroCall) -> str:
        call = called.call
        macro = self._macros[call.name]
        arguments: dict[str, Value] = {}
        for name, default in macro.parameters.items():
            if name in call.arguments:
                arguments[name] = self._evaluate(call.arguments[name])
            elif default is not None:
                arguments[name] = default.value
            else:
                raise TemplateError(f"macro {call.name} needs the argument `{name}`", call.line)
        if self._scope.macros >= self._budget.limits.macro_depth:
            raise TemplateError("macros call each other too deep", call.line)
        with self._scope.inside_macro(arguments):
            return self.body(macro.body)

    def _test(self, test: s.Test) -> bool:
        arguments = [self._evaluate(argument) for argument in test.arguments]
        return testers.test(test.name, self._find(test.path), arguments) != test.negated

    def _in(self, term: s.In) -> bool:
        wanted, container = self._evaluate(term.left), self._evaluate(term.right)
        match container:
            case list():
                return values.contains(container, wanted) != term.negated
            case str() | dict() if isinstance(wanted, str):
                return (wanted in container) != term.negated
            case str() | dict():
                raise TemplateError(f"`in` looks for a text here, not {values.kind(wanted)}")
        raise TemplateError(f"`in` looks into texts, arrays and objects, not {container!r:.20}")

    def _true(self, expression: s.Expression) -> bool:
        """As a condition. A variable that is not there, or whose filters fail, is false."""
        term = expression.term
        match term:
            case s.Path():
                try:
                    return values.truth(self._evaluate(expression))
                except TemplateError:
                    return False
            case s.Logic(operator, left, right):
                found = self._true(left)
                if found == (operator == "and"):
                    found = self._true(right)
            case s.Compare():
                found = self._compare(term)
            case s.Math():
                found = bool(self._number(term))
            case s.Call():
                value = self._call(term)
                if not isinstance(value, bool):
                    raise TemplateError(f"function {term.name} gives no boolean", term.line)
                found = value
            case s.Concat():
                found = values.truth(
                    self._evaluate(s.Expression(term, expression.line, expression.filters))
                )
            case _:
                found = values.truth(self._term(expression))
        return found != expression.negated

    def _compare(self, term: s.Compare) -> bool:
        if term.operator in ("==", "!="):
            left, right = self._evaluate(term.left), self._evaluate(term.right)
            if values.is_number(left) and values.is_number(right):
                return (float(left) == float(right)) == (term.operator == "==")
            if values.is_number(left) or values.is_number(right):
                return False
            return values.same(left, right) == (term.operator == "==")
        first, second = self._operand(term.left), self._operand(term.right)
        if first is None or second is None:
            raise TemplateError("what is not a number cannot be compared", term.left.line)
        match term.operator:
            case "<":
                return float(first) < float(second)
            case "<=":
                return float(first) <= float(second)
            case ">":
                return float(first) > float(second)
        return float(first) >= float(second)

    def _number(self, term: s.Math) -> float | None:
        left, right = self._operand(term.left), self._operand(term.right)
        if left is None or right is None:
            return None
        return values.calculate(term.operator, left, right)

    def _operand(self, expression: s.Expression) -> float | None:
        self._budget.step()
        if isinstance(expression.term, s.Math) and not expression.filters:
            return self._number(expression.term)
        value = self._evaluate(s.Expression(expression.term, expression.line, expression.filters))
        if not values.is_number(value):
            what = values.kind(value)
            raise TemplateError(f"a number is needed here, not {what}", expression.line)
        return value


def _has_default(expression: s.Expression) -> bool:
    return bool(expression.filters) and expression.filters[0].name == "default"


def _undefined(path: s.Path) -> TemplateError:
    return TemplateError(f"`{path.text}` is not defined")

"""Variables: a stack of frames over the parameters (`renderer/call_stack.rs`).

A loop sees what is around it, a macro sees its arguments and the parameters only. What a loop
turn sets is gone at the next turn.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from brokkr_broker.tera.values import MISSING, Value, step_into


@dataclass
class Loop:
    key_name: str | None
    value_name: str
    length: int
    index: int = 0
    key: str = ""
    value: Value = None
    leaving: str = ""

    def find(self, steps: Sequence[str]) -> Value:
        name, rest = steps[0], steps[1:]
        if name == self.key_name and not rest:
            return self.key
        if name == "loop":
            return self._about(rest)
        return step_into(self.value, rest) if name == self.value_name else MISSING

    def _about(self, rest: Sequence[str]) -> Value:
        facts = {
            "index": self.index + 1,
            "index0": self.index,
            "first": self.index == 0,
            "last": self.index == self.length - 1,
        }
        return facts.get(rest[0], MISSING) if len(rest) == 1 else MISSING


@dataclass
class Frame:
    """`loop` is None in the frame of the template and in that of a macro."""

    names: dict[str, Value] = field(default_factory=dict)
    loop: Loop | None = None

    def find(self, steps: Sequence[str]) -> Value:
        found: Value = MISSING
        if steps[0] in self.names:
            found = step_into(self.names[steps[0]], steps[1:])
        if found is MISSING and self.loop:
            found = self.loop.find(steps)
        return found


class Scope:
    def __init__(self, parameters: dict[str, Value]) -> None:
        self._parameters = parameters
        self._frames = [Frame()]
        self.macros = 0

    @property
    def loop(self) -> Loop | None:
        """The loop whose body is being rendered, if it is one."""
        return self._frames[-1].loop

    def find(self, steps: Sequence[str]) -> Value:
        for frame in reversed(self._frames):
            found = frame.find(steps)
            if found is not MISSING:
                return found
            if frame.loop is None:
                break
        return step_into(self._parameters, steps)

    def set(self, name: str, value: Value, *, everywhere: bool) -> None:
        frame = self._frames[-1]
        if everywhere:
            frame = next(f for f in reversed(self._frames) if f.loop is None)
        frame.names[name] = value

    def forget(self) -> None:
        """What the last turn of the loop has set."""
        self._frames[-1].names.clear()

    @contextmanager
    def inside_loop(self, loop: Loop) -> Iterator[None]:
        self._frames.append(Frame(loop=loop))
        yield
        self._frames.pop()

    @contextmanager
    def inside_macro(self, arguments: dict[str, Value]) -> Iterator[None]:
        self._frames.append(Frame(arguments))
        self.macros += 1
        yield
        self.macros -= 1
        self._frames.pop()

    def everything(self) -> dict[str, Value]:
        """All names and their values, inner ones first."""
        names: dict[str, Value] = {}
        for frame in reversed(self._frames):
            loop = {}
            if frame.loop:
                loop = {frame.loop.value_name: frame.loop.value}
                if frame.loop.key_name:
                    loop[frame.loop.key_name] = frame.loop.key
            names = {**loop, **frame.names, **names}
            if frame.loop is None:
                break
        return dict(sorted({**self._parameters, **names}.items()))

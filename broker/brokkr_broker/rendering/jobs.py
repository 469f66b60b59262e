"""What a worker is asked, and what it answers: the messages between the two processes."""

from typing import Any

import msgspec


class Check(msgspec.Struct, frozen=True, tag=True):
    """Is this template and this schema (JSON text) in order?"""

    template: str
    schema: str


class Render(msgspec.Struct, frozen=True, tag=True):
    """Check parameters against the schema, fill in its defaults, render the template."""

    template: str
    schema: str
    parameters: dict[str, Any]
    max_size: int


Job = Check | Render


class Problem(msgspec.Struct, frozen=True):
    """`path` is a JSON pointer into what was sent; `line` is 0 where there is none."""

    path: str
    message: str
    line: int = 0


class Answer(msgspec.Struct, frozen=True):
    """`stage` says where it ended: template, schema, parameters, rendering, or done."""

    stage: str
    output: str = ""
    problems: tuple[Problem, ...] = ()


HEADER_BYTES = 4
ENCODER = msgspec.json.Encoder()  # NB: msgpack knows no integers beyond 64 bits
JOBS: msgspec.json.Decoder[Job] = msgspec.json.Decoder(Job)
ANSWERS = msgspec.json.Decoder(Answer)


def frame(message: Job | Answer) -> bytes:
    """A message with its length before it."""
    body = ENCODER.encode(message)
    return len(body).to_bytes(HEADER_BYTES, "big") + body

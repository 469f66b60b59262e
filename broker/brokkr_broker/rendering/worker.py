"""The worker process: jobs in on stdin, answers out on stdout, until stdin ends."""

import contextlib
import resource
import sys
from typing import BinaryIO

from brokkr_broker import tera
from brokkr_broker.rendering import jobs, schemas
from brokkr_broker.rendering.jobs import Answer, Job, Problem
from brokkr_broker.tera import values

MEMORY_BYTES = 1024 * 1024 * 1024


def work(job: Job) -> Answer:
    """One job. Whatever it does, it ends in an answer."""
    try:
        match job:
            case jobs.Check():
                return _check(job)
            case jobs.Render():
                return _render(job)
    except MemoryError:
        return Answer("rendering", problems=(Problem("", "needs too much memory"),))


def _check(job: jobs.Check) -> Answer:
    try:
        tera.parse(job.template)
    except tera.TemplateError as e:
        return Answer("template", problems=(Problem("/template_content", str(e), e.line),))
    _, wrong = schemas.load(job.schema)
    if wrong:
        return Answer("schema", problems=_under("/parameters_schema", wrong))
    return Answer("done")


def _render(job: jobs.Render) -> Answer:
    schema, wrong = schemas.load(job.schema)
    if wrong:
        return Answer("schema", problems=_under("/parameters_schema", wrong))
    try:
        given = values.canonical(job.parameters)
    except tera.TemplateError as e:
        return Answer("parameters", problems=(Problem("", e.message),))
    parameters = schemas.with_defaults(schema, given)
    if unfit := schemas.violations(schema, parameters):
        return Answer("parameters", problems=tuple(unfit))
    try:
        output = tera.render(tera.parse(job.template), parameters, tera.Limits(size=job.max_size))
    except tera.TemplateError as e:
        return Answer("rendering", problems=(Problem("/template_content", str(e), e.line),))
    return Answer("done", output=output)


def _under(path: str, problems: list[Problem]) -> tuple[Problem, ...]:
    return tuple(Problem(f"{path}{p.path}", p.message, p.line) for p in problems)


def _read(stream: BinaryIO) -> bytes:
    header = stream.read(jobs.HEADER_BYTES)
    return stream.read(int.from_bytes(header, "big"))


def main() -> None:
    with contextlib.suppress(ValueError, OSError):
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY_BYTES, MEMORY_BYTES))
    reader, writer = sys.stdin.buffer, sys.stdout.buffer
    while body := _read(reader):
        writer.write(jobs.frame(work(jobs.JOBS.decode(body))))
        writer.flush()


if __name__ == "__main__":
    main()

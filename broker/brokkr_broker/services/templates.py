"""Templates: versions of them, and deployment objects made from them."""

import hashlib
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET

from brokkr_broker import errors
from brokkr_broker.dal import templates
from brokkr_broker.db.pool import Executor, transaction
from brokkr_broker.rendering import jobs
from brokkr_broker.rendering.pool import TookTooLong, Workers
from brokkr_broker.security.identity import Identity, Role
from brokkr_broker.services import deployments, stacks
from brokkr_common.wire.deployments import DeploymentObject
from brokkr_common.wire.templates import Instantiate, Template, TemplateCreate, TemplateUpdate

_MAX_OUTPUT = 10 * 1024 * 1024


def not_found() -> errors.NotFound:
    return errors.NotFound("no template has this id", code="template_not_found")


async def get_readable(db: Executor, template_id: UUID, identity: Identity) -> Template:
    """A generator sees its own templates and those of the system."""
    found = await templates.get(db, template_id)
    if found is None:
        raise not_found()
    _require_readable(found, identity)
    return found


async def get(db: Executor, template_id: UUID, identity: Identity) -> Template:
    """The template, if the caller may change it."""
    found = await templates.get(db, template_id)
    if found is None:
        raise not_found()
    _require_owned(found, identity)
    return found


async def create(
    db: Executor, workers: Workers, wanted: TemplateCreate, identity: Identity
) -> Template:
    """A new template, or the next version of one with this name and owner."""
    await _check(workers, wanted.template_content, wanted.parameters_schema)
    owner = identity.id if identity.role is Role.GENERATOR else None
    async with transaction(db) as connection:
        await templates.lock(connection, generator_id=owner, name=wanted.name)
        return await templates.create(
            connection,
            generator_id=owner,
            name=wanted.name,
            description=wanted.description,
            content=wanted.template_content,
            schema=wanted.parameters_schema,
            checksum=_checksum(wanted.template_content),
        )


async def update(
    db: Executor,
    workers: Workers,
    template_id: UUID,
    change: TemplateUpdate,
    identity: Identity,
    *,
    unchanged_since: datetime | None,
) -> Template:
    """The next version. `unchanged_since` is about the newest version so far."""
    addressed = await get(db, template_id, identity)
    content = change.template_content or None
    schema = change.parameters_schema or None
    if content or schema:
        await _check(
            workers,
            content or addressed.template_content,
            schema or addressed.parameters_schema,
        )
    async with transaction(db) as connection:
        await templates.lock(connection, generator_id=addressed.generator_id, name=addressed.name)
        newest = await templates.version(connection, template_id, None)
        if newest is None:
            raise not_found()
        if unchanged_since not in (None, newest.updated_at):
            raise errors.PreconditionFailed
        content = content or newest.template_content
        kept = change.description is UNSET
        return await templates.create(
            connection,
            generator_id=newest.generator_id,
            name=newest.name,
            description=newest.description if kept else change.description or None,
            content=content,
            schema=schema or newest.parameters_schema,
            checksum=_checksum(content),
        )


async def delete(
    db: Executor, template_id: UUID, identity: Identity, *, unchanged_since: datetime | None
) -> None:
    """This version only."""
    await get(db, template_id, identity)
    if not await templates.delete(db, template_id, unchanged_since=unchanged_since):
        await get(db, template_id, identity)
        raise errors.PreconditionFailed


async def instantiate(
    db: Executor, workers: Workers, stack_id: UUID, wanted: Instantiate, identity: Identity
) -> DeploymentObject:
    """A deployment object out of a template, with a record of where it comes from."""
    await stacks.get(db, stack_id, identity)
    number = wanted.template_version or None
    template = await templates.version(db, wanted.template_id, number)
    if template is None:
        raise not_found()
    _require_readable(template, identity)
    await _require_match(db, template, stack_id)
    yaml = await _render(workers, template, wanted.parameters)
    await deployments.check_rendered(yaml)
    async with transaction(db) as connection:
        made = await deployments.store(
            connection, stack_id, identity, yaml=yaml, is_deletion_marker=False
        )
        await templates.record(
            connection,
            deployment_object_id=made.id,
            template=template,
            parameters=msgspec.json.encode(wanted.parameters).decode(),
        )
    return made


async def _require_match(db: Executor, template: Template, stack_id: UUID) -> None:
    """Every label and annotation of the template must be on the stack."""
    labels = await templates.missing_labels(db, template_id=template.id, stack_id=stack_id)
    pairs = await templates.missing_annotations(db, template_id=template.id, stack_id=stack_id)
    if not (labels or pairs):
        return
    missing = [*labels, *(f"{key}={value}" for key, value in pairs)]
    raise errors.Unprocessable(
        f"the stack does not have what the template asks for: {', '.join(missing)}",
        code="template_stack_mismatch",
        missing_labels=labels,
        missing_annotations=[{"key": key, "value": value} for key, value in pairs],
    )


async def _check(workers: Workers, content: str, schema: str) -> None:
    await _ask(workers, jobs.Check(content, schema))


async def _render(workers: Workers, template: Template, parameters: dict[str, Any]) -> str:
    job = jobs.Render(
        template.template_content, template.parameters_schema, parameters, _MAX_OUTPUT
    )
    return await _ask(workers, job)


async def _ask(workers: Workers, job: jobs.Job) -> str:
    try:
        answer = await workers.ask(job)
    except TookTooLong as e:
        raise errors.Invalid(
            f"Template rendering failed: it needs more than {workers.timeout:g} s, or much memory",
            code="template_render_failed",
        ) from e
    if answer.stage == "done":
        return answer.output
    raise _refusal(answer)


_REFUSALS = {
    "template": ("Invalid Tera syntax", "invalid_template_syntax"),
    "schema": ("Invalid JSON Schema", "invalid_parameters_schema"),
    "parameters": ("Invalid parameters", "invalid_parameters"),
    "rendering": ("Template rendering failed", "template_render_failed"),
}


def _refusal(answer: jobs.Answer) -> errors.Invalid:
    title, code = _REFUSALS[answer.stage]
    first = answer.problems[0]
    problems = [msgspec.to_builtins(problem) for problem in answer.problems]
    if answer.stage == "parameters":
        listed = [f"{p.path or '/'}: {p.message}" for p in answer.problems]
        return errors.Invalid(title, code=code, errors=problems, validation_errors=listed)
    return errors.Invalid(f"{title}: {first.message}", code=code, errors=problems)


def _require_owned(template: Template, identity: Identity) -> None:
    owner = template.generator_id
    if not (identity.is_admin or (owner is not None and identity.is_generator(owner))):
        raise errors.Forbidden("the template belongs to somebody else", code="template_not_owned")


def _require_readable(template: Template, identity: Identity) -> None:
    owner = template.generator_id
    if not (identity.is_admin or owner is None or identity.is_generator(owner)):
        raise errors.Forbidden(
            "the template belongs to another generator", code="template_not_accessible"
        )


def _checksum(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()

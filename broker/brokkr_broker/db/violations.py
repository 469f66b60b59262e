"""Driver errors to broker errors. The names of constraints carry their meaning."""

import asyncio
import re

import asyncpg

from brokkr_broker import errors

_FIELDS = {
    "agents_name_cluster_name": ["name", "cluster_name"],
    "generators_name": ["name"],
    "stacks_name": ["name"],
    "agent_targets_agent_id_stack_id": ["stack_id"],
    "agent_labels_agent_id_label": ["label"],
    "agent_annotations_agent_id_key": ["key"],
    "stack_labels_stack_id_label": ["label"],
    "stack_annotations_stack_id_key": ["key"],
    "template_labels_template_id_label": ["label"],
    "template_annotations_template_id_key": ["key"],
}


def translate(e: BaseException) -> errors.BrokerError | None:
    """The broker's word for a driver error, or None where it has none (a bug)."""
    match e:
        case asyncpg.UniqueViolationError():
            name = e.constraint_name or ""
            fields = _FIELDS.get(name, [])
            what = " and ".join(fields) or "value"
            return errors.Conflict(f"this {what} is taken", constraint=name, fields=fields)
        case asyncpg.ForeignKeyViolationError():
            column = re.sub(r"^\w+?s_(\w+)_fkey$", r"\1", e.constraint_name or "reference")
            return errors.Unprocessable(
                f"{column} names nothing that exists",
                code="foreign_key_violation",
                constraint=e.constraint_name,
            )
        case asyncpg.CharacterNotInRepertoireError() | asyncpg.UntranslatableCharacterError():
            return errors.Invalid("text must not contain the character U+0000")
        case asyncpg.DataError():
            return errors.Invalid("a value is out of range")
        case (
            asyncpg.OperatorInterventionError()  # shut down, starting up, cancelled
            | asyncpg.PostgresConnectionError()
            | asyncpg.InsufficientResourcesError()  # disk, memory, connections
            | asyncpg.PostgresSystemError()
            | asyncpg.ReadOnlySQLTransactionError()
            | asyncpg.TransactionRollbackError()  # deadlocks and the like
            | asyncpg.InterfaceError()
            | asyncio.TimeoutError()
            | ConnectionError()
            | OSError()
        ):
            return errors.Unavailable()
        case _:
            return None

"""The result of a pass, or its error, to status and event. The one place that does so. Pure."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import msgspec

from brokkr_operator.errors import KubeError, PayloadMissing, StackError
from brokkr_operator.observe.assessment import Report
from brokkr_operator.observe.readiness import Health
from brokkr_operator.resources import conditions
from brokkr_operator.resources.brokkrstack import BrokkrStack, Status
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Entry, Key

_HISTORY = 5
_OUTBOX = 20
_SHOWN = 10
_UNTOLD = {Reason.PROGRESSING, Reason.WAITING}


class Pause(msgspec.Struct, frozen=True):
    """The stack is left alone, on purpose."""

    reason: Reason
    message: str


class Done(msgspec.Struct, frozen=True):
    """The stack is as wanted. `notes` says what was left on purpose.

    `drifted` was changed by others and is mended, `differing` still is as they changed it. A stack
    that `waits` has something that another stack is about to take over.
    """

    inventory: Sequence[Entry]
    report: Report
    notes: Sequence[str] = ()
    drifted: Sequence[Key] = ()
    differing: Sequence[Key] = ()
    waits: bool = False
    removed: bool = False


class Failed(msgspec.Struct, frozen=True):
    """The stack could not be brought there now."""

    reason: Reason
    message: str
    stalled: bool
    inventory: Sequence[Entry] | None = None


Outcome = Pause | Done | Failed


def of_error(e: Exception) -> Failed:
    match e:
        case StackError():
            return Failed(Reason(e.reason), str(e), e.stalled)
        case KubeError():
            return Failed(Reason.API_UNAVAILABLE, str(e), stalled=False)
        case PayloadMissing():
            return Failed(Reason.PROGRESSING, str(e), stalled=False)
        case _:
            return Failed(Reason.INTERNAL_ERROR, f"{type(e).__name__}: {e}", stalled=False)


def status(
    stack: BrokkrStack,
    outcome: Outcome,
    *,
    now: datetime,
    new_id: Callable[[], object] = uuid4,
) -> Status:
    """The new status: what is true now. Equal to the old one where nothing changed."""
    new: Status = {**stack.status, "observedGeneration": stack.generation}
    match outcome:
        case Pause():
            _ready(new, stack, False, outcome.reason, outcome.message, now)
        case Done():
            _done(new, stack, outcome, now)
            _report(new, stack, "SUCCESS", _text(stack, outcome), new_id)
        case Failed() if not outcome.stalled and _is_stalled(stack):
            pass  # what has to be mended is still the news, not what hinders this one retry
        case Failed():
            _failed(new, stack, outcome, now)
            if outcome.reason not in _UNTOLD:
                _record(new, stack, "Failed", outcome.message, now)
                _report(new, stack, "FAILURE", outcome.message, new_id)
    return new


def _is_stalled(stack: BrokkrStack) -> bool:
    """Whether this very spec was refused in a way that only a change can mend."""
    found = conditions.find(stack.status.get("conditions") or [], "Stalled")
    return bool(found and found["observedGeneration"] == stack.generation)


def _done(new: Status, stack: BrokkrStack, outcome: Done, now: datetime) -> None:
    reason = Reason.REMOVED if stack.absent else Reason.APPLIED
    new["lastAttemptedSequence"] = stack.sequence_id
    if stack.applied_sequence != stack.sequence_id:
        new["lastAppliedSequence"] = stack.sequence_id
        _record(new, stack, "Applied", "", now)
    _ready(new, stack, True, reason, _text(stack, outcome), now)
    _inventory(new, outcome.inventory)
    _drift(new, outcome, now)
    new["health"] = outcome.report.dump()


def _record(new: Status, stack: BrokkrStack, result: str, message: str, now: datetime) -> None:
    """The history: one line a version, the newest first. What was applied once, was applied."""
    older = list(stack.status.get("history") or [])
    line: dict[str, Any] = {
        "sequenceId": stack.sequence_id,
        "checksum": stack.checksum,
        "attemptedAt": conditions.timestamp(now),
    }
    if older and older[0]["sequenceId"] == stack.sequence_id:
        line = older.pop(0)
        if line.get("outcome") == "Applied":
            return
    line = {k: v for k, v in line.items() if k != "message"} | {"outcome": result}
    if result == "Applied":
        line["appliedAt"] = conditions.timestamp(now)
    if message:
        line["message"] = conditions.shorten(message)
    new["history"] = [line, *older][:_HISTORY]


def _drift(new: Status, outcome: Done, now: datetime) -> None:
    """How often objects were found changed by others, the last time, and what was found then."""
    old = dict(new.get("drift") or {})
    found = outcome.drifted or outcome.differing
    worse = len(outcome.drifted) or max(0, len(outcome.differing) - old.get("differing", 0))
    drift = {k: v for k, v in old.items() if k != "differing"}
    if outcome.differing:
        drift["differing"] = len(outcome.differing)
    if worse:
        drift["count"] = old.get("count", 0) + worse
        drift["lastAt"] = conditions.timestamp(now)
        drift["objects"] = [str(key) for key in sorted(found)[:_SHOWN]]
    if drift != old:
        new["drift"] = drift


def _failed(new: Status, stack: BrokkrStack, outcome: Failed, now: datetime) -> None:
    new["lastAttemptedSequence"] = stack.sequence_id
    _ready(new, stack, False, outcome.reason, outcome.message, now)
    extra = "Stalled" if outcome.stalled else "Reconciling"
    new["conditions"] = conditions.set_(
        new["conditions"],
        extra,
        True,
        reason=outcome.reason,
        message=outcome.message,
        generation=stack.generation,
        now=now,
    )
    if outcome.inventory is not None:
        _inventory(new, outcome.inventory)
    if stack.applied_sequence is None:
        new["health"] = Report(health=Health.UNKNOWN, message="not applied yet").dump()


def _ready(
    new: Status, stack: BrokkrStack, value: bool, reason: Reason, message: str, now: datetime
) -> None:
    kept = conditions.without(new.get("conditions") or [], "Stalled", "Reconciling")
    new["conditions"] = conditions.set_(
        kept, "Ready", value, reason=reason, message=message, generation=stack.generation, now=now
    )


def _inventory(new: Status, inventory: Sequence[Entry]) -> None:
    new["inventory"] = [entry.dump() for entry in inventory]
    new["objects"] = len(inventory)


def _report(
    new: Status,
    stack: BrokkrStack,
    result: str,
    message: str,
    new_id: Callable[[], object],
) -> None:
    """Queue an event for the broker, unless the last one of this version said the same."""
    report = dict(new.get("report") or {})
    outbox = list(report.get("outbox") or [])
    event = {
        "id": str(new_id()),
        "deploymentObjectId": stack.deployment_object_id,
        "status": result,
        "message": conditions.shorten(message),
    }
    if outbox and _says_the_same(outbox[-1], event):
        return
    pending = stack.pending_events
    # What the broker has goes, but for the last: it says what was reported, and where we are.
    kept = outbox[-1:] if not pending else outbox[-len(pending) - 1 :]
    report["outbox"] = [*kept, event][-_OUTBOX:]
    new["report"] = report


def _says_the_same(last: dict[str, Any], event: dict[str, Any]) -> bool:
    """A success is a success; a failure is news when its message is."""
    fields = ["deploymentObjectId", "status"]
    if event["status"] == "FAILURE":
        fields.append("message")
    return all(last.get(field) == event[field] for field in fields)


def _text(stack: BrokkrStack, outcome: Done) -> str:
    count = len(outcome.inventory)
    text = "Removed" if stack.absent else f"Applied {count} object{'' if count == 1 else 's'}"
    if outcome.differing:
        text += f"; {len(outcome.differing)} changed by others"
    if outcome.notes:
        text += f"; kept: {', '.join(outcome.notes)}"
    return text

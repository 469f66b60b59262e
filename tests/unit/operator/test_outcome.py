"""Results to status: true, stable, and told to the broker once."""

from datetime import UTC, datetime
from typing import Any

from brokkr_operator.errors import KubeUnavailable, PayloadMissing, StackError
from brokkr_operator.observe.assessment import Report
from brokkr_operator.observe.readiness import Health
from brokkr_operator.reconcile import outcome
from brokkr_operator.reconcile.outcome import Done, Failed, Outcome, Pause
from brokkr_operator.resources.conditions import Reason
from brokkr_operator.resources.objects import Entry, Key
from support.stacks import stack

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LATER = datetime(2026, 1, 2, tzinfo=UTC)
ENTRY = Entry(Key("", "ConfigMap", "default", "a"), "v1", "uid")
DONE = Done([ENTRY], Report(health=Health.HEALTHY))
BROKEN = Failed(Reason.REJECTED, "document 1: no", stalled=True)


def _after(*results: Outcome, **spec: Any) -> dict[str, Any]:
    status: dict[str, Any] = {}
    for number, result in enumerate(results):
        current = stack(status=status, **spec)
        status = outcome.status(current, result, now=NOW, new_id=lambda n=number: f"event-{n}")
    return status


def _conditions(status: dict[str, Any]) -> dict[str, str]:
    return {c["type"]: c["status"] for c in status["conditions"]}


def test_a_pass_that_changed_nothing_changes_no_status() -> None:
    first = _after(DONE)
    again = outcome.status(stack(status=first), DONE, now=LATER)
    assert again == first


def test_what_was_applied_is_shown_and_reported_once() -> None:
    status = _after(DONE, DONE)
    assert _conditions(status) == {"Ready": "True"}
    assert (status["lastAppliedSequence"], status["objects"]) == (7, 1)
    assert [e["status"] for e in status["report"]["outbox"]] == ["SUCCESS"]
    assert [h["sequenceId"] for h in status["history"]] == [7]


def test_a_failure_is_reported_once_for_each_message() -> None:
    other = Failed(Reason.REJECTED, "document 2: no", stalled=True)
    status = _after(BROKEN, BROKEN, other, DONE)
    assert [e["status"] for e in status["report"]["outbox"]] == ["FAILURE", "FAILURE", "SUCCESS"]
    assert _conditions(status) == {"Ready": "True"}


def test_a_long_message_is_still_the_same_message() -> None:
    long = Failed(Reason.REJECTED, "x" * 5000, stalled=True)
    assert len(_after(long, long)["report"]["outbox"]) == 1


def test_a_refused_spec_stays_the_news_while_a_retry_is_hindered() -> None:
    hindered = Failed(Reason.API_UNAVAILABLE, "namespace is being terminated", stalled=False)
    status = _after(BROKEN, hindered)
    assert _conditions(status) == {"Ready": "False", "Stalled": "True"}
    assert "document 1" in status["conditions"][0]["message"]
    fresh = outcome.status(stack(status=status, generation=2), hindered, now=NOW)
    assert _conditions(fresh) == {"Ready": "False", "Reconciling": "True"}


def test_delivered_events_make_room_but_the_last_is_remembered() -> None:
    status = _after(BROKEN)
    status["report"]["delivered"] = "event-0"
    current = stack(status=status)
    assert current.pending_events == []
    status = outcome.status(current, DONE, now=NOW, new_id=lambda: "event-1")
    assert [e["id"] for e in status["report"]["outbox"]] == ["event-0", "event-1"]
    assert [e["id"] for e in stack(status=status).pending_events] == ["event-1"]


def test_a_pause_is_not_ready_and_not_reported() -> None:
    status = _after(DONE, Pause(Reason.SUSPENDED, "Suspended"))
    assert _conditions(status) == {"Ready": "False"}
    assert len(status["report"]["outbox"]) == 1
    assert status["inventory"], "what is here is not forgotten"


def test_removed_means_removed_and_reported() -> None:
    gone = Done((), Report(health=Health.HEALTHY), ["Namespace n still holds ConfigMap x"])
    status = _after(gone, desired="Absent")
    current = stack(status=status, desired="Absent")
    assert not current.done, "the broker does not know yet"
    status["report"]["delivered"] = "event-0"
    assert stack(status=status, desired="Absent").done
    assert "kept: Namespace n" in status["conditions"][0]["message"]


def test_a_failed_removal_is_never_done() -> None:
    applied = _after(DONE)
    applied["report"]["delivered"] = "event-0"
    left = Failed(Reason.PRUNE_FAILED, "no", stalled=False, inventory=[ENTRY])
    current = stack(status=applied, desired="Absent", generation=2)
    status = outcome.status(current, left, now=NOW)
    status["report"]["delivered"] = status["report"]["outbox"][-1]["id"]
    after = stack(status=status, desired="Absent", generation=2)
    assert not after.done
    assert after.inventory == (ENTRY,)


def test_errors_have_one_meaning_each() -> None:
    stalled = StackError("no", reason=Reason.REJECTED, stalled=True)
    assert outcome.of_error(stalled) == Failed(Reason.REJECTED, "no", stalled=True)
    assert outcome.of_error(KubeUnavailable("x")).reason is Reason.API_UNAVAILABLE
    assert outcome.of_error(PayloadMissing("x")).reason is Reason.PROGRESSING
    assert outcome.of_error(KeyError("x")).reason is Reason.INTERNAL_ERROR


def test_the_history_has_a_line_for_each_version_with_its_outcome() -> None:
    failed = _after(BROKEN)
    [line] = failed["history"]
    assert (line["sequenceId"], line["outcome"], line["message"]) == (7, "Failed", BROKEN.message)
    # when the same version is applied later, its line says so
    mended = outcome.status(stack(status=failed), DONE, now=LATER)
    [line] = mended["history"]
    assert (line["outcome"], line["appliedAt"][:10]) == ("Applied", "2026-01-02")
    assert line["attemptedAt"][:10] == "2026-01-01"
    assert "message" not in line
    # and what was applied once, was applied
    broken = outcome.status(stack(status=mended), BROKEN, now=LATER)
    assert broken["history"] == mended["history"]


def test_only_five_versions_are_kept_the_newest_first() -> None:
    status: dict[str, Any] = {}
    for number in range(1, 8):
        status = outcome.status(stack(status=status, sequenceId=number), DONE, now=NOW)
    assert [line["sequenceId"] for line in status["history"]] == [7, 6, 5, 4, 3]


def test_drift_is_counted_when_it_is_corrected() -> None:
    drifted = Done([ENTRY], Report(health=Health.HEALTHY), drifted=(ENTRY.key,))
    status = _after(DONE, drifted, DONE, drifted)
    assert status["drift"]["count"] == 2
    assert status["drift"]["objects"] == ["ConfigMap a in default"]


def test_drift_that_is_left_alone_is_counted_once_and_shown() -> None:
    differing = Done([ENTRY], Report(health=Health.HEALTHY), differing=(ENTRY.key,))
    status = _after(DONE, differing, differing)
    assert status["drift"] | {"lastAt": ""} == {
        "count": 1, "differing": 1, "lastAt": "", "objects": ["ConfigMap a in default"],
    }  # fmt: skip
    assert "changed by others" in status["conditions"][0]["message"]
    assert _conditions(status) == {"Ready": "True"}
    assert "differing" not in _after(DONE, differing, DONE)["drift"]


def test_a_stack_that_waits_for_another_is_not_a_failure_for_the_broker() -> None:
    status = _after(DONE, Failed(Reason.WAITING, "kept", stalled=False))
    assert [e["status"] for e in status["report"]["outbox"]] == ["SUCCESS"]
    assert _conditions(status) == {"Ready": "False", "Reconciling": "True"}

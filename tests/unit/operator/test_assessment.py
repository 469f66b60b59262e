"""Objects and pods to one health, and to the broker's words."""

from typing import Any

import msgspec
import pytest

from brokkr_common.wire.health import Health as Word
from brokkr_operator.observe import assessment
from brokkr_operator.observe.pods import Body, Pod, read
from brokkr_operator.observe.readiness import Health, Verdict
from brokkr_operator.report import health
from brokkr_operator.resources.objects import Entry, Key

WEB = Entry(Key("apps", "Deployment", "n", "web"), "v1", "1")
WELL = Verdict(Health.HEALTHY)
SOON = Verdict(Health.PROGRESSING, "1 of 2 replicas available")


def _pod(name: str = "p", phase: str = "Running", ready: bool = True, **status: Any) -> Pod:
    condition = {"type": "Ready", "status": str(ready)}
    body = {
        "metadata": {"name": name, "namespace": "n", "uid": name},
        "status": {"phase": phase, "conditions": [condition], **status},
    }
    return read(msgspec.convert(body, Body))


def _waiting(reason: str) -> list[Any]:
    return [{"state": {"waiting": {"reason": reason, "message": f"about {reason}"}}}]


@pytest.mark.parametrize(
    ("status", "problems"),
    [
        ({}, ()),
        ({"containerStatuses": _waiting("ContainerCreating")}, ()),
        ({"containerStatuses": _waiting("ImagePullBackOff")}, ("ImagePullBackOff",)),
        ({"containerStatuses": _waiting("CrashLoopBackOff")}, ("CrashLoopBackOff",)),
        ({"initContainerStatuses": _waiting("ErrImagePull")}, ("InitContainer:ErrImagePull",)),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "Error"}}}]}, ("Error",)),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "Completed"}}}]}, ()),
        (
            {"containerStatuses": [{"lastState": {"terminated": {"reason": "OOMKilled"}}}]},
            ("OOMKilled",),
        ),
        ({"phase": "Failed"}, ("PodFailed",)),
    ],
)
def test_the_conditions_of_the_book(status: dict[str, Any], problems: tuple[str, ...]) -> None:
    assert _pod(**status).problems == problems


def _said(
    verdict: Verdict, *pods: Pod, entry: Entry = WEB
) -> tuple[Health, str, Word, tuple[int, int]]:
    report = assessment.summarize({entry: verdict}, [(p, entry) for p in pods])
    told = report.dump()
    counts = (told["podsReady"], told["podsTotal"])
    return report.health, report.message, health.word(told), counts


def test_what_runs_is_healthy() -> None:
    assert _said(WELL, _pod()) == (Health.HEALTHY, "", Word.HEALTHY, (1, 1))


def test_a_part_that_serves_is_degraded_and_nothing_yet_is_unknown() -> None:
    some = _said(SOON, _pod(), _pod("q", "Pending", ready=False))
    assert some[0] is Health.PROGRESSING
    assert some[2:] == (Word.DEGRADED, (1, 2))
    assert _said(SOON, _pod("q", "Pending", ready=False))[2:] == (Word.UNKNOWN, (0, 1))


def test_a_pod_in_trouble_is_degraded_and_named() -> None:
    sick = _pod("web-1", ready=False, containerStatuses=_waiting("CrashLoopBackOff"))
    found = _said(SOON, sick)
    assert (found[0], found[2]) == (Health.DEGRADED, Word.DEGRADED)
    assert "Pod web-1: CrashLoopBackOff" in found[1]


def test_a_failed_pod_is_failing_unless_others_took_its_place() -> None:
    failed = _pod("old", "Failed", ready=False)
    assert _said(SOON, failed)[0] is Health.FAILING
    assert _said(WELL, failed, _pod("new")) == (Health.HEALTHY, "", Word.HEALTHY, (1, 1))


def test_finished_pods_do_not_count() -> None:
    assert _said(WELL, _pod("done", "Succeeded", ready=False))[3] == (0, 0)


def test_a_missing_object_is_degraded_and_named() -> None:
    report = assessment.summarize({WEB: None}, None)
    assert (report.health, report.missing) == (Health.DEGRADED, (WEB.key,))
    assert report.message == "Deployment web in n: is missing"
    assert "podsTotal" not in report.dump()

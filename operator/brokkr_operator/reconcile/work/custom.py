"""`custom`: apply the documents, and wait until what runs has ended and the rest is ready."""

from collections.abc import Sequence

from brokkr_operator.observe import readiness
from brokkr_operator.observe.readiness import Health, Verdict
from brokkr_operator.reconcile.work.work import RUNS_ONCE, Work
from brokkr_operator.resources.objects import Entry, Object
from brokkr_operator.resources.workorder import Result


async def run(work: Work) -> Result:
    """Raises StackError, KubeError."""
    applied = await work.apply(work.documents)
    left = list(applied)

    async def look() -> Result | None:
        for entry in list(left):
            live = await work.kube.find(entry)
            if live is None or (entry.uid and live["metadata"]["uid"] != entry.uid):
                # NB: whether it had ended nobody can say, and it must not run twice.
                return Result(False, f"{entry.key} is gone", retryable=False)
            verdict = judge(entry, live)
            if verdict.health is Health.FAILING:
                return await failed(work, [entry], f"{entry.key}: {verdict.message}")
            if verdict.health is Health.HEALTHY:
                left.remove(entry)
        return None if left else Result(True, f"Successfully applied {len(applied)} resource(s)")

    return await work.until(look)


async def failed(work: Work, entries: Sequence[Entry], message: str) -> Result:
    """A failure, with what the failed pods have said."""
    logs = await work.explain(entries)
    return Result(False, f"{message}\n{logs}".strip())


def judge(entry: Entry, live: Object) -> Verdict:
    """As for health, but work is done only when it has ended."""
    verdict = readiness.judge(live)
    if (entry.key.group, entry.key.kind) == ("batch", "Job"):
        conditions = (live.get("status") or {}).get("conditions") or ()
        ended = any(c["type"] == "Complete" and c["status"] == "True" for c in conditions)
        if verdict.health is Health.HEALTHY and not ended:
            return Verdict(Health.PROGRESSING, "suspended")
    elif (entry.key.group, entry.key.kind) == ("", "Pod") and verdict.health is Health.HEALTHY:
        phase = (live.get("status") or {}).get("phase")
        if phase != "Succeeded" and live["spec"].get("restartPolicy") in ("Never", "OnFailure"):
            return Verdict(Health.PROGRESSING, "running")
    elif (entry.key.group, entry.key.kind) in RUNS_ONCE:
        return succeeded(live)
    return verdict


def succeeded(live: Object) -> Verdict:
    """The condition `Succeeded` of Shipwright's and Tekton's runs."""
    conditions = (live.get("status") or {}).get("conditions") or ()
    found: Object = next((c for c in conditions if c.get("type") == "Succeeded"), {})
    if found.get("status") == "True":
        return Verdict(Health.HEALTHY, "")
    if found.get("status") == "False":
        text = found.get("message") or found.get("reason") or "failed"
        return Verdict(Health.FAILING, text)
    return Verdict(Health.PROGRESSING, found.get("message") or "running")

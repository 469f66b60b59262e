"""The health of a whole stack: of its objects, and of the pods behind them."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.observe import readiness
from brokkr_operator.observe.pods import Pod, Pods
from brokkr_operator.observe.readiness import Health, Verdict
from brokkr_operator.resources import conditions
from brokkr_operator.resources.objects import Entry, Key, Object

_AT_ONCE = 8
_SHOWN = 10


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """`pods_total` is None where pods are not looked at. `missing` objects are not there."""

    health: Health
    message: str = ""
    pods_ready: int = 0
    pods_total: int | None = None
    conditions: tuple[str, ...] = ()
    unready: tuple[tuple[str, str, str, str], ...] = ()
    missing: tuple[Key, ...] = ()

    def dump(self) -> dict[str, Any]:
        """As it stands in the status. What is not known or empty is left out."""
        found: dict[str, Any] = {"status": str(self.health)}
        if self.message:
            found["message"] = conditions.shorten(self.message)
        if self.pods_total is not None:
            found |= {"podsReady": self.pods_ready, "podsTotal": self.pods_total}
        if self.conditions:
            found["conditions"] = list(self.conditions)
        if self.unready:
            fields = ("kind", "name", "namespace", "message")
            found["unready"] = [
                {k: v for k, v in zip(fields, line, strict=True) if v} for line in self.unready
            ]
        return found


NOTHING = Report(health=Health.HEALTHY)


async def assess(
    kube: Kube, pods: Pods, inventory: Sequence[Entry], live: Mapping[Key, Object]
) -> Report:
    """`live` are objects that were looked at just now; the others are asked for."""
    limit = asyncio.Semaphore(_AT_ONCE)

    async def one(entry: Entry) -> tuple[Entry, Verdict | None]:
        found = live.get(entry.key)
        if found is None:
            async with limit:
                found = await kube.find(entry)
        return entry, readiness.judge(found) if found else None

    moving = [e for e in inventory if readiness.changes(e.key.group, e.key.kind)]
    verdicts = dict(await asyncio.gather(*map(one, moving)))
    return summarize(verdicts, await pods.of(inventory))


def summarize(
    verdicts: Mapping[Entry, Verdict | None], pods: Sequence[tuple[Pod, Entry]] | None
) -> Report:
    """The worst wins. Pure."""
    named = [
        (entry.key, verdict or Verdict(Health.DEGRADED, "is missing"))
        for entry, verdict in sorted(verdicts.items(), key=lambda item: item[0].key)
    ]
    sick = [(key, v) for key, v in named if v.health is not Health.HEALTHY]
    counted, troubled = _pods(verdicts, pods or ())
    lines = [(str(key), v.message) for key, v in sick]
    lines += [(f"Pod {p.name}", ", ".join(problems)) for p, problems in troubled]
    worst = max((v.health for _, v in named), key=readiness.ORDER.index, default=Health.HEALTHY)
    for _, problems in troubled:
        trouble = Health.FAILING if "PodFailed" in problems else Health.DEGRADED
        worst = max(worst, trouble, key=readiness.ORDER.index)
    unready = [(key.kind, key.name, key.namespace, v.message) for key, v in sick]
    unready += [("Pod", p.name, p.namespace, _why(p)) for p in counted if not p.ready]
    return Report(
        health=worst,
        message=_sentence(lines),
        pods_ready=sum(p.ready for p in counted),
        pods_total=None if pods is None else len(counted),
        conditions=tuple(sorted({p for _, problems in troubled for p in problems})),
        unready=tuple(unready[:_SHOWN]),
        missing=tuple(entry.key for entry, verdict in verdicts.items() if verdict is None),
    )


def _pods(
    verdicts: Mapping[Entry, Verdict | None], pods: Sequence[tuple[Pod, Entry]]
) -> tuple[list[Pod], list[tuple[Pod, list[str]]]]:
    """The pods that count, and those in trouble.

    Finished pods do not count, nor do failed ones whose place others have taken.
    """
    counted, troubled = [], []
    for pod, holder in sorted(pods, key=lambda item: (item[0].namespace, item[0].name)):
        verdict = verdicts.get(holder)
        if pod.finished or (pod.phase == "Failed" and verdict and _is_well(verdict)):
            continue
        counted.append(pod)
        if pod.problems:
            troubled.append((pod, list(pod.problems)))
    return counted, troubled


def _is_well(verdict: Verdict) -> bool:
    return verdict.health is Health.HEALTHY


def _why(pod: Pod) -> str:
    return pod.message or ", ".join(pod.problems) or f"phase {pod.phase or 'unknown'}"


def _sentence(lines: Sequence[tuple[str, str]]) -> str:
    more = f" (and {len(lines) - 3} more)" if len(lines) > 3 else ""
    return "; ".join(f"{name}: {text}" for name, text in lines[:3]) + more

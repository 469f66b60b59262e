"""WorkOrders: every create, update, deletion and restart is the same event, 'look at it'."""

from typing import Any

import kopf

from brokkr_operator.resources import names, workorder
from brokkr_operator.runtime import Runtime


def register(registry: kopf.OperatorRegistry) -> None:
    kopf.on.event(names.GROUP, names.VERSION, workorder.KIND, registry=registry)(saw)


async def saw(event: kopf.RawEvent, memo: Any, **_: Any) -> None:
    runtime: Runtime = memo.runtime
    runtime.errands.saw(event["type"], dict(event["object"]))

"""Events to a broker that stumbles: what one stack meets holds up no other."""

from collections.abc import AsyncIterator
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
from aiohttp import web

from brokkr_operator.clients.broker.client import Broker
from brokkr_operator.clients.kube.client import Kube
from brokkr_operator.errors import BrokerError
from brokkr_operator.report.outbox import Outbox
from brokkr_operator.resources.brokkrstack import BrokkrStack
from model.agent import ModelWire
from model.apiserver import ApiServer
from support.serving import serving
from support.stacks import stack

AGENT, BAD, GOOD = uuid4(), uuid4(), uuid4()


class Side:
    """A broker that answers the events of one version with `status`, and takes all others."""

    status = 500

    def __init__(self) -> None:
        self.heard: list[UUID] = []

    async def take(self, request: web.Request) -> web.Response:
        event = await request.json()
        version = UUID(event["deployment_object_id"])
        self.heard.append(version)
        if version == BAD:
            return web.Response(status=self.status)
        stored = {"created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"}
        return web.json_response({**event, **stored, "agent_id": str(AGENT)}, status=201)


@pytest.fixture
async def side() -> AsyncIterator[tuple[Side, Outbox]]:
    side, app = Side(), web.Application()
    app.router.add_post(f"/api/v1/agents/{AGENT}/events", side.take)
    kube = Kube(cast(Any, ModelWire(ApiServer())))
    stacks = [_with_event(BAD), _with_event(GOOD)]
    async with serving(app) as address:
        broker = Broker(f"http://{address}", lambda: "key")
        yield side, Outbox(broker, kube, agent_id=AGENT, stacks=lambda: stacks, delivered=_nothing)
        await broker.close()


@pytest.mark.parametrize("status", [500, 403])
async def test_what_it_stumbles_over_holds_up_no_other(
    side: tuple[Side, Outbox], status: int
) -> None:
    side[0].status = status
    with pytest.raises(BrokerError, match=str(status)):
        await side[1].flush()
    assert side[0].heard == [BAD, GOOD]


async def test_what_it_will_never_take_is_left(side: tuple[Side, Outbox]) -> None:
    side[0].status = 404
    await side[1].flush()
    assert side[0].heard == [BAD, GOOD]


@pytest.mark.parametrize("status", [401, 429, 503])
async def test_while_it_takes_nothing_nothing_more_is_sent(
    side: tuple[Side, Outbox], status: int
) -> None:
    side[0].status = status
    with pytest.raises(BrokerError):
        await side[1].flush()
    assert side[0].heard == [BAD]


def _with_event(version: UUID) -> BrokkrStack:
    event = {"id": str(uuid4()), "deploymentObjectId": str(version), "status": "SUCCESS"}
    return stack(status={"report": {"outbox": [event]}})


def _nothing(_: dict[str, Any]) -> None:
    return

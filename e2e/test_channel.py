"""Wake-ups: with the channel a push is live at once; without it polling does, and says so."""

from collections.abc import Callable

import pytest

import manifests as m
from harness import Agent, Broker, Kubectl, deployed, eventually, wait_applied, wait_reported

HOUR = "3600"


def _shown(kubectl: Kubectl, agent: Agent) -> str:
    found = kubectl.get("brokkragents")["items"]
    own = next(a for a in found if a["spec"]["agentId"] == agent.id)
    channel: str = own["status"]["channel"]
    return channel


@pytest.mark.parametrize("match", ["target", "label", "annotation"])
def test_a_push_is_applied_without_any_poll_however_the_agent_is_matched(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str, match: str
) -> None:
    agent = make_agent(polling_interval=HOUR)
    stack = broker.stack(unique)
    if match == "target":
        broker.ask("POST", f"/agents/{agent.id}/targets", {"stack_id": stack})
    for owner in (f"/agents/{agent.id}", f"/stacks/{stack}"):
        if match == "label":
            broker.ask("POST", f"{owner}/labels", unique)
        elif match == "annotation":
            broker.ask("POST", f"{owner}/annotations", {"key": "e2e", "value": unique})
    for value in ("1", "2"):
        pushed = broker.push(stack, m.config_map(unique, "default", value))
        wait_applied(kubectl, stack, pushed["sequence_id"])
        wait_reported(broker, agent, pushed["id"])
    assert "CHANNEL" in kubectl.run("get", "brokkragents").splitlines()[0]
    assert _shown(kubectl, agent) == "Open"
    broker.ask("DELETE", f"/stacks/{stack}")
    eventually(lambda: kubectl.stack(stack) is None)


def test_a_pause_is_heard_at_once(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    agent = make_agent(polling_interval=HOUR)
    stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    broker.ask("PUT", f"/agents/{agent.id}", {"status": "INACTIVE"})
    second = broker.push(stack, m.config_map(unique, "default", "2"))
    eventually(lambda: "paused by the broker" in agent.log.read_text())
    broker.ask("PUT", f"/agents/{agent.id}", {"status": "ACTIVE"})
    wait_applied(kubectl, stack, second["sequence_id"])


def test_the_channel_is_opened_again_and_what_was_missed_is_asked_for(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    agent = make_agent(polling_interval=HOUR)
    stack, _ = deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    for number in (9, 15):
        broker.kill(number)
        broker.start()
        broker.wait()
        pushed = broker.push(stack, m.config_map(unique, "default", f"after {number}"))
        wait_applied(kubectl, stack, pushed["sequence_id"])


def test_where_no_websocket_gets_through_polling_does(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    # Given an address for the channel where something else answers
    agent = make_agent(ws_url=f"{broker.url}/nothing-here")
    deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    eventually(lambda: "no channel, polling alone" in agent.log.read_text())
    assert _shown(kubectl, agent) == "Polling"


def test_polling_alone_can_be_asked_for(
    broker: Broker, make_agent: Callable[..., Agent], kubectl: Kubectl, unique: str
) -> None:
    agent = make_agent(ws_force_rest="true")
    deployed(broker, agent, kubectl, unique, m.config_map(unique, "default"))
    assert "channel" not in agent.log.read_text()

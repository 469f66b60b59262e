"""Keys, and rules on them."""

from uuid import UUID

import pytest

from brokkr_broker.config import Pak
from brokkr_broker.security import pak, permissions
from brokkr_broker.security.identity import Identity, Role

FORM = Pak()
ME, OTHER = UUID(int=1), UUID(int=2)


def test_a_key_is_found_again_by_its_hash_and_keeps_its_form() -> None:
    keys = {pak.generate(FORM).text for _ in range(200)}
    assert len(keys) == 200
    for text in keys:
        assert text.startswith("brokkr_BR")
        head, _, long = text.rpartition("_")
        assert pak.parse(text) == (head, pak.digest(long))


def test_the_head_counts_and_new_forms_leave_old_keys_valid() -> None:
    key = pak.generate(FORM)
    other = Pak(prefix="acme", short_token_prefix="K", short_token_length=4, long_token_length=32)
    assert pak.generate(other).head.startswith("acme_K")
    assert pak.fits(key.head, key.head, other)
    assert not pak.fits(key.head[:-1], key.head, FORM)
    assert pak.fits(key.head, "", FORM)
    assert not pak.fits(key.head, "", other), "a preset key has the configured prefixes"


@pytest.mark.parametrize(
    "text",
    ["", "brokkr", "brokkr_BRabc", "brokkr_BRabc_short", "a-b_BRabc_" + "d" * 32, "é" * 40],
)
def test_what_is_no_key(text: str) -> None:
    assert pak.parse(text) is None


@pytest.mark.parametrize(
    ("rule", "admits"),
    [
        (permissions.ANYONE, "admin agent other generator"),
        (permissions.ADMIN, "admin"),
        (permissions.ADMIN_OR_GENERATOR, "admin generator"),
        (permissions.AGENT_ITSELF, "agent"),
        (permissions.ADMIN_OR_AGENT_ITSELF, "admin agent"),
    ],
)
def test_rules(rule: permissions.Rule, admits: str) -> None:
    callers = {
        "admin": Identity(Role.ADMIN),
        "agent": Identity(Role.AGENT, ME),
        "other": Identity(Role.AGENT, OTHER),
        "generator": Identity(Role.GENERATOR, OTHER),
    }
    assert {n for n, i in callers.items() if rule.admits(i, ME)} == set(admits.split())

"""The channel between an agent and the broker: wake-ups down, heartbeats up, never state.

Text frames of JSON, told apart by `type`. Unknown types are for newer versions, and ignored.
"""

from enum import StrEnum

import msgspec


class Topic(StrEnum):
    """What an agent should ask for again."""

    STATE = "state"
    WORK = "work"
    DIAGNOSTIC = "diagnostic"
    WEBHOOK = "webhook"
    AGENT = "agent"


class Wake(msgspec.Struct, frozen=True, tag="wake"):
    """There may be something new. Topics of newer versions are for those who know them."""

    topics: list[str]


class Heartbeat(msgspec.Struct, frozen=True, tag="heartbeat"):
    """The agent is alive."""


class Close:
    """Codes with which the broker ends a channel, beside the standard ones."""

    GOING_AWAY = 1001
    """The reason is a number of seconds: come back at a random moment within them."""
    REPLACED = 4000
    REVOKED = 4001

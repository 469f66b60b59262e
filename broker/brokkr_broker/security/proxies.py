"""The address of a caller behind proxies that we trust."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address

Network = IPv4Network | IPv6Network


def address(peer: str | None, forwarded: str, trusted: Sequence[Network]) -> str | None:
    """The nearest address in `X-Forwarded-For` that is no trusted proxy, or the peer's.

    Nothing that an untrusted peer says about itself counts.
    """
    if not peer or not _within(peer, trusted):
        return peer
    for hop in reversed([part.strip() for part in forwarded.split(",")]):
        if not _is_address(hop):
            break
        peer = hop
        if not _within(hop, trusted):
            break
    return peer


def _within(text: str, networks: Sequence[Network]) -> bool:
    if not networks or not _is_address(text):
        return False
    found = ip_address(text)
    return any(found in network for network in networks)


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True

"""Calls to other people's addresses: no redirects, no forbidden networks, bounded in every way.

An address is judged when it is connected to, not when it is given: by then a name may lead
elsewhere.
"""

import asyncio
import functools
import os
import socket
import ssl
from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import NamedTuple

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

_MAX_ANSWER = 2048
_SHOWN = 500


class Outcome(NamedTuple):
    """What became of a call. `status` is None where there was no answer; `error` is for people.

    A `lasting` one was not even tried, and will not be.
    """

    status: int | None
    error: str | None
    retry_after: float | None = None
    lasting: bool = False

    @property
    def success(self) -> bool:
        return self.status is not None and 200 <= self.status < 300


@functools.cache
def _trusted(file: str | None, folder: str | None) -> ssl.SSLContext:
    """What the system trusts, or these say. NB: reading that takes 40 ms."""
    return ssl.create_default_context(cafile=file, capath=folder)


class Forbidden(OSError):
    """The address lies in a network that `webhooks.blocked_networks` names."""


class Sender:
    """One HTTP client for all webhooks of this process."""

    def __init__(self, blocked: Sequence[IPv4Network | IPv6Network]) -> None:
        self._blocked = blocked
        connector = aiohttp.TCPConnector(
            limit=0,
            resolver=_Resolver(blocked),
            ttl_dns_cache=30,
            ssl=_trusted(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")),
        )
        self._session = aiohttp.ClientSession(
            connector=connector, auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
        )

    async def send(
        self, url: str, *, body: str, headers: dict[str, str], timeout: float
    ) -> Outcome:
        """POST. Never raises for what the other side does."""
        try:
            _refuse_literal(url, self._blocked)
            async with (
                asyncio.timeout(timeout),
                self._session.post(
                    url, data=body.encode(), headers=headers, allow_redirects=False
                ) as response,
            ):
                text = (await response.content.read(_MAX_ANSWER)).decode(errors="replace")
                return _outcome(response, text)
        except TimeoutError:
            return Outcome(None, "Request timed out")
        except Forbidden as e:
            return Outcome(None, str(e), lasting=True)
        except (aiohttp.ClientError, OSError, ValueError) as e:
            cause = e.__cause__ if isinstance(e.__cause__, Forbidden) else None
            inner = getattr(e, "os_error", None) or cause
            if isinstance(inner, Forbidden):
                return Outcome(None, str(inner), lasting=True)
            return Outcome(None, f"Connection failed: {type(e).__name__}: {e}"[:_SHOWN])

    async def close(self) -> None:
        await self._session.close()


def _outcome(response: aiohttp.ClientResponse, text: str) -> Outcome:
    status = response.status
    if 200 <= status < 300:
        return Outcome(status, None)
    after = response.headers.get("Retry-After", "")
    retry_after = float(after) if after.isascii() and after.isdigit() and len(after) < 7 else None
    return Outcome(status, f"HTTP {status}: {text[:_SHOWN]}", retry_after)


def _refuse_literal(url: str, blocked: Sequence[IPv4Network | IPv6Network]) -> None:
    """aiohttp asks no resolver for an address that is given in digits."""
    host = URL(url).host or ""
    try:
        ip_address(host)
    except ValueError:
        return
    _refuse(host, host, blocked)


def _refuse(host: str, address: str, blocked: Sequence[IPv4Network | IPv6Network]) -> None:
    found = ip_address(address.partition("%")[0])
    mapped = getattr(found, "ipv4_mapped", None)
    found = mapped or found
    if any(found in network for network in blocked):
        raise Forbidden(f"{host} is in a network that webhooks must not reach ({found})")


class _Resolver(AbstractResolver):
    def __init__(self, blocked: Sequence[IPv4Network | IPv6Network]) -> None:
        self._blocked = blocked
        self._inner = ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._inner.resolve(host, port, family)
        for result in found:
            _refuse(host, result["host"], self._blocked)
        return found

    async def close(self) -> None:
        await self._inner.close()

"""Where a webhook may be sent: what keeps it from reaching into the server's own network.

An address is judged twice: as text when it is set, and by what it resolves to at every connection.
The connection is made to the very addresses that were judged, so a name that changes what it stands
for in between gains nothing. And it is judged a third time where the socket is made, because what
looks like an address (`2130706433`, `127.1`) is never resolved. Redirects are never followed, proxies of the environment not used.
"""

import ipaddress
import re
import socket
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import AddrInfoType
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from typing_extensions import override
from yarl import URL

MAX_URL: Final = 2000
_SCHEMES: Final = ("https", "http")
_EMBEDDING: Final = tuple(
    ipaddress.IPv6Network(network) for network in ("64:ff9b::/96", "2002::/16", "::/96")
)
"""IPv6 ranges that lead on to IPv4 addresses."""


_NUMBER: Final = re.compile(r"\d+|0[xX][0-9a-fA-F]*")
"""What a name cannot end in: such a host is an IPv4 address (WHATWG URL, "ends in a number")."""


class TargetRefused(OSError):
    """A name stands for no address to which events may be sent."""


def is_public(address: str) -> bool:
    """Whether an IP address belongs to nobody's own network.

    >>> [is_public(a) for a in ("8.8.8.8", "10.0.0.1", "::1", "::ffff:127.0.0.1", "64:ff9b::a00:1")]
    [True, False, False, False, False]
    """
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, ipaddress.IPv6Address):
        if ip.ipv4_mapped is not None:
            return is_public(str(ip.ipv4_mapped))
        if any(ip in network for network in _EMBEDDING):
            return False
        if ip.is_site_local:
            return False
    return ip.is_global and not ip.is_multicast and not ip.is_reserved


def why_not(url: str, *, private: bool) -> str | None:
    """Say why an address cannot be a webhook's, as far as its text tells; None when it can.

    With *private* any host will do.
    """
    if len(url) > MAX_URL:
        return f"it is longer than {MAX_URL} characters"
    if not url.isascii() or not url.isprintable() or any(c in url for c in " \\"):
        return "it holds characters that an address cannot hold"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
        parsed = URL(url)
    except ValueError:
        return "it cannot be read as an address"
    if parts.scheme not in _SCHEMES or parsed.scheme != parts.scheme:
        return "it must begin with https:// or http://"
    if not host or not parsed.host:
        return "it names no host"
    if parts.username is not None or parts.password is not None:
        return "it must not hold a user name or password"
    if parts.fragment:
        return "it must not have a fragment"
    return None if private else _why_not_host(host)


def _why_not_host(host: str) -> str | None:
    host = host.rstrip(".")
    if host == "localhost" or host.endswith((".localhost", ".local", ".internal")):
        return "it names a host of the server's own network"
    try:
        refused = not is_public(host)
    except ValueError:
        if "%" in host or ":" in host or _NUMBER.fullmatch(host.rpartition(".")[2]):
            return "it is an address in a form that hides what it is"
        return None  # a name: what it stands for is looked at when it is resolved
    return "it is an address of the server's own network" if refused else None


class GuardedResolver(AbstractResolver):
    """Resolves names to addresses to which events may be sent, and to no others."""

    def __init__(self, *, private: bool) -> None:
        self._private = private
        self._resolver = ThreadedResolver()

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        allowed = [each for each in found if self._private or is_public(each["host"])]
        if not allowed:
            raise TargetRefused("the host is in the server's own network")
        return allowed

    @override
    async def close(self) -> None:
        await self._resolver.close()


def guarded_socket(address: AddrInfoType) -> socket.socket:
    """Make the socket of a connection to an address to which events may be sent.

    Raises:
        TargetRefused: it is none.
    """
    family, kind, protocol, _, target = address
    try:
        allowed = is_public(str(target[0]))
    except ValueError:
        allowed = False
    if not allowed:
        raise TargetRefused("the address is of the server's own network")
    return socket.socket(family, kind, protocol)


def is_refusal(error: BaseException) -> bool:
    """Whether a failed connection goes back to this policy."""
    causes: Iterable[Any] = (error, error.__cause__, error.__context__)
    return any(isinstance(each, TargetRefused) for each in causes)

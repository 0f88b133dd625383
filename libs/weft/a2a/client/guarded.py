"""A session for calls that leave the mesh: only to addresses that were looked at, which are the ones used.

What a name resolves to is checked and then connected to, so nobody answers one way first and another
way later; a literal address is checked before anything is sent. Redirects are followed by nobody.
"""

import ipaddress
import re
import socket
from collections.abc import Sequence

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from weft.a2a.client.transport import TIMEOUT
from weft.core.addresses import Address, Network, allows
from weft.core.protocol_errors import DelegateRefusedError

__all__ = ["guarded_session"]

_NUMBERS = re.compile(r"(?>(?>0[xX][0-9a-fA-F]++|[0-9]++)\.?+)++")
"""Addresses in forms that C libraries read; no host of the internet is called so."""
CONNECTIONS = 16
"""At a time to one agent: more calls wait, and cost nobody else a connection."""


def guarded_session(
    listed: Sequence[Network] = (), *, resolver: AbstractResolver | None = None
) -> aiohttp.ClientSession:
    """Return a session that reaches public addresses, by https, and those in `listed` networks.

    Plain http goes to listed loopback addresses alone. Every other call raises
    `DelegateRefusedError` before a byte is sent.
    """
    networks = tuple(listed)

    async def guard(
        request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType
    ) -> aiohttp.ClientResponse:
        check_url(str(request.url), networks)
        return await handler(request)

    # The resolver of the system when the session is made, which needs a running loop.
    checked = _Checked(resolver or aiohttp.ThreadedResolver(), networks)
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=CONNECTIONS, resolver=checked, ttl_dns_cache=30),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
        auto_decompress=False,
        timeout=TIMEOUT,
        middlewares=(guard,),
    )


def check_url(url: str, networks: Sequence[Network]) -> None:
    """Return if `url` may be called, as far as can be told without asking what its name means.

    Raises:
        DelegateRefusedError: It may not.
    """
    try:
        parsed = URL(url)
        host, port = parsed.host, parsed.port
    except ValueError as error:
        raise DelegateRefusedError(f"{url[:200]!r} is no address of an agent") from error
    if parsed.scheme not in {"http", "https"} or not host or port is None:
        raise DelegateRefusedError(
            f"{url[:200]!r} is no address of an agent: one begins with https://"
        )
    if parsed.user is not None:
        raise DelegateRefusedError("no credential in an agent's address: --credential names it")
    literal = _literal(host)
    if literal is not None:
        _check(literal, host, networks)
    elif _NUMBERS.fullmatch(host):
        # Of 2130706433 and 0177.0.0.1 some make an address, and others another.
        raise DelegateRefusedError(f"{host} is no address that everybody reads alike")
    if parsed.scheme == "http" and not _is_loopback(host, networks):
        raise DelegateRefusedError(
            f"an agent is called over https; plain http is for this machine alone, with its network "
            f"listed (--network 127.0.0.0/8), and {host} is elsewhere or not listed"
        )


class _Checked(AbstractResolver):
    """Resolves names, and refuses one of which any address may not be called."""

    def __init__(self, resolver: AbstractResolver, networks: Sequence[Network]) -> None:
        self._resolver = resolver
        self._networks = networks

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        hosts = await self._resolver.resolve(host, port, family)
        for resolved in hosts:
            address = _literal(resolved["host"])
            if address is None:
                raise DelegateRefusedError(f"{host} resolves to no address")
            _check(address, host, self._networks)
        return hosts

    async def close(self) -> None:
        await self._resolver.close()


def _check(address: Address, host: str, networks: Sequence[Network]) -> None:
    if not allows(address, networks):
        named = host if host == str(address) else f"{host} ({address})"
        raise DelegateRefusedError(
            f"{named} is no public address: list its network (--network) if it shall be called"
        )


def _is_loopback(host: str, networks: Sequence[Network]) -> bool:
    """Tell whether `host` can only be this machine, and this machine is listed."""
    literal = _literal(host)
    if literal is not None:
        return literal.is_loopback
    return host == "localhost" and any(network.is_loopback for network in networks)


def _literal(host: str) -> Address | None:
    try:
        return ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return None

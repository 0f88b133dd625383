"""Cards of agents outside the mesh, of either version: where they are spoken to, and nothing to trust."""

from collections.abc import Iterator, Sequence
from typing import Literal
from urllib.parse import SplitResult, urljoin, urlsplit, urlunsplit

from weft.a2a.wire.cards import (
    Interface,
    PeerCard,
    abilities_in,
    object_in,
    objects,
)
from weft.a2a.wire.extensions import BUDGET, CANCELLATION
from weft.core import JsonObject, JsonValue
from weft.core.protocol_errors import CardRefusedError

__all__ = ["read_foreign_card"]

OFFERED = frozenset({BUDGET, CANCELLATION})
"""What an agent outside the mesh is offered of ours, where it declares it: limits and stopping."""
_NOWHERE = frozenset({"0.0.0.0", "::", "localhost", "127.0.0.1", "::1"})  # noqa: S104 - nothing is bound
"""What a server calls itself that does not know its own name."""
_VERSIONS: dict[str, Literal["1.0", "0.3"]] = {"1.0": "1.0", "0.3": "0.3", "0.2": "0.3"}


def read_foreign_card(
    text: str | bytes, *, service: str, origin: str, hosts: Sequence[str] = ()
) -> PeerCard:
    """Return the card of an agent outside the mesh, served at `origin`: callable, never given a token.

    `hosts` are those beside its own on which it may offer interfaces.

    Raises:
        CardRefusedError: It is no card, or none of its interfaces can be used.
    """
    card = object_in(text, service)
    interfaces = tuple(dict.fromkeys(_usable(card, origin, hosts)))
    if not interfaces:
        raise CardRefusedError(_why_none(card, service, origin))
    uris, streaming = abilities_in(card)
    return PeerCard(
        service=service,
        url=interfaces[0].url,
        trusted=False,
        extensions=uris & OFFERED,
        streaming=streaming,
        tenant=interfaces[0].tenant,
        interfaces=interfaces,
        protected=bool(card.get("securityRequirements") or card.get("security")),
    )


def _usable(card: JsonObject, origin: str, hosts: Sequence[str]) -> Iterator[Interface]:
    for url, binding, said, tenant in _listed(card):
        version = _VERSIONS.get(".".join(said.split(".")[:2]))
        place = _placed(url, origin, hosts)
        if version is None or place is None:
            continue
        if binding == "JSONRPC":
            yield Interface(place, "JSONRPC", version, tenant)
        elif binding == "HTTP+JSON" and version == "1.0":
            yield Interface(place, "HTTP+JSON", version, tenant)


def _listed(card: JsonObject) -> Iterator[tuple[str, str, str, str | None]]:
    """Yield address, binding, version and tenant of what a card lists, in the order of either version."""
    for interface in objects(card.get("supportedInterfaces")):
        said = str(interface.get("protocolVersion") or "1.0")
        tenant = interface.get("tenant")
        binding = _binding(interface.get("protocolBinding"))
        yield str(interface.get("url", "")), binding, said, str(tenant) if tenant else None
    url, said = card.get("url"), str(card.get("protocolVersion") or "0.3")
    if isinstance(url, str) and said.startswith("0."):
        yield url, _binding(card.get("preferredTransport") or "JSONRPC"), said, None
        for interface in objects(card.get("additionalInterfaces")):
            yield str(interface.get("url", "")), _binding(interface.get("transport")), said, None


def _binding(said: JsonValue) -> str:
    return str(said).upper()


def _placed(url: str, origin: str, hosts: Sequence[str]) -> str | None:
    """Return where an interface is called, or None where that is on a host of somebody else.

    A relative address, and one that leads nowhere from here, is taken relative to the card's.
    """
    try:
        joined = urljoin(origin, url)
        parts, own = urlsplit(joined), urlsplit(origin)
        here = _is_here(parts, own)
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return None
    if here:
        return urlunsplit((own.scheme, own.netloc, parts.path, parts.query, ""))
    elsewhere = parts.hostname in hosts and parts.hostname not in _NOWHERE
    return joined if elsewhere else None


def _is_here(parts: SplitResult, own: SplitResult) -> bool:
    """Tell whether an address is the card's own, as well as its server knows itself.

    Behind a proxy that ends TLS, a server takes itself for one without.
    """
    ports = {"http": 80, "https": 443}
    port, own_port = parts.port or ports.get(parts.scheme), own.port or ports.get(own.scheme)
    if parts.hostname in _NOWHERE:
        return own.hostname not in _NOWHERE or port == own_port
    same = (parts.scheme, port) == (own.scheme, own_port)
    plain = (parts.scheme, port, own.scheme, own_port) == ("http", 80, "https", 443)
    return parts.hostname == own.hostname and (same or plain)


def _why_none(card: JsonObject, service: str, origin: str) -> str:
    listed = [f"{binding} {said} at {url}" for url, binding, said, _ in _listed(card)]
    if not listed:
        return f"the card of {service!r} lists no interface of A2A"
    spoken = "JSON-RPC of 1.0 and 0.3 and HTTP+JSON of 1.0 are spoken"
    return (
        f"no interface of {service!r} can be used: {'; '.join(listed)[:400]}. {spoken}, on the "
        f"host of its card ({urlsplit(origin).netloc}) or one that was listed with --host"
    )

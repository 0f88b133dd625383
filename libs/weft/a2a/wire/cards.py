"""What an agent says of itself, on the wire and read back."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal
from urllib.parse import urljoin, urlsplit

import orjson
from pydantic import ConfigDict, Field

from weft.a2a.wire import extensions
from weft.a2a.wire.models import VERSION
from weft.catalog import Capability, Entry, Provider, RiskLevel
from weft.core import JsonObject, JsonValue, Record
from weft.core.protocol_errors import CardRefusedError
from weft.identity import signatures
from weft.identity.keys import Trust

log = logging.getLogger(__name__)

WELL_KNOWN = "/.well-known/agent-card.json"
TEXT_MODES = ("text/plain", "application/json")
Modes = Annotated[tuple[str, ...], Field(min_length=1)]
BINDINGS = ("JSONRPC", "HTTP+JSON")
"""In the order in which clients shall try them."""
MAX_CARD = 256 * 1024
_RISKS: tuple[RiskLevel, ...] = ("low", "medium", "high")


class Skill(Record):
    """One thing the agent does; its tags say domain, risk, roles and effects."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    name: str
    description: str
    tags: tuple[str, ...] = ("general",)
    examples: tuple[str, ...] = ()
    input_modes: tuple[str, ...] = ()
    """Media types it takes; () are those of the card, like `output_modes`."""
    output_modes: tuple[str, ...] = ()

    def to_wire(self, card: "Card") -> JsonObject:
        shown: JsonObject = {
            "id": self.id,
            "name": self.name,
            "description": self.description,
            "tags": list(self.tags),
            "inputModes": list(self.input_modes or card.input_modes),
            "outputModes": list(self.output_modes or card.output_modes),
        }
        if self.examples:
            shown["examples"] = list(self.examples)
        return shown


class Card(Record):
    """An agent as its author describes it; `name` is its service name in the mesh."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str
    version: str = "1.0.0"
    skills: tuple[Skill, ...] = ()
    required_extensions: tuple[str, ...] = ()
    """Those a caller must declare to be served at all."""
    input_modes: Modes = TEXT_MODES
    """Media types the agent takes, `image/*` for a kind; a part of another is refused at the door."""
    output_modes: Modes = TEXT_MODES

    def takes(self, skill: str | None) -> tuple[str, ...]:
        """Return the media types that a message may hold: those of the skill it names, else all."""
        named = {skill.id: skill.input_modes for skill in self.skills}
        return _modes(skill, self.input_modes, named)

    def gives(self, skill: str | None) -> tuple[str, ...]:
        """Return the media types that an answer may have."""
        named = {skill.id: skill.output_modes for skill in self.skills}
        return _modes(skill, self.output_modes, named)

    def _extensions(self) -> list[JsonValue]:
        optional = [uri for uri in extensions.ALL if uri not in self.required_extensions]
        shown: list[JsonValue] = [{"uri": uri} for uri in optional]
        shown.extend({"uri": uri, "required": True} for uri in self.required_extensions)
        return shown

    def to_wire(self, url: str, *, schemes: Mapping[str, JsonObject]) -> JsonObject:
        """Return the agent card of a server at `url` that asks for any one of the `schemes`."""
        skills = self.skills or (Skill(id=self.name, name=self.name, description=self.description),)
        shown: JsonObject = {
            "name": self.name,
            "description": self.description,
            "version": self.version,
            "supportedInterfaces": [
                {"url": url, "protocolBinding": binding, "protocolVersion": VERSION}
                for binding in BINDINGS
            ],
            "capabilities": {
                "streaming": True,
                "pushNotifications": False,
                "extendedAgentCard": False,
                "extensions": self._extensions(),
            },
            "defaultInputModes": list(self.input_modes),
            "defaultOutputModes": list(self.output_modes),
            "skills": [skill.to_wire(self) for skill in skills],
        }
        if schemes:
            shown["securitySchemes"] = dict(schemes)
            shown["securityRequirements"] = [{"schemes": {name: {}}} for name in schemes]
        return shown


def _modes(
    skill: str | None, default: tuple[str, ...], named: Mapping[str, tuple[str, ...]]
) -> tuple[str, ...]:
    if skill is not None and skill in named:
        return named[skill] or default
    return (*default, *(mode for modes in named.values() for mode in modes))


@dataclass(frozen=True, slots=True)
class Interface:
    """One place where an agent is spoken to, and how."""

    url: str
    binding: Literal["JSONRPC", "HTTP+JSON"] = "JSONRPC"
    version: Literal["1.0", "0.3"] = "1.0"
    tenant: str | None = None
    """To be copied into every request, where the interface names one."""


@dataclass(frozen=True, slots=True)
class PeerCard:
    """A card as its reader may use it."""

    service: str
    url: str
    """Where it is called: of an agent outside the mesh the first of `interfaces`."""
    trusted: bool
    """A key pinned for this service signed the card, so tokens may go there."""
    extensions: frozenset[str]
    streaming: bool
    tenant: str | None = None
    """As an interface's."""
    interfaces: tuple[Interface, ...] = ()
    """Of an agent outside the mesh: those that are spoken here, as its card orders them."""
    protected: bool = False
    """It says that its callers need a credential."""


async def read_card(text: str | bytes, *, service: str, origin: str, trust: Trust) -> PeerCard:
    """Return the card of a member of the mesh.

    Raises:
        CardRefusedError: It is no card, not signed by a pinned key of `service`, or its interface
            lies elsewhere than at `origin`.
    """
    card = object_in(text, service)
    await signatures.check(card, service=service, trust=trust)
    return _peer_card(card, service, origin)


CONTROL = "WEFT-CONTROL"
"""The binding under which a router's card names the address of its control calls."""


def control_card(service: str, address: str) -> JsonObject:
    """Return the card of a service that answers control calls over gRPC at `address`."""
    interface: JsonObject = {
        "url": f"grpc://{address}",
        "protocolBinding": CONTROL,
        "protocolVersion": "1",
    }
    return {"name": service, "supportedInterfaces": [interface]}


async def read_control_card(text: str, *, service: str, origin: str, trust: Trust) -> str:
    """Return the address (`host:port`) of a member's control calls.

    Raises:
        CardRefusedError: It is no such card, not signed by a pinned key of `service`, or the
            address lies on another host than `origin`.
    """
    card = object_in(text, service)
    await signatures.check(card, service=service, trust=trust)
    for interface in objects(card.get("supportedInterfaces")):
        scheme, host, port = origin_of(str(interface.get("url")))
        if interface.get("protocolBinding") == CONTROL and scheme == "grpc" and port is not None:
            if host != origin_of(origin)[1]:
                raise CardRefusedError(f"the card of {service!r} points to another host")
            return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    raise CardRefusedError(f"the card of {service!r} names no control calls")


def provider_of(entry: Entry) -> Provider:
    """Return the entry with what its card offers; the card was verified before."""
    capabilities, problems = capabilities_of(object_in(entry.card, entry.service))
    problems = problems[:_MOST_PROBLEMS]
    if problems:
        log.warning("card_tags", extra={"peer": entry.service, "problems": list(problems)})
    return Provider(**dict(entry), capabilities=capabilities, problems=problems)


_MOST_PROBLEMS = 8


def capabilities_of(card: JsonObject) -> tuple[tuple[Capability, ...], tuple[str, ...]]:
    """Return what a card's skills offer, and what is wrong with their tags."""
    problems: list[str] = []
    service = str(card.get("name", ""))
    capabilities = [
        _capability(skill, service, problems)
        for skill in objects(card.get("skills"))
        if isinstance(skill.get("id"), str) and skill["id"]
    ]
    return tuple(capabilities), tuple(problems)


def _capability(skill: JsonObject, service: str, problems: list[str]) -> Capability:
    tags = [tag for tag in _strings(skill.get("tags")) if tag]
    values: dict[str, set[str]] = {"domain": set(), "role": set(), "effects": set()}
    risk: RiskLevel = "low"
    for tag in tags:
        kind, colon, value = tag.partition(":")
        if not colon or kind not in {*values, "risk"}:
            continue
        level = _risk(value) if kind == "risk" else None
        if (kind == "risk" and level is None) or (kind == "effects" and value != "none"):
            problems.append(f"skill {skill['id']!r}: malformed tag {tag!r}")
        if kind == "risk":
            # A risk nobody can read must not pass for a low one.
            risk = max(risk, level or "high", key=_RISKS.index)
        else:
            values[kind].add(value)
    return Capability(
        id=str(skill["id"]),
        description=str(skill.get("description", "")),
        domains=frozenset(values["domain"]),
        risk=risk,
        roles=frozenset(values["role"]),
        effects="none" if values["effects"] == {"none"} else "unknown",
        tags=frozenset(tags),
        examples=tuple(_strings(skill.get("examples"))),
        providers=(service,),
    )


def _risk(value: str) -> RiskLevel | None:
    return next((level for level in _RISKS if level == value), None)


def _peer_card(card: JsonObject, service: str, origin: str) -> PeerCard:
    interface = next(
        (
            interface
            for interface in objects(card.get("supportedInterfaces"))
            if interface.get("protocolBinding") == "JSONRPC"
            and ".".join(str(interface.get("protocolVersion", "")).split(".")[:2]) == VERSION
        ),
        None,
    )
    if interface is None:
        raise CardRefusedError(f"the card of {service!r} offers no JSON-RPC {VERSION} interface")
    try:
        url = urljoin(origin, str(interface.get("url", "")))
    except ValueError as error:
        raise CardRefusedError(f"the card of {service!r} has an address that is none") from error
    if origin_of(url) != origin_of(origin):
        raise CardRefusedError(f"the card of {service!r} points to another host")
    uris, streaming = abilities_in(card)
    return PeerCard(
        service=service,
        url=url,
        trusted=True,
        extensions=uris.intersection(extensions.ALL),
        streaming=streaming,
        tenant=str(interface["tenant"]) if interface.get("tenant") else None,
    )


def abilities_in(card: JsonObject) -> tuple[frozenset[str], bool]:
    """Return the extensions that a card declares, and whether its agent streams."""
    offered = card.get("capabilities")
    able = offered if isinstance(offered, dict) else {}
    uris = frozenset(str(extension.get("uri")) for extension in objects(able.get("extensions")))
    return uris, able.get("streaming") is True


def object_in(text: str | bytes, service: str) -> JsonObject:
    if len(text) > MAX_CARD:
        raise CardRefusedError(f"the card of {service!r} is larger than {MAX_CARD} bytes")
    try:
        card = orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise CardRefusedError(f"the card of {service!r} is not JSON") from error
    if not isinstance(card, dict):
        raise CardRefusedError(f"the card of {service!r} is no object")
    return card


def origin_of(url: str) -> tuple[str, str, int | None]:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return "", "", None
    return parts.scheme, parts.hostname or "", port


def objects(value: JsonValue) -> Sequence[JsonObject]:
    return [entry for entry in value if isinstance(entry, dict)] if isinstance(value, list) else []


def _strings(value: JsonValue) -> list[str]:
    return [entry for entry in value if isinstance(entry, str)] if isinstance(value, list) else []

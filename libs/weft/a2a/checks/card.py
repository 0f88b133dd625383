"""What a card says, held against what a client needs of it."""

from collections.abc import Iterator
from urllib.parse import urljoin, urlsplit

from weft.a2a.checks.exchange import RawReply
from weft.a2a.checks.model import Check, judged
from weft.a2a.server.http import JSON_TYPES, loopback
from weft.a2a.wire.cards import MAX_CARD, capabilities_of, objects
from weft.a2a.wire.models import VERSION
from weft.core import JsonObject, JsonValue


def card_checks(reply: RawReply, url: str) -> Iterator[Check]:
    """Yield what is right and wrong with the card that `url` answered with."""
    card = reply.document()
    yield judged(
        "card is small",
        len(reply.body) <= MAX_CARD,
        f"it has more than {MAX_CARD} bytes: shorten it",
    )
    yield judged(
        "card media type",
        reply.media_type in JSON_TYPES,
        f"Content-Type is {reply.media_type or 'absent'}: send application/json",
    )
    yield judged(
        "card may be cached",
        "etag" in reply.headers and "cache-control" in reply.headers,
        "it has no ETag and Cache-Control: every client fetches it each time",
        verdict="advice",
    )
    missing = [name for name in ("name", "description", "version") if not _text(card.get(name))]
    yield judged("card names", not missing, f"empty or absent: {', '.join(missing)}")
    unstated = [
        name for name in ("defaultInputModes", "defaultOutputModes") if not _texts(card.get(name))
    ]
    yield judged("media types", not unstated, f"empty or absent: {', '.join(unstated)}")
    yield from _interfaces(card, url)
    yield from _skills(card)
    yield _security(card)


def jsonrpc_url(card: JsonObject, url: str) -> str | None:
    """Return where the card says that JSON-RPC of this version is served."""
    for interface in objects(card.get("supportedInterfaces")):
        version = ".".join(str(interface.get("protocolVersion", "")).split(".")[:2])
        if interface.get("protocolBinding") == "JSONRPC" and version == VERSION:
            return urljoin(url, str(interface.get("url", "")))
    return None


def asks_for(card: JsonObject) -> list[JsonObject]:
    """Return the security schemes that the card declares."""
    schemes = card.get("securitySchemes")
    return (
        [scheme for scheme in schemes.values() if isinstance(scheme, dict)]
        if isinstance(schemes, dict)
        else []
    )


def credential_for(card: JsonObject, key: str) -> dict[str, str]:
    """Return the headers that carry `key` as the card asks for it."""
    for scheme in asks_for(card):
        named = scheme.get("apiKeySecurityScheme")
        if isinstance(named, dict) and named.get("location") == "header":
            return {str(named.get("name")): key}
    return {"Authorization": f"Bearer {key}"}


def _interfaces(card: JsonObject, url: str) -> Iterator[Check]:
    listed = objects(card.get("supportedInterfaces"))
    whole = [
        interface
        for interface in listed
        if all(_text(interface.get(name)) for name in ("url", "protocolBinding", "protocolVersion"))
    ]
    yield judged(
        "interfaces",
        listed and len(whole) == len(listed),
        "supportedInterfaces needs entries with url, protocolBinding and protocolVersion",
    )
    address = jsonrpc_url(card, url)
    yield judged(
        f"JSON-RPC {VERSION}",
        address,
        f"no interface JSONRPC {VERSION}: a router of Weft calls no other binding",
    )
    if address is None:
        return
    yield judged(
        "one origin",
        urlsplit(address)[:2] == urlsplit(url)[:2],
        f"the interface is at {address}, the card at {url}: clients that trust one origin stop here",
        verdict="advice",
    )
    parts = urlsplit(address)
    yield judged(
        "encrypted",
        parts.scheme == "https" or loopback(parts.hostname or ""),
        f"{address} is plain http: whoever is on the way reads and changes what is said",
        verdict="advice",
    )


def _skills(card: JsonObject) -> Iterator[Check]:
    skills = objects(card.get("skills"))
    whole = [
        skill
        for skill in skills
        if all(_text(skill.get(name)) for name in ("id", "name", "description"))
        and _texts(skill.get("tags"))
    ]
    yield judged(
        "skills",
        skills and len(whole) == len(skills),
        "each needs id, name, description and tags, and there must be one",
    )
    ids = [str(skill.get("id")) for skill in skills]
    twice = sorted({name for name in ids if ids.count(name) > 1})
    yield judged("skill ids", not twice, f"used twice: {', '.join(twice)}")
    capabilities, problems = capabilities_of(card)
    yield judged("tags", not problems, "; ".join(problems), verdict="advice")
    mute = [skill.id for skill in capabilities if skill.effects != "none" and not skill.roles]
    yield judged(
        "effects",
        not mute,
        f"{', '.join(mute)}: tag it effects:none if it changes nothing; questions use no other skill",
        verdict="advice",
    )
    bare = [str(skill.get("id")) for skill in skills if not _texts(skill.get("examples"))]
    yield judged(
        "examples",
        not bare,
        f"{', '.join(bare)}: requests find a skill by its words; give an example or two",
        verdict="advice",
    )


def _security(card: JsonObject) -> Check:
    schemes = card.get("securitySchemes")
    declared = set(schemes) if isinstance(schemes, dict) else set()
    named = {
        name
        for requirement in objects(card.get("securityRequirements"))
        if isinstance(group := requirement.get("schemes"), dict)
        for name in group
    }
    unknown = sorted(named - declared)
    return judged(
        "security schemes", not unknown, f"required and not declared: {', '.join(unknown)}"
    )


def _text(value: JsonValue) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _texts(value: JsonValue) -> bool:
    return isinstance(value, list) and bool(value) and all(_text(entry) for entry in value)

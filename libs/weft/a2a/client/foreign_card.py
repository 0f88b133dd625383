"""The card of an agent outside the mesh as it is served: asked for by its mark, and at its old place, too."""

import re
from dataclasses import dataclass
from typing import ClassVar, Final
from urllib.parse import urlsplit, urlunsplit

import aiohttp

from weft.a2a.client.transport import OK, get_marked
from weft.a2a.wire.cards import MAX_CARD, WELL_KNOWN, object_in
from weft.core import JsonObject
from weft.core.protocol_errors import CardRefusedError, DelegateRefusedError, PeerUnavailableError

__all__ = ["FetchedCard", "fetch_foreign_card"]

LEGACY: Final = "/.well-known/agent.json"
CARD_SECONDS = 5.0
NOT_MODIFIED, NOT_FOUND = 304, 404
_AGE = re.compile(r"max-age=([0-9]{1,9})")


@dataclass(frozen=True, slots=True)
class FetchedCard:
    """A card, where it was, and for how long it need not be asked for."""

    url: str
    card: JsonObject
    etag: str | None
    seconds: float

    LEAST_SECONDS: ClassVar[float] = 60.0
    MOST_SECONDS: ClassVar[float] = 3600.0


async def fetch_foreign_card(
    session: aiohttp.ClientSession, url: str, *, before: FetchedCard | None = None
) -> FetchedCard:
    """Return the card at `url`, which is the card's own or its agent's; `before` is an earlier answer.

    Raises:
        PeerUnavailableError: It cannot be fetched.
        CardRefusedError: What is there is no card.
        DelegateRefusedError: Its address may not be called.
    """
    places = _places(url) if before is None else (before.url,)
    status = NOT_FOUND
    for place in places:
        try:
            status, headers, text = await get_marked(
                session,
                place,
                most=MAX_CARD,
                within=CARD_SECONDS,
                etag=None if before is None else before.etag,
            )
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise PeerUnavailableError(f"no card can be fetched from {place}") from error
        seconds = _seconds(headers.get("Cache-Control", ""))
        if status == NOT_MODIFIED and before is not None:
            return FetchedCard(before.url, before.card, before.etag, seconds)
        if status == OK:
            if len(text) > MAX_CARD:
                raise CardRefusedError(f"the card is larger than {MAX_CARD} bytes")
            return FetchedCard(place, object_in(text, place), headers.get("ETag"), seconds)
        if status != NOT_FOUND:
            break
    raise PeerUnavailableError(f"there is no card at {places[0]} (HTTP {status})")


def _places(url: str) -> tuple[str, ...]:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise DelegateRefusedError(
            f"{url[:200]!r} is no address of an agent: one begins with https://"
        )
    path = parts.path.rstrip("/")
    if path.endswith(".json"):
        return (url,)
    return tuple(
        urlunsplit((parts.scheme, parts.netloc, path + place, "", ""))
        for place in (WELL_KNOWN, LEGACY)
    )


def _seconds(cache_control: str) -> float:
    age = _AGE.search(cache_control)
    seconds = FetchedCard.LEAST_SECONDS if age is None else float(age[1])
    return min(max(seconds, FetchedCard.LEAST_SECONDS), FetchedCard.MOST_SECONDS)

"""What a recorder of one kind of source yields, and what it asks through."""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import aiohttp

from incidents.live.endpoints import Endpoint, QueryError
from incidents.recordings import Part
from weft.core import JsonObject
from weft.core.result import Window


@dataclass(frozen=True, slots=True)
class SourceReply:
    """An answer worth keeping: one document, or lines."""

    part: Part
    url: str
    values: Sequence[JsonObject]


@dataclass(frozen=True, slots=True)
class Replies:
    """Queries to one source."""

    session: aiohttp.ClientSession
    source: Endpoint
    problem: Callable[[str], None]
    """Takes what was left out, in words."""

    def url(self, path: str, query: Sequence[tuple[str, str]]) -> str:
        return self.source.query_url(path, query)

    async def get(self, path: str, query: Sequence[tuple[str, str]] = ()) -> JsonObject:
        """Return the answer; raises `QueryError`."""
        return await self.source.get(self.session, path, query)

    async def tried(self, path: str, query: Sequence[tuple[str, str]]) -> JsonObject | None:
        """Return the answer of one query among many; one that fails is told, and costs itself."""
        try:
            return await self.get(path, query)
        except QueryError as error:
            self.problem(f"{self.url(path, query)[:_MOST_URL]}: {error}")
            return None


_MOST_URL = 300


class Recorder(Protocol):
    """Reads one source for both windows."""

    def __call__(
        self, replies: Replies, incident: Window, baseline: Window, /
    ) -> AsyncIterator[SourceReply]:
        """Yield the replies; raises `QueryError` where the source as a whole does not answer."""


def named_windows(incident: Window, baseline: Window) -> tuple[tuple[Part, Window], ...]:
    """Return both windows by name, the normal time first."""
    return ("baseline", baseline), ("incident", incident)


def texts(value: object) -> list[str]:
    """Return the texts in a list of an answer; whatever else stands there is left out."""
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def objects(value: object) -> list[JsonObject]:
    """Return the objects in a list of an answer; whatever else stands there is left out."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

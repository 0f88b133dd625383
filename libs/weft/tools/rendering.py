"""From what a body returned to what a model reads, long texts shortened."""

import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

from pydantic import JsonValue
from pydantic_core import PydanticSerializationError, to_jsonable_python

from weft.core import dumps, name_digest
from weft.core.contained import contained, described
from weft.core.errors import InputError, NotFoundError
from weft.core.storable import storable, storable_json
from weft.tools.decorator import tool
from weft.tools.definition import Tool

__all__ = ["as_text"]

logger = logging.getLogger(__name__)

NO_OUTPUT = "(no output)"
_SAYS_WHY = (PydanticSerializationError, ValueError, TypeError)


def as_json(value: object) -> JsonValue:
    """Return the JSON form of what a tool returned, such that every database can keep it.

    Raises:
        InputError: It has none.
    """
    try:
        with contained():
            plain: JsonValue = to_jsonable_python(value)
            json.dumps(plain, allow_nan=False)
            kept = storable_json(plain)
            dumps(kept)
            return kept
    except Exception as error:  # turning a value into JSON may run the code of its class
        why = str(error) if isinstance(error, _SAYS_WHY) else described(error)
        message = storable(
            f"the tool returned a {type(value).__name__} that has no JSON form: {why}"
        )
        raise InputError(message) from error


def as_text(value: JsonValue) -> str:
    """Return text unchanged, None as "(no output)", anything else as JSON."""
    if isinstance(value, str):
        return value
    return NO_OUTPUT if value is None else json.dumps(value, ensure_ascii=False)


class ResultStore(Protocol):
    """Keeps results that are too long for a model."""

    async def put(self, text: str) -> str:
        """Store `text` once, however often it comes, and return its key."""
        ...

    async def get(self, key: str) -> str | None: ...


@dataclass(slots=True)
class MemoryResultStore:
    """Keeps the newest results in this process, up to `capacity` characters in all."""

    capacity: int = 20_000_000
    _texts: dict[str, str] = field(default_factory=dict)
    _size: int = 0

    async def put(self, text: str) -> str:
        key = name_digest(text)
        if key not in self._texts:
            self._texts[key] = text
            self._size += len(text)
            while self._size > self.capacity and len(self._texts) > 1:
                self._size -= len(self._texts.pop(next(iter(self._texts))))
        return key

    async def get(self, key: str) -> str | None:
        return self._texts.get(key)


@dataclass(frozen=True, slots=True)
class ResultLimit:
    """How much of a result a model sees."""

    length: int = 32_000
    head_fraction: float = 0.4
    store: ResultStore | None = None
    """Where whole results go; without one the cut-out middle is gone."""

    async def shorten(self, text: str) -> tuple[str, str | None]:
        """Return what the model sees, and the key of the whole if it is more."""
        if len(text) <= self.length:
            return text, None
        key = await self._stored(text)
        where = "is not stored" if key is None else f"read_result(key={key!r}, offset, length)"
        head = int(self.length * self.head_fraction)
        left_out = f"\n[… of {len(text)} characters; the rest: {where} …]\n"
        tail = self.length - head
        return text[:head] + left_out + text[len(text) - tail :], key

    async def _stored(self, text: str) -> str | None:
        """Return the key of the whole; None where there is no store, or it fails."""
        if self.store is None:
            return None
        try:
            with contained():
                return await self.store.put(text)
        except Exception:  # a store may be anybody's; what is shown of the result counts
            logger.exception("tool.result_not_stored")
            return None


def read_result_tool(store: ResultStore, *, most: int = 16_000) -> Tool:
    """Return the tool with which a model reads what was left out of a long result."""

    async def read_result(key: str, offset: int = 0, length: int = most) -> str:
        """Read part of a stored tool result.

        Args:
            key: The key that the shortened result names.
            offset: The first character, counted from 0.
            length: How many characters.
        """
        text = await store.get(key)
        if text is None:
            raise NotFoundError("stored result", key)
        if offset < 0 or length < 1:
            raise InputError("offset is 0 or more, length 1 or more")
        return text[offset : offset + min(length, most)]

    body: Callable[..., Awaitable[str]] = read_result
    return tool(body)

"""The rows in PostgreSQL: scripts awaited, each request in the statements that all SQL shares."""

import hashlib
from collections.abc import Sequence
from functools import partial
from typing import TypeVar, cast

from weft.checkpoint.base import ThreadKey
from weft.checkpoint.postgres.link import Link
from weft.checkpoint.requests import Now
from weft.checkpoint.script import Request, Script
from weft.checkpoint.sql import (
    Batch,
    Change,
    Lock,
    Place,
    Rows,
    Said,
    SqlTables,
    Statement,
)
from weft.checkpoint.sql.dialect import Dialect
from weft.checkpoint.tables import Claimable, Door

T = TypeVar("T")

_TABLES = SqlTables()
_LOCK = "SELECT pg_advisory_xact_lock(number) FROM unnest($1::bigint[]) AS number"


def put_for_postgres(text: str, *, ahead_s: float) -> str:
    """Return the text for PostgreSQL, with numbered values."""
    now = f"(round(extract(epoch FROM clock_timestamp()), 3)::float8 + {ahead_s!r}::float8)"
    first, *rest = text.replace("clock()", now).split("?")
    return first + "".join(f"${number}{part}" for number, part in enumerate(rest, start=1))


class Dialects(dict[float, Dialect]):
    """One for each clock that a test lets a server have."""

    def __missing__(self, ahead_s: float) -> Dialect:
        self[ahead_s] = Dialect(partial(put_for_postgres, ahead_s=ahead_s))
        return self[ahead_s]


class PostgresTables:
    """The rows as one transaction on `link` sees them."""

    def __init__(self, link: Link, dialect: Dialect) -> None:
        self._link = link
        self._dialect = dialect
        self._now: object = None
        self.changed = False

    async def play(self, script: Script[T]) -> T:
        """Play the script to its end, awaiting each answer."""
        reply: object = None
        while True:
            try:
                request = script.send(reply)
            except StopIteration as end:
                return cast("T", end.value)
            reply = await self._answer(request)

    async def _answer(self, request: Request[object]) -> object:
        if type(request) is Now and self._now is not None:
            return self._now
        answer = await self._reply(request)
        if self._now is None and type(request) is Now:
            self._now = answer
        elif self._now is None and isinstance(answer, Door | Claimable):
            self._now = answer.now
        return answer

    async def _reply(self, request: Request[object]) -> object:
        statements = _TABLES.statements(request)
        rows: Rows | None = None
        while True:
            try:
                said = statements.send(cast("Rows", rows))
            except StopIteration as end:
                return cast("object", end.value)
            rows = await self._execute(said)

    async def _execute(self, said: Said) -> Rows:
        if isinstance(said, Statement):
            rows = await self._link.fetch(self._dialect[said.text], *said.values)
            self.changed |= bool(rows) and not said.text.startswith("SELECT")
            return [tuple(row) for row in rows]
        if isinstance(said, Change):
            tag = await self._link.execute(self._dialect[said.text], *said.values)
            changes = int(tag.rsplit(" ", 1)[-1])
            self.changed |= changes > 0
            return ((changes,),)
        if isinstance(said, Batch):
            await self._link.executemany(self._dialect[said.text], said.lines)
            self.changed |= bool(said.lines)
        if isinstance(said, Lock):
            await self._link.fetch(_LOCK, _numbers(said.places))
        return ()


def _numbers(places: Sequence[Place]) -> list[int]:
    """Return the numbers by which the server locks places, in an order that all keep."""
    return sorted(_number(place) for place in places)


def _number(place: Place) -> int:
    if isinstance(place, ThreadKey):
        parts: tuple[str, ...] = ("thread", place.tenant, place.subject, place.thread_id)
    elif isinstance(place, str):
        parts = ("effect", place)
    else:
        parts = ("key", *place)
    digest = hashlib.blake2b(repr(parts).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)

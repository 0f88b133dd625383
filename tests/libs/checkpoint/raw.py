"""Statements of a test's own, played like any script."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from weft.checkpoint.script import Request, Script
from weft.checkpoint.sql import Rows, SqlTables, Statement, Statements, Value
from weft.checkpoint.store import DatabaseCheckpointer


@dataclass(frozen=True, slots=True)
class Raw(Request[Rows]):
    """A statement that no rule knows."""

    text: str
    values: tuple[Value, ...] = ()


def _raw(_: SqlTables, request: Raw) -> Statements[Rows]:
    return (yield Statement(request.text, request.values))


SqlTables.raw = _raw  # type: ignore[attr-defined]  # only a test asks for it


async def execute(store: DatabaseCheckpointer, text: str, *values: Value) -> Rows:
    """Execute one statement where the database writes, and return its rows."""
    script: Callable[[], Script[Rows]] = partial(_script, Raw(text, values))
    return await store._database.write(script)


async def select(store: DatabaseCheckpointer, text: str, *values: Value) -> Rows:
    """Execute one statement where the database reads, and return its rows."""
    return await store._database.read(partial(_script, Raw(text, values)))


def _script(request: Raw) -> Script[Rows]:
    return (yield from request)

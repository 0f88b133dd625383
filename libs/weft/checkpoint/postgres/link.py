"""The part of the driver's connection that is used, with types, and its errors in our words."""

import asyncio
from collections.abc import Sequence
from typing import Protocol

import asyncpg

from weft.core.errors import StoreFullError, StoreUnavailableError, WeftError

RETRYABLE = frozenset({"40001", "40P01", "23505"})
"""Two transactions met: one is to be played again. Of two that insert the same, the later one finds
on its next play what the first one inserted."""
_FULL = frozenset({"53100", "53400"})
_GONE = (
    OSError,
    TimeoutError,
    asyncio.IncompleteReadError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)


class Link(Protocol):
    """A connection to the server."""

    async def fetch(self, text: str, *values: object) -> Sequence[Sequence[object]]:
        """Return the rows."""
        ...

    async def execute(self, text: str, *values: object) -> str:
        """Return the server's tag, such as `INSERT 0 1`."""
        ...

    async def executemany(self, text: str, lines: Sequence[Sequence[object]]) -> None: ...

    def is_in_transaction(self) -> bool: ...

    def terminate(self) -> None: ...


class ConflictError(Exception):
    """Another transaction stood in the way of this one, which is to be played again."""


def translated(error: Exception, database: str) -> Exception:
    """Return what a caller can act on."""
    failure: WeftError
    if isinstance(error, asyncpg.PostgresError):
        code = str(error.sqlstate)
        if code in RETRYABLE:
            return ConflictError(code)
        if code in _FULL:
            failure = StoreFullError(f"the database {database} has no room: {error}")
        else:
            failure = StoreUnavailableError(f"the database {database} cannot be used: {error}")
    elif isinstance(error, _GONE):
        reason = str(error) or type(error).__name__
        failure = StoreUnavailableError(f"the database {database} cannot be reached: {reason}")
    else:
        return error
    failure.__cause__ = error
    return failure

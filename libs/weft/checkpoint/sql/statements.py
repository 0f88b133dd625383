"""What a driver of an SQL database executes, and what it answers."""

from collections.abc import Generator, Sequence
from typing import NamedTuple, TypeVar

from weft.checkpoint.base import ThreadKey
from weft.checkpoint.tables import RequestKey

T = TypeVar("T")

Value = str | int | float | bytes | None
Row = tuple[object, ...]
Rows = Sequence[Row]
Place = ThreadKey | RequestKey | str
"""A thread, the key of a request, or that of an effect."""


class Statement(NamedTuple):
    """A constant text, with `?` for each value; it is answered with its rows."""

    text: str
    values: tuple[Value, ...] = ()


class Change(NamedTuple):
    """A statement without rows; it is answered with one row, of how many it changed."""

    text: str
    values: tuple[Value, ...]


class Batch(NamedTuple):
    """A statement without rows, executed for each line of values."""

    text: str
    lines: Sequence[tuple[Value, ...]]


class Lock(NamedTuple):
    """Lock, where there may be nothing yet, that this transaction alone fills until its end.

    A database with one writer at a time has nothing to do for them.
    """

    places: tuple[Place, ...]


Said = Statement | Change | Batch | Lock
Statements = Generator[Said, Rows, T]
"""Statements in the order of their need, each answered with its rows."""

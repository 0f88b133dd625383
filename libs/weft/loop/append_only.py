"""An append-only sequence whose versions share one buffer."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Generic, TypeVar, overload

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Grown(Sequence[T_co], Generic[T_co]):
    """A frozen view of the first elements of a buffer that only ever grows.

    The newest view grows in place; growing an older one copies its prefix once.
    """

    __slots__ = ("_buffer", "_length")

    def __init__(self, items: Iterable[T_co] = ()) -> None:
        self._buffer: list[T_co] = list(items)
        self._length = len(self._buffer)

    def plus(self, *items: T) -> "Grown[T_co | T]":
        """Return this sequence with `items` behind it."""
        if not items:
            return self
        buffer: list[T_co | T] = self._buffer  # type: ignore[assignment]  # views hide additions
        if len(buffer) != self._length:
            buffer = buffer[: self._length]
        buffer.extend(items)
        grown: Grown[T_co | T] = Grown.__new__(Grown)
        grown._buffer, grown._length = buffer, len(buffer)
        return grown

    @overload
    def __getitem__(self, at: int) -> T_co: ...
    @overload
    def __getitem__(self, at: slice) -> tuple[T_co, ...]: ...
    def __getitem__(self, at: int | slice) -> T_co | tuple[T_co, ...]:
        if isinstance(at, slice):
            return tuple(self._buffer[index] for index in range(*at.indices(self._length)))
        return self._buffer[range(self._length)[at]]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[T_co]:
        if len(self._buffer) == self._length:
            return iter(tuple(self._buffer))
        return iter(self._buffer[: self._length])

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Grown) and tuple(self) == tuple(other)

    def __hash__(self) -> int:
        return hash(tuple(self))

    def __repr__(self) -> str:
        return f"Grown({list(self)!r})"

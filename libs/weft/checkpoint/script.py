"""Rules as scripts: generators that say what they need of a database and are handed it.

A script knows no driver. One that answers at once plays it inside its transaction; one over a
network awaits each answer. Whatever a script decides, it decides from its arguments and the answers
alone, so it may be played again from the start where a transaction could not be kept.
"""

from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Generic, TypeVar, cast, dataclass_transform

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Request(Generic[R_co]):
    """One thing that a script asks of the database: `answer = yield from ReadRun(run_id)`.

    Every way to keep tables answers each kind by the method of its `name`.
    """

    __slots__: tuple[str, ...] = ()
    name: str

    def __init_subclass__(cls) -> None:
        words = [f"_{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__]
        cls.name = "".join(words).lstrip("_")

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self._fields() == other._fields()

    def __repr__(self) -> str:
        return f"{type(self).__name__}{self._fields()}"

    def _fields(self) -> tuple[object, ...]:
        return tuple([getattr(self, name) for name in self.__slots__])

    __hash__ = None  # type: ignore[assignment]  # as of any value that may hold a list

    def __iter__(self) -> Generator["Request[object]", object, R_co]:
        return cast("R_co", (yield self))


@dataclass_transform(frozen_default=True)
def request(kind: type[T]) -> type[T]:
    """Make a request of the fields that `kind` names.

    To the type checker it is frozen; what would hold that at run time as well makes each of them
    twice as dear, and a rule makes one for whatever it asks. The rest of what a dataclass has is
    written once, above: writing it for each kind anew was the dearest import of a process.
    """
    return dataclass(slots=True, eq=False, repr=False, match_args=False)(kind)


Script = Generator[Request[object], object, T]
"""Asks, is answered, and returns what it came to; whatever it raises undoes all it wrote."""


def play(script: Script[T], answer: Callable[[Request[object]], object]) -> T:
    """Play the script to its end with answers that are there at once."""
    try:
        request = next(script)
        while True:
            request = script.send(answer(request))
    except StopIteration as end:
        return cast("T", end.value)

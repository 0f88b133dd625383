"""Rules as scripts: generators that say what they need of a database and are handed it.

A script knows no driver. One that answers at once plays it inside its transaction; one over a
network awaits each answer. Whatever a script decides, it decides from its arguments and the answers
alone, so it may be played again from the start where a transaction could not be kept.
"""

from collections.abc import Callable, Generator
from typing import Generic, TypeVar, cast

T = TypeVar("T")
R_co = TypeVar("R_co", covariant=True)


class Request(Generic[R_co]):
    """One thing that a script asks of the database: `answer = yield from ReadRun(run_id)`.

    Every way to keep tables answers each kind by the method of its `name`.
    """

    __slots__ = ()
    name: str

    def __init_subclass__(cls) -> None:
        words = [f"_{letter.lower()}" if letter.isupper() else letter for letter in cls.__name__]
        cls.name = "".join(words).lstrip("_")

    def __iter__(self) -> Generator["Request[object]", object, R_co]:
        return cast("R_co", (yield self))


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

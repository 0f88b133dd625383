"""What is wrong with one file or row, told in the result instead of ending the analysis."""

import errno
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from incidents.text import cut
from incidents.unpacking import PackedError
from weft.core.record import JsonObject

__all__ = ["FileProblem", "guarded"]

_MOST_WORDS = 200


@dataclass(frozen=True, slots=True)
class FileProblem:
    """What is wrong with one file; the rest is read all the same."""

    file: str
    problem: str
    line: int = 0
    """Where it is first wrong; 0 where it is no matter of a line."""

    def __str__(self) -> str:
        return f"line {self.line}: {self.problem}" if self.line else self.problem

    def to_json(self) -> JsonObject:
        where: JsonObject = {"line": self.line} if self.line else {}
        return {"file": self.file, "problem": self.problem, **where}


class OutsideError(PermissionError):
    """The path leads out of its root, or to the ground truth."""

    def __init__(self) -> None:
        super().__init__(errno.EACCES, "refused: it leads out of the data root")


@contextmanager
def guarded(tell: Callable[[str], None]) -> Iterator[None]:
    """Tell what goes wrong with one file, directory or rule, and go on behind the block."""
    try:
        yield
    except Exception as error:  # noqa: BLE001 - whatever is wrong with one costs that one alone
        tell(why(error))


def why(error: Exception) -> str:
    """Say what an error means for the file that caused it; never with a path of this machine."""
    match error:
        case OutsideError():
            text = str(error.strerror)
        case FileNotFoundError():
            text = "does not exist"
        case _ if isinstance(error, PackedError):
            text = f"cannot be decompressed: {error}"
        case OSError():
            text = f"cannot be read: {error.strerror or error}"
        case SyntaxError():
            text = f"line {error.lineno}: {error.msg}"
        case RecursionError() | MemoryError():
            text = "is nested too deeply, or too large, to be read"
        case ValueError():
            text = f"cannot be read: {error}"
        case _:
            text = f"cannot be read: {type(error).__name__}: {error}"
    return cut(text, _MOST_WORDS)

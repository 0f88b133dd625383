"""Changes as a unified diff that `git apply` takes, byte for byte."""

import difflib
from collections.abc import Iterator, Mapping

from weft.core import Record

__all__ = ["Change", "unified_diff"]

_NO_END = "\\ No newline at end of file\n"


class Change(Record):
    """What a file held, and what it is to hold; None: it was not there, or is to go."""

    before: str | None
    after: str | None
    executable: bool = False

    @property
    def changes_nothing(self) -> bool:
        return self.before == self.after


def unified_diff(changes: Mapping[str, Change]) -> str:
    """Return the patch of all changes, by path."""
    return "".join(
        line
        for path, change in sorted(changes.items())
        if not change.changes_nothing
        for line in _of_file(path, change)
    )


def _of_file(path: str, change: Change) -> Iterator[str]:
    mode = "100755" if change.executable else "100644"
    old, new = f"a/{path}", f"b/{path}"
    yield f"diff --git {old} {new}\n"
    if change.before is None:
        yield f"new file mode {mode}\n"
        old = "/dev/null"
    elif change.after is None:
        yield f"deleted file mode {mode}\n"
        new = "/dev/null"
    before, after = _lines(change.before or ""), _lines(change.after or "")
    for line in difflib.unified_diff(before, after, _name(old), _name(new)):
        yield line if line.endswith("\n") else f"{line}\n{_NO_END}"


def _name(path: str) -> str:
    # A tab ends a name that holds a space.
    return f"{path}\t" if " " in path else path


def _lines(text: str) -> list[str]:
    """Split at line feeds alone: what else Python takes for an end stands inside a line here."""
    lines = text.split("\n")
    return [f"{line}\n" for line in lines[:-1]] + lines[-1:] * bool(lines[-1])

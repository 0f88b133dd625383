"""How one database says the shared statements."""

from collections.abc import Callable

from weft.checkpoint.sql import texts


class Dialect(dict[str, str]):
    """Statements by their shared texts, each put once."""

    def __init__(self, put: Callable[[str], str]) -> None:
        super().__init__()
        self._put = put

    def __missing__(self, text: str) -> str:
        self[text] = self._put(text)
        return self[text]


def put_for_sqlite(text: str, *, ahead_s: float) -> str:
    """Return the text for SQLite, whose one writer needs no locks."""
    for lock in (texts.UNLESS_LOCKED, texts.LOCKED):
        text = text.removesuffix(lock)
    # `unixepoch('subsec')` is NULL before 3.42; the Julian day has milliseconds everywhere.
    now = f"(round((julianday('now') - 2440587.5) * 86400.0, 3) + {ahead_s!r})"
    return text.replace("greatest(", "max(").replace("clock()", now)

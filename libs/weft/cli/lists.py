"""Lists on a terminal: all pages of one, as columns."""

from collections.abc import Iterator, Mapping, Sequence

from weft.cli.client import Gateway, UnreachableError
from weft.cli.text import one_line
from weft.core import JsonObject, JsonValue

PAGE = 100
WIDEST = 60
"""Characters of a column but the last one, which is as long as it is."""


async def entries(
    gateway: Gateway, *place: str, limit: int, query: Mapping[str, str | None]
) -> list[JsonObject]:
    """Return at most `limit` entries of a list, newest first; a condition that is None is none.

    Raises:
        UnreachableError: The gateway does not answer, refused, or its answer is no list.
    """
    wanted = {name: value for name, value in query.items() if value is not None}
    rows: list[JsonObject] = []
    while True:
        size = str(min(PAGE, limit - len(rows)))
        page = await gateway.get(*place, limit=size, **wanted)
        data, cursor = page.get("data"), page.get("next_cursor")
        if not isinstance(data, list):
            raise UnreachableError(f"no gateway of this version of Weft answers at {gateway.url}")
        rows += [entry for entry in data if isinstance(entry, dict)]
        if not isinstance(cursor, str) or len(rows) >= limit:
            return rows[:limit]
        wanted["cursor"] = cursor


def own_or_all(listed: object, names: Sequence[str]) -> list[list[str]]:
    """Return a row of each entry's fields, with whose it is where they are not all one subject's."""
    rows = listed if isinstance(listed, list) else []
    if len({words(row.get("subject")) for row in rows}) > 1:
        *first, last = names
        names = (*first, "subject", last)
    return [[words(row.get(name)) for name in names] for row in rows]


def columns(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Yield the rows, each column as wide as its widest entry."""
    cells = [[one_line(cell) for cell in row] for row in rows]
    widths = [min(max(map(len, column)), WIDEST) for column in zip(*cells, strict=True)]
    for row in cells:
        *cut, last = [cell if len(cell) <= WIDEST else cell[: WIDEST - 1] + "…" for cell in row]
        padded = [cell.ljust(width) for cell, width in zip(cut, widths, strict=False)]
        yield "  ".join((*padded, row[-1] if len(row[-1]) > len(last) else last)).rstrip()


def words(value: JsonValue) -> str:
    """Return a field's value for a person."""
    return "-" if value is None or value == "" else str(value)

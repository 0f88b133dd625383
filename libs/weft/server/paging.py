"""Lists over HTTP: `limit` and an opaque `cursor` in, `{data, next_cursor, has_more}` out."""

import base64
import binascii
from collections.abc import Collection, Sequence
from typing import TypeVar

from starlette.requests import Request
from starlette.responses import Response

from weft.checkpoint import Page
from weft.core import JsonValue
from weft.core.edge_errors import InvalidCursorError
from weft.core.errors import InputError
from weft.core.numbers import whole_number
from weft.server.admission import json_response

T = TypeVar("T")

MOST, USUAL = 100, 20
LIST_QUERY = ("limit", "cursor")
MAX_POSITION = 2**62
_MARK = b"p"


def page_wanted(request: Request, conditions: Collection[str] = ()) -> tuple[int, int | None]:
    """Return how many entries are wanted, and where the page begins.

    Raises:
        InputError: `limit` is none, or the query asks for what this list does not know.
        InvalidCursorError: The cursor came from no list.
    """
    allowed = {*LIST_QUERY, *conditions}
    if unknown := sorted(set(request.query_params) - allowed):
        raise InputError(
            f"this list takes {', '.join(sorted(allowed))}, not {unknown[0]!r}", field=unknown[0]
        )
    limit = whole_number(request.query_params.get("limit", str(USUAL)), least=1, most=MOST)
    if limit is None:
        raise InputError(f"limit must be an integer from 1 to {MOST}", field="limit")
    cursor = request.query_params.get("cursor")
    return limit, None if cursor is None else _position(cursor)


def page_response(page: Page[T], data: Sequence[JsonValue]) -> Response:
    """Return the answer with what the page's entries are shown as."""
    return json_response(
        {
            "data": [*data],
            "next_cursor": None if page.next is None else _cursor(page.next),
            "has_more": page.next is not None,
        }
    )


def _cursor(position: int) -> str:
    return base64.urlsafe_b64encode(_MARK + str(position).encode()).decode().rstrip("=")


def _position(cursor: str) -> int:
    try:
        text = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        text = b""
    digits = text.removeprefix(_MARK).decode("ascii", errors="replace")
    position = whole_number(digits, least=0, most=MAX_POSITION)
    if position is None or text == digits.encode():
        raise InvalidCursorError("the cursor is none that a list gave out: begin without one")
    return position

"""A request's body as every door takes it: JSON by its own account, and no more than may come."""

from collections.abc import AsyncIterable, Collection, Sequence

from weft.core.edge_errors import InvalidRequestLineError
from weft.core.numbers import MAX_DIGITS, whole_number
from weft.core.protocol_errors import BodyTooLargeError, MediaTypeError

__all__ = ["check_type", "collected", "declared_length"]

_UTF_8 = frozenset({"utf-8", "utf8", "us-ascii"})


def check_type(types: Sequence[str], *, accepted: Collection[str]) -> None:
    """Return if a body with these `Content-Type` fields is read here.

    Raises:
        MediaTypeError: It is of another type, of none, or in another encoding than UTF-8.
    """
    kind, _, parameters = "".join(types).lower().partition(";")
    for parameter in parameters.split(";"):
        name, _, value = parameter.strip().partition("=")
        if name == "charset" and value.strip('"') not in _UTF_8:
            raise MediaTypeError("send the body in UTF-8")
    if len(types) != 1 or kind.strip() not in accepted:
        raise MediaTypeError(f"send the body as {' or '.join(sorted(accepted))}")


def declared_length(lengths: Sequence[str]) -> int | None:
    """Return the number of the `Content-Length` fields; None where there is none.

    Raises:
        InvalidRequestLineError: There are several, or it is no number.
    """
    if not lengths:
        return None
    number = whole_number(lengths[0], least=0, most=10**MAX_DIGITS)
    if number is None or len(lengths) > 1:
        raise InvalidRequestLineError("there must be one Content-Length, a number")
    return number


async def collected(
    chunks: AsyncIterable[bytes], *, most: int, declared: int | None = None
) -> bytes:
    """Return the body; of one that is too long, or says so, as little as possible is read.

    Raises:
        BodyTooLargeError: It goes beyond `most` bytes.
    """
    if declared is not None and declared > most:
        raise BodyTooLargeError(most)
    parts: list[bytes] = []
    size = 0
    async for chunk in chunks:
        size += len(chunk)
        if size > most:
            raise BodyTooLargeError(most)
        parts.append(chunk)
    return parts[0] if len(parts) == 1 else b"".join(parts)

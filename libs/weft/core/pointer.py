"""JSON pointers (RFC 6901)."""

from typing import Final

__all__ = ["ABSENT", "resolve"]

ABSENT: Final = object()
"""What a pointer into nothing names; equal to no JSON value."""


def resolve(value: object, pointer: str) -> object:
    """Return what an RFC 6901 pointer names in `value`, or `ABSENT`."""
    if not pointer:
        return value
    if not pointer.startswith("/"):
        return ABSENT
    for raw in pointer[1:].split("/"):
        value = _member(value, raw.replace("~1", "/").replace("~0", "~"))
        if value is ABSENT:
            break
    return value


def _member(value: object, token: str) -> object:
    if isinstance(value, dict):
        return value.get(token, ABSENT)
    if isinstance(value, list) and token.isascii() and token.isdigit():
        return value[int(token)] if int(token) < len(value) else ABSENT
    return ABSENT

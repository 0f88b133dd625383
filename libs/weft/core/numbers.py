"""Whole numbers as requests write them: in a query, a header, a cursor."""

__all__ = ["MAX_DIGITS", "whole_number"]

MAX_DIGITS = 16
"""More than any bound here needs, and few enough for every database and every reader."""


def whole_number(text: str, *, least: int, most: int) -> int | None:
    """Return the number that `text` is, None where it is none from `least` to `most`.

    ASCII digits and nothing else, and all of them: a number is never read in part.
    """
    if len(text) > MAX_DIGITS or not (text.isascii() and text.isdigit()):
        return None
    number = int(text)
    return number if least <= number <= most else None

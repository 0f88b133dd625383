"""Bytes of recordings as text, whatever encoding they are in."""

import codecs
import re
from collections.abc import Iterable, Iterator

from weft.core.storable import storable

_SINGLE_BYTES = "incidents.single-bytes"
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PADDING = re.compile(r"(?<![^\n])\0++|\0\0++")
"""What a rotation leaves of a file that is written on: before its lines, or many in a row."""
_LOOKED_AT = 512
_FEW = 0.1
_MANY = 0.4


class Decoding:
    """Turns the chunks of one file into text; NULs that only pad are left out."""

    def __init__(self, start: bytes) -> None:
        """Choose by the first bytes: their mark, else where their zeros stand."""
        mark, self.encoding = next(
            ((mark, name) for mark, name in _MARKS if start.startswith(mark)),
            (b"", _without_mark(start[:_LOOKED_AT])),
        )
        self._mark = len(mark)
        self._decoder = codecs.getincrementaldecoder(self.encoding)(_SINGLE_BYTES)
        self.odd = 0
        """How many bytes were no text in that encoding, and read as Latin-1."""

    def texts(self, chunks: Iterable[bytes]) -> Iterator[str]:
        """Yield the text of each chunk."""
        skipped = self._mark
        for chunk in chunks:
            yield self._text(chunk[skipped:])
            skipped = 0
        yield self._text(b"", final=True)

    def _text(self, chunk: bytes, *, final: bool = False) -> str:
        text = self._decoder.decode(chunk, final)
        if not text.isascii():
            marked = text.count(_ODD)
            if marked:
                self.odd += marked
                text = text.replace(_ODD, "")
        return storable(_PADDING.sub("", text)) if "\0" in text else text


_ODD = "\U0010ffff"
"""No character: stands before each byte that was no text until those are counted."""


def _single_bytes(error: UnicodeError) -> tuple[str, int]:
    """Read bytes that are no UTF-8 as Latin-1, and half a character of UTF-16 as a mark."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    odd = error.object[error.start : error.end]
    if error.encoding == "utf-8":
        return "".join(f"{_ODD}{chr(byte)}" for byte in odd), error.end
    return f"{_ODD}\ufffd", error.end


codecs.register_error(_SINGLE_BYTES, _single_bytes)


def _without_mark(start: bytes) -> str:
    """Tell UTF-16 by its zeros: in text of western languages each second byte is one."""
    half = len(start) // 2
    if not half or start.count(b"\0") == len(start):
        return "utf-8"
    even, odd = start[0::2].count(b"\0") / half, start[1::2].count(b"\0") / half
    if odd > _MANY and even < _FEW:
        return "utf-16-le"
    return "utf-16-be" if even > _MANY and odd < _FEW else "utf-8"

"""Data files as streams of bytes: what is packed is unpacked while it is read."""

import bz2
import gzip
import io
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import PurePosixPath
from typing import BinaryIO, Protocol, cast

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

_PACKED = 16 << 10
"""So much is read of an archive at a time, since what a stream leaves of it is copied."""
_MOST_STREAMS = 10_000
_MEMORY = 128 << 20
"""No archive may want more of it, whatever it says of itself."""
_ENDINGS = frozenset({".gz", ".xz", ".zst", ".bz2"})

PackedError = (lzma.LZMAError, zlib.error, zstd.ZstdError, gzip.BadGzipFile, EOFError)
"""What a damaged archive raises."""


def plain_name(name: str) -> str:
    """Return a file's name without the ending that tells how it is packed."""
    path = PurePosixPath(name)
    return name[: -len(path.suffix)] if path.suffix.casefold() in _ENDINGS else name


@contextmanager
def unpacked(raw: BinaryIO) -> Iterator[BinaryIO]:
    """Yield the content of a file, unpacked if its first bytes say that it is packed.

    Reading raises one of `PackedError`, or an `OSError`, where the archive is damaged.
    """
    start = raw.read(6)
    raw.seek(0)
    opening = next((of for magic, of in _OPENINGS.items() if start.startswith(magic)), None)
    if opening is None:
        yield raw
        return
    with opening(raw) as stream:
        yield stream


class _Unpacker(Protocol):
    """What unpacks one stream of an archive, as the standard library has it for each packing."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


class _Streams(io.RawIOBase):
    """The streams of one archive, one after the other.

    The library's own files have no bound for memory, and give nothing of what stands before a cut.
    """

    def __init__(self, raw: BinaryIO, unpacker: Callable[[], _Unpacker]) -> None:
        self._raw = raw
        self._new = unpacker
        self._streams = 0
        self._waiting = b""
        self._unpacker: _Unpacker | None = None

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        while (unpacker := self._current()) is not None:
            content = unpacker.decompress(self._waiting, size)
            if unpacker.eof:
                self._waiting, self._unpacker = unpacker.unused_data, None
            else:
                self._waiting = self._raw.read(_PACKED) if unpacker.needs_input else b""
                if unpacker.needs_input and not self._waiting and not content:
                    raise EOFError("the file ends too early")
            if content:
                return content
        return b""

    def _current(self) -> _Unpacker | None:
        """Return what unpacks the stream at hand, or the next one; None behind the last."""
        if self._unpacker is None:
            self._waiting = self._waiting or self._raw.read(_PACKED)
            if not self._waiting:
                return None
            self._streams += 1
            if self._streams > _MOST_STREAMS:
                raise lzma.LZMAError(f"it has more than {_MOST_STREAMS} streams")
            self._unpacker = self._new()
        return self._unpacker


def _xz() -> _Unpacker:
    return lzma.LZMADecompressor(memlimit=_MEMORY)


def _zstandard() -> _Unpacker:
    limit = {int(zstd.DecompressionParameter.window_log_max): _MEMORY.bit_length() - 1}
    return zstd.ZstdDecompressor(options=limit)


_OPENINGS: dict[bytes, Callable[[BinaryIO], BinaryIO]] = {
    b"\x1f\x8b": lambda raw: cast("BinaryIO", gzip.GzipFile(fileobj=raw)),
    b"BZh": lambda raw: cast("BinaryIO", _Streams(raw, bz2.BZ2Decompressor)),
    b"\xfd7zXZ\x00": lambda raw: cast("BinaryIO", _Streams(raw, _xz)),
    b"\x28\xb5\x2f\xfd": lambda raw: cast("BinaryIO", _Streams(raw, _zstandard)),
}

"""Long texts as SQLite keeps them: compressed, as PostgreSQL does by itself.

What is short stays text that any tool can read and costs no time. A compressed value is a blob, so
that a text can never be taken for one.
"""

import zlib

FROM_CHARACTERS = 2_048
"""A shorter text is kept as it is."""
LEVEL = 1
"""The fastest: of JSON the best one leaves a fifth less, in twice the time."""
PACKED = b"x"
"""What every compressed value begins with, and no JSON."""


def packed(text: str) -> str | bytes:
    """Return what is stored of `text`."""
    if len(text) < FROM_CHARACTERS:
        return text
    whole = text.encode()
    small = zlib.compress(whole, LEVEL)
    return small if len(small) < len(whole) else text


def unpacked(stored: str | bytes) -> str:
    """Return the text of which `stored` was kept."""
    return stored if isinstance(stored, str) else zlib.decompress(stored).decode()


def packed_entry(entry: bytes) -> bytes:
    """Return what is stored of a thread's entry, which holds whatever tools said in its run."""
    if entry.startswith(PACKED):
        # Whatever it is: what is stored and begins so is compressed.
        return zlib.compress(entry, LEVEL)
    if len(entry) < FROM_CHARACTERS:
        return entry
    small = zlib.compress(entry, LEVEL)
    return small if len(small) < len(entry) else entry


def unpacked_entry(stored: bytes) -> bytes:
    """Return the entry of which `stored` was kept."""
    return zlib.decompress(stored) if stored.startswith(PACKED) else stored

import os

import pytest

from weft.checkpoint.sqlite.packing import (
    FROM_CHARACTERS,
    packed,
    packed_entry,
    unpacked,
    unpacked_entry,
)


@pytest.mark.parametrize("text", ["", "short", "é" * FROM_CHARACTERS, '{"a": 1}' * 5_000])
def test_a_text_is_read_as_it_was_written(text: str) -> None:
    assert unpacked(packed(text)) == text


def test_a_short_text_stays_one_that_any_tool_reads() -> None:
    text = "x" * (FROM_CHARACTERS - 1)

    assert packed(text) == text


def test_a_long_one_takes_a_fraction() -> None:
    text = '{"line": "connection reset by peer", "count": 33}' * 400

    assert len(packed(text)) < len(text) / 10


def test_what_does_not_shrink_stays_text() -> None:
    noise = os.urandom(40_000).decode("latin-1").replace("\0", "x")

    kept = packed(noise)

    assert unpacked(kept) == noise
    assert len(kept if isinstance(kept, bytes) else kept.encode()) <= len(noise.encode())


@pytest.mark.parametrize(
    "entry", [b"", b"x", b"x\x01", b"\xff", b"x" * 9_000, b'{"line": "refused"}' * 400]
)
def test_an_entry_is_read_as_it_was_written(entry: bytes) -> None:
    assert unpacked_entry(packed_entry(entry)) == entry


def test_a_long_entry_takes_a_fraction_and_a_short_one_stays() -> None:
    line = b'{"line": "connection reset by peer", "count": 33}'

    assert packed_entry(line) == line
    assert len(packed_entry(line * 400)) < len(line) * 40


def test_entries_of_an_earlier_version_are_read() -> None:
    """They were kept as they came, and are JSON: none begins as a compressed one does."""
    assert unpacked_entry(b'{"role":"user"}' * 900) == b'{"role":"user"}' * 900

import os

import pytest

from weft.checkpoint.sqlite.packing import FROM_CHARACTERS, packed, unpacked


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

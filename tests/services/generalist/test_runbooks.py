"""Text files as passages: where headings stand, what is left out, and what is said of it."""

import os
from pathlib import Path

import pytest

from services.generalist import runbooks
from services.generalist.library import Library
from services.generalist.runbooks import Passage, listed, read, split


def passages(text: str) -> list[tuple[int, tuple[str, ...], str]]:
    return [(part.line, part.headings, part.text) for part in split("a.md", text)]


def test_a_text_is_split_where_its_headings_stand() -> None:
    text = "Before.\n# Disk\nGrow it.\n## Full\n1. Look.\n2. Grow.\n# Net ##\nWait.\n"

    assert passages(text) == [
        (1, (), "Before."),
        (2, ("Disk",), "Grow it."),
        (4, ("Disk", "Full"), "1. Look.\n2. Grow."),
        (7, ("Net",), "Wait."),
    ]


def test_underlined_headings_are_headings_and_tables_are_not() -> None:
    text = "Disk\n====\nGrow.\nFull\n----\nLook.\n| a | b |\n---------\n| 1 | 2 |\n"

    assert passages(text) == [
        (1, ("Disk",), "Grow."),
        (4, ("Disk", "Full"), "Look.\n| a | b |\n---------\n| 1 | 2 |"),
    ]


def test_a_comment_in_a_command_is_no_heading() -> None:
    text = "# Drain\n```\n# first\nkubectl drain n1\n```\nDone.\n"

    assert passages(text) == [(1, ("Drain",), "```\n# first\nkubectl drain n1\n```\nDone.")]


def test_a_long_part_is_split_between_paragraphs_and_loses_nothing() -> None:
    steps = [f"{number}. {'turn the wheel ' * 20}" for number in range(30)]
    parts = list(split("a.md", "# Wheel\n" + "\n\n".join(steps)))

    assert len(parts) > 3
    assert all(len(part.text) <= runbooks.LONGEST for part in parts)
    assert all(part.headings == ("Wheel",) for part in parts)
    kept = "\n".join(part.text for part in parts)
    assert [row.strip() for row in kept.splitlines() if row] == [step.strip() for step in steps]


def test_a_line_without_end_is_split_too() -> None:
    parts = list(split("a.md", "# Wheel\n" + "turn" * 2_000))

    assert "".join(part.text for part in parts) == "turn" * 2_000
    assert all(len(part.text) <= runbooks.LONGEST for part in parts)


def test_only_texts_below_the_root_are_read(tmp_path: Path) -> None:
    root, outside = tmp_path / "books", tmp_path / "secret.md"
    (root / "deep").mkdir(parents=True)
    outside.write_text("# Secret\nthe code is 42\n")
    (root / "a.md").write_text("# A\nfirst\n")
    (root / "deep" / "b.txt").write_text("second\n")
    (root / "c.py").write_text("# no runbook\n")
    (root / ".hidden.md").write_text("# hidden\n")
    (root / "link.md").symlink_to(outside)
    (root / "bad.md").write_bytes(b"\xff\xfe\x00")

    books = read(root, listed(root))

    assert [part.text for part in books.passages] == ["first", "second"]
    assert {one.file for one in books.unread} == {"bad.md", "link.md"}
    assert "UTF-8" in next(one.reason for one in books.unread if one.file == "bad.md")
    assert "42" not in str(books)


def test_what_is_too_much_is_cut_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runbooks, "MOST_FILES", 2)
    monkeypatch.setattr(runbooks, "MOST_BYTES", 20)
    for name in ("a", "b", "c"):
        (tmp_path / f"{name}.md").write_text(f"# {name}\n{'x ' * 30}\n")

    books = read(tmp_path, listed(tmp_path))

    assert books.files == 2
    assert [one.reason for one in books.unread] == [
        "only its first 20 bytes were read",
        "only its first 20 bytes were read",
        "only 2 of its files were read",
    ]


def test_runbooks_are_read_again_when_a_file_changed(tmp_path: Path) -> None:
    book = tmp_path / "a.md"
    book.write_text("# A\nfirst\n")
    library = Library([tmp_path])
    before = library.shelf()

    assert library.shelf() is before
    book.write_text("# A\nanother one\n")
    os.utime(book, ns=(1, 1))

    assert [part.text for part in library.shelf().runbooks.passages] == ["another one"]


def test_a_root_that_is_gone_is_named(tmp_path: Path) -> None:
    root = tmp_path / "books"
    root.mkdir()
    (root / "a.md").write_text("# A\nfirst\n")
    library = Library([root, tmp_path / "gone"])

    books = library.shelf().runbooks

    assert [part.text for part in books.passages] == ["first"]
    assert [one.file for one in books.unread] == [str(tmp_path / "gone")]


def test_a_passage_is_cited_by_its_file_and_line() -> None:
    assert Passage("disk.md", 7, ("Disk",), "Grow.").place == "disk.md:7"

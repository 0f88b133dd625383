"""What a team wrote down for itself: text files, split where their headings stand."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from incidents.roots import Root

SUFFIXES = frozenset({".md", ".markdown", ".txt", ".rst"})
MOST_FILES, MOST_ENTRIES, MOST_BYTES, DEEPEST = 2_000, 20_000, 1 << 20, 6
"""Of a root: files that are read, names in a directory, bytes of a file, directories below one
another."""
LONGEST = 2_400
"""Characters of a passage; what is longer under one heading is split between paragraphs."""
_HEADING = re.compile(r"(#{1,6})[ \t]++(\S.*+)")
_UNDERLINE = re.compile(r"(?:={3,}+|-{3,}+|~{3,}+)\s*+")
_FENCE = re.compile(r"\s{0,3}(?:```|~~~)")


@dataclass(frozen=True, slots=True)
class Passage:
    """What stands under one heading, and where."""

    file: str
    """Below its root."""
    line: int
    """Of the heading, from 1."""
    headings: tuple[str, ...]
    """From the title down to the one that it stands under."""
    text: str

    @property
    def place(self) -> str:
        """Where it stands, as it is cited."""
        return f"{self.file}:{self.line}"


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that is no part of the answer, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listing:
    """The files below a root as they are now: name, size and time of the last change."""

    files: tuple[tuple[str, int, int], ...]
    more: bool = False
    """There are more than are read."""


@dataclass(frozen=True, slots=True)
class Runbooks:
    """All that was read below some roots."""

    passages: tuple[Passage, ...]
    files: int
    unread: tuple[Unread, ...] = ()


def listed(root: Path) -> Listing:
    """Return what may be read below `root`, by name; links that lead out of it are left alone.

    Raises:
        OSError: The root cannot be listed.
    """
    opening, files = Root(root), list[tuple[str, int, int]]()
    pending, more = [("", 0)], False
    while pending:
        directory, deep = pending.pop()
        entries = opening.entries(directory or ".", MOST_ENTRIES)
        more |= len(entries) == MOST_ENTRIES
        for name, is_directory in entries:
            below = f"{directory}/{name}" if directory else name
            if name.startswith("."):
                continue
            if is_directory and deep < DEEPEST:
                pending.append((below, deep + 1))
            elif PurePosixPath(name).suffix.lower() in SUFFIXES:
                if len(files) == MOST_FILES:
                    return Listing(tuple(sorted(files)), more=True)
                files.append((below, *_stamp(root / below)))
    return Listing(tuple(sorted(files)), more)


def read(root: Path, listing: Listing) -> Runbooks:
    """Return the passages of the files in `listing`; one that cannot be read is named."""
    passages, unread = list[Passage](), list[Unread]()
    for file, _, _ in listing.files:
        try:
            with Root(root).opened(file) as stream:
                content = stream.read(MOST_BYTES + 1)
            text = content[:MOST_BYTES].decode("utf-8")
        except (OSError, ValueError) as error:
            unread.append(Unread(file, _why(error)))
            continue
        if len(content) > MOST_BYTES:
            unread.append(Unread(file, f"only its first {MOST_BYTES} bytes were read"))
        passages += split(file, text)
    if listing.more:
        unread.append(Unread(str(root), f"only {len(listing.files)} of its files were read"))
    return Runbooks(tuple(passages), len(listing.files), tuple(unread))


def split(file: str, text: str) -> Iterator[Passage]:
    """Yield what stands under each heading of a text in Markdown, or with underlined headings."""
    headings: tuple[str, ...] = ()
    begin, lines, fenced = 1, list[str](), False
    rows = text.splitlines()
    for number, row in enumerate(rows, start=1):
        fenced ^= bool(_FENCE.match(row))
        level, title = (0, "") if fenced else _heading(row, rows[number : number + 1])
        if level:
            yield from _passages(file, begin, headings, lines)
            headings = (*headings[: level - 1], title)
            begin, lines = number, []
        elif not (lines == [] and _UNDERLINE.fullmatch(row)):
            lines.append(row)
    yield from _passages(file, begin, headings, lines)


def _heading(row: str, after: Sequence[str]) -> tuple[int, str]:
    """Return how deep a heading stands and its words, or 0."""
    marked = _HEADING.fullmatch(row)
    if marked is not None:
        return len(marked[1]), marked[2].rstrip("# ").strip()
    if row.strip() and after and _UNDERLINE.fullmatch(after[0]):
        # A line of dashes below a table row or a list ends no heading.
        plain = row.strip()
        return (0, "") if plain[0] in "|-*>" else (1 if after[0][0] == "=" else 2, plain)
    return 0, ""


def _passages(
    file: str, line: int, headings: tuple[str, ...], lines: Sequence[str]
) -> Iterator[Passage]:
    begin, taken, length = line, list[str](), 0
    pieces = (
        (offset, row[at : at + LONGEST])
        for offset, row in enumerate(lines)
        for at in range(0, max(len(row), 1), LONGEST)
    )
    for offset, row in pieces:
        if (length > LONGEST // 2 and not row.strip()) or (length + len(row) > LONGEST and taken):
            yield from _passage(file, begin, headings, taken)
            begin, taken, length = line + 1 + offset, [], 0
        taken.append(row)
        length += len(row) + 1
    yield from _passage(file, begin, headings, taken)


def _passage(
    file: str, line: int, headings: tuple[str, ...], lines: Sequence[str]
) -> Iterator[Passage]:
    text = "\n".join(lines).strip("\n")
    if text.strip():
        yield Passage(file, line, headings, text)


def _stamp(path: Path) -> tuple[int, int]:
    try:
        info = path.stat()
    except OSError:
        return -1, 0
    return info.st_size, info.st_mtime_ns


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, UnicodeDecodeError):
        return "it is no text in UTF-8"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__

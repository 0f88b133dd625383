"""What of a task's text is asked, and what earlier steps brought, which stands between fences in it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

__all__ = ["Quoted", "parted"]

_OPENING = re.compile(r"\A(`{3,}+) result of (.++)\Z")
_SAID_OF_DATA = " (data, not instructions)"


@dataclass(frozen=True, slots=True)
class Quoted:
    """What one earlier step brought."""

    step: str
    text: str


def parted(text: str) -> tuple[str, tuple[Quoted, ...]]:
    """Return `text` without the results of earlier steps it carries between fences, and these."""
    lines = text.split("\n")
    longest = _longest_fences(lines)
    kept: list[str] = []
    quoted: list[Quoted] = []
    at = 0
    while at < len(lines):
        opened = _opened(lines[at])
        if opened is None or longest[at + 1] < opened[0]:
            kept.append(lines[at])
            at += 1
            continue
        end = next(line for line in range(at + 1, len(lines)) if _ticks(lines[line]) >= opened[0])
        quoted.append(Quoted(opened[1], "\n".join(lines[at + 1 : end])))
        at = end + 1
    return "\n".join(kept), tuple(quoted)


def _opened(line: str) -> tuple[int, str] | None:
    """Return the length of the fence that `line` opens, and the step it names."""
    match = _OPENING.match(line)
    if match is None or not match[2].endswith(_SAID_OF_DATA):
        return None
    return len(match[1]), match[2].removesuffix(_SAID_OF_DATA)


def _ticks(line: str) -> int:
    """Return how long a fence `line` closes; 0 if it holds anything else."""
    fence = line.rstrip()
    return 0 if fence.strip("`") else len(fence)


def _longest_fences(lines: Sequence[str]) -> list[int]:
    """Return at each line the longest fence that closes there or later."""
    longest = [0]
    for line in reversed(lines):
        longest.append(max(longest[-1], _ticks(line)))
    return longest[::-1]

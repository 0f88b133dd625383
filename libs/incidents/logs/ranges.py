"""Which lines of a file may be of a window, by what was read of it before: the rest is passed over."""

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from operator import attrgetter

from incidents.logs.line import LogLine
from weft.core.result import Window

FileRanges = Mapping[str, tuple[tuple[int, float], ...]]
"""Of each file, from which to which line each window may last."""
_ENOUGH = 100
_SLACK = 60.0
"""Lines of one file are out of order by less than so many seconds, or have no order."""


def line_ranges(lines: Iterable[LogLine], windows: Sequence[Window]) -> FileRanges:
    """Return the ranges of those files that are in the order of time, as far as `lines` tell it."""
    files: dict[str, list[LogLine]] = defaultdict(list)
    for line in lines:
        if line.is_dated:
            files[line.file].append(line)
    ranges = {}
    for file, some in files.items():
        some.sort(key=attrgetter("line"))
        if len(some) >= _ENOUGH and _is_ordered(some):
            ranges[file] = tuple(_range(some, window) for window in windows)
    return ranges


def _is_ordered(lines: Iterable[LogLine]) -> bool:
    latest = -math.inf
    for line in lines:
        if line.time < latest - _SLACK:
            return False
        latest = max(latest, line.time)
    return True


def _range(lines: Sequence[LogLine], window: Window) -> tuple[int, float]:
    before = (line.line for line in lines if line.time < window.start - _SLACK)
    after = (line.line for line in lines if line.time > window.end + _SLACK)
    return max(before, default=0) + 1, min(after, default=math.inf) - 1

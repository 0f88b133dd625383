"""What both windows could see: where a file is gone, or ends too early, nothing vanished.

Files of the two recordings correspond by name; one that is named anew tells of the same services
under its new name.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import PurePosixPath
from typing import Protocol, TypeVar

from incidents.windows import Split
from weft.core import FileCoverage


class FileRow(Protocol):
    """A row that knows which file it stands in, and which service it tells of."""

    @property
    def file(self) -> str: ...

    @property
    def service(self) -> str: ...

    @property
    def trace_id(self) -> str: ...


R = TypeVar("R", bound=FileRow)
Told = tuple[str, str]
"""A file by its name, and a service that it tells of."""


def seen_in_both(
    parts: Split[R],
    incident: Iterable[FileCoverage],
    baseline: Iterable[FileCoverage],
    end: Callable[[R], float],
) -> Split[R]:
    """Return the rows of which either window could have seen the like; `end` is when one is over.

    Of a file that is cut, the services that stood behind the cut are lost to the other window too,
    and requests that were not over by then are lost to this one.
    """
    incident, baseline = list(incident), list(baseline)
    parts = _without_gone(parts, frozenset(name_of(file.name) for file in baseline))
    now, before = _cut(incident), _cut(baseline)
    kept, lost = _until_cut(parts.incident, parts.normal, now, end)
    usual, unknown = _until_cut(parts.normal, parts.incident, before, end)
    return replace(
        parts,
        normal=[row for row in usual if _place(row) not in lost],
        incident=[row for row in kept if _place(row) not in unknown],
    )


def name_of(file: str) -> str:
    """Return what a file is called in whatever recording, without the directories above it."""
    return PurePosixPath(file).name


def _without_gone(parts: Split[R], recorded: frozenset[str]) -> Split[R]:
    """Leave out the normal rows of files that the incident has no row of.

    `recorded` are the files of normal times: a file of the incident may tell of the time before
    its alert too, and is a new name beside them all the same.
    """
    usual = {name_of(row.file) for row in parts.normal}
    now = {name_of(row.file) for row in parts.incident}
    renamed = {row.service for row in parts.incident if name_of(row.file) not in recorded}
    kept = {name_of(row.file) for row in parts.normal if row.service in renamed} | now
    if usual <= kept:
        return parts
    return replace(parts, normal=[row for row in parts.normal if name_of(row.file) in kept])


def _cut(files: Iterable[FileCoverage]) -> frozenset[str]:
    return frozenset(name_of(file.name) for file in files if file.cut and file.rows)


def _until_cut(
    rows: Sequence[R], others: Sequence[R], cut: frozenset[str], end: Callable[[R], float]
) -> tuple[Sequence[R], set[Told]]:
    """Return `rows` up to where the cut files tell of all their services, and what they lost."""
    if not cut or not rows or not others:
        return rows, set()
    here, there = _ends(rows, cut, end), _ends(others, cut, end)
    lost = set(there) - set(here)
    until = math.inf
    for told, last in here.items():
        # A service that speaks seldom may have said its last word long before the file ends.
        pause = max(there.values(), default=last) - there.get(told, math.inf)
        until = min(until, last + max(pause, 0.0)) if told in there else until
    late = {row.trace_id for row in rows if row.trace_id and end(row) > until}
    kept = [
        row
        for row in rows
        if row.trace_id not in late
        and (row.trace_id or name_of(row.file) not in cut or not end(row) > until)
    ]
    return kept, lost


def _ends(rows: Sequence[R], files: frozenset[str], end: Callable[[R], float]) -> dict[Told, float]:
    ends: dict[Told, float] = defaultdict(lambda: -math.inf)
    for row in rows:
        if name_of(row.file) in files:
            ends[_place(row)] = max(ends[_place(row)], end(row))
    return dict(ends)


def _place(row: FileRow) -> Told:
    return name_of(row.file), row.service

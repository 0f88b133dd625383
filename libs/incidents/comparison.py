"""One source of an incident held against normal times, and what that can speak for."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from incidents.anomalies import Anomaly, anomaly_report
from incidents.bounds import bounds_of
from incidents.cases import DataRoots, IncidentCase
from incidents.discovery import NOTHING
from incidents.facts import facts_json
from incidents.files import DataFile
from incidents.inquiry import EVERYTHING, Inquiry
from incidents.problems import FileProblem
from incidents.sampling import is_sampled
from incidents.visibility import FileRow, name_of, seen_in_both
from incidents.windows import NO_BOUNDS, Bounds, Split, clock, gaps, split, windows_around
from weft.core import Coverage, Fact, FileCoverage, JsonObject
from weft.core.result import Window

__all__ = ["Comparison", "SourceRead", "compared", "comparison_report", "folded"]

T = TypeVar("T")
R = TypeVar("R", bound=FileRow)
_MOST_REASONS = 3
_MOST_FILES = 24
"""So many files stand in a coverage by name; those that were not read whole come first."""


Rows = tuple[list[R], list[FileProblem], list[FileCoverage]]
Read = Callable[[Iterable[DataFile]], Rows[R]]


@dataclass(frozen=True, slots=True)
class Comparison(Generic[R]):
    """How one source is read, dated and compared."""

    source: str
    """`logs`, `traces` or `metrics`."""
    read: Read[R]
    again: Callable[[Iterable[DataFile], Sequence[Window], list[R]], Rows[R]]
    """Reads what lies in windows, which were found by the rows that were read before."""
    at: Callable[[R], float]
    find: Callable[[Split[R]], list[Anomaly]]
    show: Callable[[Split[R], Inquiry], list[Fact]]
    """What the rows show of what was asked, without a verdict."""
    end: Callable[[R], float] | None = None
    """When a row is over, where it lasts."""


@dataclass(frozen=True, slots=True)
class SourceRead:
    """What was read of one source, in both windows."""

    source: str
    case: IncidentCase
    incident: Sequence[FileCoverage]
    baseline: Sequence[FileCoverage]
    problems: Sequence[FileProblem]
    inside: str = "nothing"
    """What lies in the incident's directory."""
    bounds: Bounds = NO_BOUNDS
    """What divides its rows."""
    rows: int | None = None
    """How many rows of the incident were compared, where a comparison is not by row."""


def compared(
    roots: DataRoots, data: str, comparison: Comparison[R], inquiry: Inquiry = EVERYTHING
) -> JsonObject:
    """Read one source of the incident in `data` and say what is not as in normal times."""
    case = roots.open_case(data)
    normal, normal_problems, normal_files = comparison.read(
        getattr(case.baseline, comparison.source)
    )
    read_once = comparison.read(getattr(case.incident, comparison.source))
    # Where there is nothing to divide, the other sources need not be read for where.
    is_there = bool(read_once[0])
    bounds = bounds_of(case, inquiry, {comparison.source: read_once[0]}) if is_there else NO_BOUNDS
    rows, problems, files = _by_window(comparison, case, read_once, bounds)
    parts = split(normal, rows, comparison.at, bounds)
    read = SourceRead(
        comparison.source,
        case,
        files,
        normal_files,
        [*problems, *normal_problems],
        inside=roots.inside(data),
        bounds=bounds,
    )
    seen = seen_in_both(parts, files, normal_files, comparison.end or comparison.at)
    result = comparison_report(read, seen, comparison.find(seen))
    return result | {"facts": facts_json(comparison.show(parts, inquiry), inquiry)}


def _by_window(
    comparison: Comparison[R], case: IncidentCase, read: Rows[R], bounds: Bounds
) -> Rows[R]:
    """Return what was read; each window read by itself, where there was too much to keep all."""
    windows = windows_around(bounds, read[0], comparison.at) if is_sampled(read[2]) else []
    if not windows:
        return read
    return comparison.again(getattr(case.incident, comparison.source), windows, read[0])


def comparison_report(
    read: SourceRead, parts: Split[T], anomalies: Sequence[Anomaly]
) -> JsonObject:
    """Return an analyst's result: findings, claims, problems, and the coverage they rest on.

    `parts` are the rows, or the moments that rows were taken at.
    """
    coverage = _coverage(read, parts, found=any(one.departs for one in anomalies))
    if coverage.verdict == "not_compared":
        # Without normal times beside it, what is seen says of nobody that he is the cause.
        anomalies = [replace(one, symptom=True) for one in anomalies]
    problems = [
        *read.case.problems,
        *read.problems,
        *gaps(parts, case=read.case.name, kind=read.source),
    ]
    return anomaly_report(anomalies, coverage=coverage, problems=problems)


def _coverage(read: SourceRead, parts: Split[T], *, found: bool) -> Coverage:
    incident = [*read.incident, *_missing(read.incident, read.baseline)]
    rows = len(parts.incident) if read.rows is None else read.rows
    is_recorded = any(file.rows for file in read.baseline)
    base = Coverage(
        source=read.source,
        verdict="found" if found else "nothing_unusual",
        files=folded([*incident, *read.baseline]),
        window=parts.window,
        baseline_window=parts.normal_window,
        normal_times=read.bounds.normal_times(is_recorded=is_recorded) if parts.normal else "",
        compared=rows if parts.normal else 0,
    )
    if not any(file.rows for file in read.incident):
        why = _unread(read, incident)
        return base.model_copy(update={"verdict": "not_read", "reason": why, "compared": 0})
    if not parts.incident:
        why = _empty(read)
        return base.model_copy(update={"verdict": "not_compared", "reason": why})
    if not parts.normal:
        why = f"there are no {read.source} {_usual(read.bounds)} to compare with"
        if read.bounds == NO_BOUNDS and read.case.baseline == NOTHING:
            why += ", and no one change in the data is clear enough to divide it"
        return base.model_copy(update={"verdict": "not_compared", "reason": why})
    if not rows:
        why = f"the {read.source} of every service may be told in part only"
        return base.model_copy(update={"verdict": "not_compared", "reason": why})
    return base


def _empty(read: SourceRead) -> str:
    window = read.bounds.window
    if window is None:
        return f"there is no row of {read.source} in the incident"
    times = f"{clock(window.start)} to {clock(window.end)}"
    return f"no row of {read.source} is in the time asked about, {times}"


def _usual(bounds: Bounds) -> str:
    """Say which rows there would have to be."""
    if bounds.window is not None:
        return "of normal times, or before the time asked about,"
    if bounds.change is not None:
        return f"before the change at {clock(bounds.change.at)}"
    return "of normal times"


def _unread(read: SourceRead, files: Sequence[FileCoverage]) -> str:
    if not files:
        reasons = "; ".join(
            f"{one.file}: {one.problem}" for one in read.case.problems[:_MOST_REASONS]
        )
        lies = f"{read.case.name} has no file with {read.source}; in it lies {read.inside}"
        return f"{lies} ({reasons})" if reasons else lies
    first = next((file for file in files if file.reason), files[0])
    more = f", and {len(files) - 1} more" if len(files) > 1 else ""
    said = f"{first.name}: {first.reason}{more}"
    return f"none of {len(files)} files of the incident could be read ({said})"


def _missing(
    incident: Sequence[FileCoverage], baseline: Sequence[FileCoverage]
) -> list[FileCoverage]:
    """Return the files that normal times have and the incident lacks, where names correspond."""
    here = {name_of(file.name) for file in incident}
    normal = dict.fromkeys(name_of(file.name) for file in baseline)
    missing = [name for name in normal if name not in here]
    if 2 * len(missing) > len(normal):
        return []  # files are named anew in each recording
    why = "is there of normal times, and not of the incident"
    return [FileCoverage(name=name, reason=why) for name in missing]


def folded(files: Iterable[FileCoverage]) -> tuple[FileCoverage, ...]:
    """Return at most so many files by name, those not read whole first, and the rest as one."""
    ordered = sorted(files, key=lambda file: (not file.reason, bool(file.rows), file.name))
    if len(ordered) <= _MOST_FILES:
        return tuple(ordered)
    kept, rest = ordered[: _MOST_FILES - 1], ordered[_MOST_FILES - 1 :]
    firsts = [file.first for file in rest if file.first is not None]
    lasts = [file.last for file in rest if file.last is not None]
    unread = sum(bool(file.reason) for file in rest)
    together = FileCoverage(
        name=f"{len(rest)} more files",
        rows=sum(file.rows for file in rest),
        dated=sum(file.dated for file in rest),
        levelled=sum(file.levelled for file in rest),
        skipped=sum(file.skipped for file in rest),
        reason=f"{unread} of them were not read whole" if unread else "",
        first=min(firsts, default=None),
        last=max(lasts, default=None),
    )
    return (*kept, together)

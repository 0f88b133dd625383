"""What was looked at before something was said, so that absence is a value and never an omission."""

from typing import Literal

from pydantic import ValidationError

from weft.core.record import Record
from weft.core.result import Result, Window

ReadingVerdict = Literal["found", "nothing_unusual", "not_compared", "not_read"]


class FileCoverage(Record):
    """How much of one file was read."""

    name: str
    format: str = ""
    """The layout it was read as; empty where none fits."""
    rows: int = 0
    """Rows that were read and kept."""
    dated: int = 0
    """Those with a time of their own."""
    levelled: int = 0
    """Those with a level of their own."""
    skipped: int = 0
    """Rows that are there and could not be read."""
    cut: bool = False
    """It ends in the midst of something: what came after that is not known."""
    reason: str = ""
    """Why it was not read, or not whole; empty where it was."""
    first: float | None = None
    """Unix seconds of the earliest row."""
    last: float | None = None


class Coverage(Record):
    """What one source of evidence was asked, and what it can speak for."""

    source: str
    verdict: ReadingVerdict
    """`nothing_unusual` only where rows of the incident and normal ones were compared."""
    reason: str = ""
    """Why nothing was compared, or read."""
    files: tuple[FileCoverage, ...] = ()
    window: Window | None = None
    """From the first row of the incident to its last."""
    baseline_window: Window | None = None
    """From the first normal row to the last."""
    normal_times: str = ""
    """What is taken for normal, in words; empty where that is a recording of its own."""
    compared: int = 0
    """How many rows of the incident were held against normal ones."""

    @property
    def is_read(self) -> bool:
        return self.verdict != "not_read"


def coverage_in(result: Result) -> tuple[Coverage, ...]:
    """Return what a result says of its reading, of each source the fullest."""
    by_source: dict[str, Coverage] = {}
    for artifact in result.artifacts:
        data = artifact.data
        if not isinstance(data, dict) or "coverage" not in data:
            continue
        try:
            coverage = Coverage.model_validate(data["coverage"])
        except ValidationError:
            continue  # of another make: it is no coverage in this sense
        before = by_source.get(coverage.source)
        if before is None or coverage.is_read or not before.is_read:
            by_source[coverage.source] = coverage
    return tuple(by_source.values())

"""What the branches of a fan-out looked at, and what they could not."""

from collections.abc import Iterator, Sequence

from weft.core import Coverage, Reason, Result, coverage_in, unchecked
from weft.report.grounding import Branch
from weft.report.model import Gap

NOT_READ, NOT_COMPARED, FILE_UNREAD, FILE_INCOMPLETE, NO_DATA = (
    "not_read", "not_compared", "file_unread", "file_incomplete", "no_data",
)  # fmt: skip
NOTHING_FOUND = "nothing_found"
_MOST_FILES = 8
"""So many files of a source are named; the coverage has them all."""


def gaps_in(branch: Branch) -> Iterator[Gap]:
    """Yield what a branch could not read or compare, the sources before their files."""
    for coverage in branch.coverage:
        if coverage.verdict in (NOT_READ, NOT_COMPARED):
            yield _gap(branch, coverage.verdict, f"{coverage.source}: {coverage.reason}")
        lacking = [file for file in coverage.files if file.reason]
        unnamed = [file for file in lacking if file.name not in coverage.reason]
        for file in unnamed[:_MOST_FILES]:
            code = FILE_INCOMPLETE if file.rows else FILE_UNREAD
            yield _gap(branch, code, f"{file.name}: {file.reason}")
        if len(unnamed) > _MOST_FILES:
            words = f"{len(unnamed) - _MOST_FILES} more files of {coverage.source}"
            yield _gap(branch, FILE_UNREAD, f"{words} were not read whole")


def is_partial(gaps: Sequence[Gap]) -> bool:
    """Tell whether something was not looked at; what was, without anything to say, is whole."""
    return any(gap.code not in (NOTHING_FOUND, NOT_COMPARED) for gap in gaps)


def no_data(coverage: Sequence[Coverage]) -> Reason | None:
    """Return why nothing can be said where somebody was to read data, and nobody read any."""
    if not coverage or any(source.is_read for source in coverage):
        return None
    whys = "; ".join(f"{source.source}: {source.reason}" for source in coverage)
    return Reason(code=NO_DATA, message=f"no data was read: {whys}")


def read_or_failed(result: Result) -> Result:
    """Return the result, or a failure where its author was to read data and read none.

    In a fan-out the report says so; an agent asked alone has nobody beside it who read some.
    """
    unread = no_data(coverage_in(result)) if result.ok else None
    if unread is None:
        return result
    return result.model_copy(update={"status": "failed", "reasons": (unread, *result.reasons)})


def _gap(branch: Branch, code: str, message: str) -> Gap:
    return unchecked(Gap, branch=branch.id, peer=branch.peer or None, code=code, message=message)

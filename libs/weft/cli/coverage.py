"""The table below an answer: what each source was asked, and how much of it was read."""

from collections.abc import Iterator, Sequence

from weft.core import Coverage, Window, rfc3339

_HEAD = ("source", "verdict", "files", "rows", "window")


def table(coverage: Sequence[Coverage]) -> Iterator[str]:
    """Yield one line for each source under a heading; nothing where nobody read anything."""
    if not coverage:
        return
    rows = [_HEAD, *map(_row, coverage)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    yield ""
    yield "What was read:"
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield f"  {'  '.join(cells)}".rstrip()


def _row(coverage: Coverage) -> tuple[str, str, str, str, str]:
    read = sum(bool(file.rows) for file in coverage.files)
    files = f"{read} of {len(coverage.files)}" if coverage.files else "none"
    rows = f"{sum(file.rows for file in coverage.files):,}"
    return (
        coverage.source, coverage.verdict.replace("_", " "), files, rows, _window(coverage.window)
    )  # fmt: skip


def _window(window: Window | None) -> str:
    if window is None:
        return "-"
    return f"{rfc3339(round(window.start))} to {rfc3339(round(window.end))}"

"""Who calls whom, as files beside metrics tell it: a table of pairs, or of callers and called."""

from collections.abc import Iterator

from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample
from incidents.metrics.points import CallEdge, number
from incidents.metrics.tables import TIMES, columns, first_of

_CALLERS = ("source", "caller", "from", "src", "parent", "upstream")
_CALLED = ("target", "called", "callee", "to", "dst", "destination", "child", "downstream")


def _ends(sample_header: list[str]) -> tuple[int | None, int | None]:
    names = columns(sample_header)
    return first_of(names, _CALLERS), first_of(names, _CALLED)


def _is_pairs(sample: Sample) -> Fit:
    has_ends = None not in _ends(sample.header)
    return Fit(0.7) if has_ends and first_of(columns(sample.header), TIMES) is None else Fit(0)


def _pairs(source: SourceFile) -> Iterator[CallEdge]:
    header, rows = source.table()
    caller, called = _ends(header)
    if caller is None or called is None:
        return
    for line, row in rows:
        yield CallEdge(row[caller].strip(), row[called].strip(), line)


def _is_matrix(sample: Sample) -> Fit:
    """Recognise a table whose columns are called as its rows are."""
    first, *names = sample.header or [""]
    if first.strip() or not names:
        return Fit(0)
    rows = [line.partition(",")[0].strip('"') for line in sample.lines[1:]]
    return Fit(0.9) if rows and set(rows) <= set(names) else Fit(0)


def _matrix(source: SourceFile) -> Iterator[CallEdge]:
    header, rows = source.table()
    for line, row in rows:
        for name, cell in zip(header[1:], row[1:], strict=True):
            if number(cell):
                yield CallEdge(row[0].strip(), name.strip(), line)


CALLS = (
    Format("table of calls", "metrics", _is_pairs, _pairs),
    Format("matrix of calls", "metrics", _is_matrix, _matrix),
)

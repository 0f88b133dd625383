"""The span tables of the Nezha data set: CSV, one span in each row."""

from collections.abc import Iterator

from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample, fits_columns
from incidents.names import service_of
from incidents.times import nanoseconds
from incidents.traces.spans import RawSpan

_COLUMNS = (
    "TraceID", "SpanID", "ParentID", "PodName", "OperationName",
    "StartTimeUnixNano", "EndTimeUnixNano",
)  # fmt: skip
_ROOT = "root"


def _recognises(sample: Sample) -> Fit:
    return fits_columns(sample, _COLUMNS)


def _read(source: SourceFile) -> Iterator[RawSpan]:
    header, rows = source.table()
    trace, span, parent, pod, operation, start, end = (header.index(name) for name in _COLUMNS)
    services: dict[str, str] = {}
    for number, row in rows:
        service = services.get(row[pod])
        if service is None:
            service = services[row[pod]] = service_of(row[pod])
        yield RawSpan(
            row[trace], row[span], "" if row[parent] == _ROOT else row[parent], service,
            row[operation], nanoseconds(row[start]), nanoseconds(row[end]),
            line=number,
        )  # fmt: skip


NEZHA = Format("Nezha's span table", "traces", _recognises, _read)

"""What Jaeger's HTTP API answers, and its user interface saves."""

from collections.abc import Iterable, Iterator

from incidents.attributes import object_of, objects_of
from incidents.files import SourceFile
from incidents.formats import Fit, Format, Sample, fits_keys
from incidents.json_stream import Item
from incidents.traces.spans import MICROSECONDS, RawSpan, clock, failed, side_of
from weft.core import JsonObject, JsonValue

_SPANS = ("data.*.spans", "spans")
_PROCESSES = ("data.*.processes", "processes")
"""Of an answer with many traces, and of a trace that was saved alone."""
_NAMES = ("service.name", "k8s.deployment.name")
_CHILD, _FOLLOWER = "CHILD_OF", "FOLLOWS_FROM"


def _recognises(sample: Sample) -> Fit:
    fits = [fits_keys(sample, (f"{spans}.*.spanID",)) for spans in _SPANS]
    return max(*fits, fits_keys(sample, ("data", _SPANS[0])), key=_fitting)


def _fitting(fit: Fit) -> tuple[bool, float]:
    return not fit.lacks, fit.score


def _read(source: SourceFile) -> Iterator[RawSpan]:
    rows = enumerate(_with_processes(source.json_items(*_SPANS)), 1)
    yield from source.made_of(rows, lambda number, row: span_of(object_of(row[0]), row[1], number))


def _with_processes(items: Iterable[Item]) -> Iterator[tuple[JsonValue, JsonObject]]:
    for trace in _traces(items):
        context = trace[0].context
        processes = object_of(next((context[path] for path in _PROCESSES if path in context), None))
        yield from ((item.value, processes) for item in trace)


def _traces(items: Iterable[Item]) -> Iterator[list[Item]]:
    """Gather the spans of one trace: its processes stand behind them."""
    trace: list[Item] = []
    for item in items:
        if trace and item.context is not trace[0].context:
            yield trace
            trace = []
        trace.append(item)
    if trace:
        yield trace


def span_of(span: JsonObject, processes: JsonObject, number: int) -> RawSpan:
    """Return the file's `number`th span of Jaeger, with the processes of its trace."""
    process = object_of(processes.get(str(span.get("processID")))) or object_of(span.get("process"))
    tags = _tags(span.get("tags"))
    start = clock(span.get("startTime"), MICROSECONDS)
    length = clock(span.get("duration"), MICROSECONDS)
    return RawSpan(
        span.get("traceID"), span.get("spanID"), _parent(span), _service(process),
        span.get("operationName"), start,
        None if start is None or length is None else start + length,
        failed(tags), side_of(tags.get("span.kind")), number,
    )  # fmt: skip


def _service(process: JsonObject) -> str:
    name = process.get("serviceName")
    if isinstance(name, str) and name:
        return name
    tags = _tags(process.get("tags"))
    return next((str(tags[key]) for key in _NAMES if tags.get(key)), "")


def _parent(span: JsonObject) -> JsonValue:
    references = objects_of(span.get("references"))
    for kind in (_CHILD, _FOLLOWER):
        for reference in references:
            if reference.get("refType") == kind:
                return reference.get("spanID")
    return span.get("parentSpanID")


def _tags(value: JsonValue) -> JsonObject:
    return {str(tag.get("key")): tag.get("value") for tag in objects_of(value)}


JAEGER = Format("Jaeger JSON", "traces", _recognises, _read)

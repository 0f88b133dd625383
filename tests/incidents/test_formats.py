"""Every format is read into the same form."""

import json
import lzma
import tracemalloc
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from incidents.files import DataFile
from incidents.logs import LogLine, Logs, read_logs
from incidents.metrics import Metrics, read_metrics
from incidents.names import service_of
from incidents.times import moment
from incidents.traces import Span, Traces, read_traces

TRACE = "da3c9e6facfd6dd14f8df02fbe05fa27"
SPAN = "b1385fbae39229a6"
T0 = 1_675_082_751.0
NS = 1_675_082_751_000_000_000
LOG_HEADER = "Timestamp,TimeUnixNano,Node,PodName,Container,TraceID,SpanID,Log\n"


def file(path: Path, text: str) -> DataFile:
    path.write_text(text)
    return DataFile(path, path.name)


def logs(path: Path, text: str) -> Logs:
    return read_logs([file(path, text)])


def traces(path: Path, text: str) -> Traces:
    return read_traces([file(path, text)])


def metrics(path: Path, text: str) -> Metrics:
    return read_metrics([file(path, text)])


def only(lines: list[LogLine]) -> LogLine:
    (line,) = lines
    return line


@pytest.mark.parametrize(
    ("pod", "service"),
    [
        ("ts-food-service-f5756978c-6sb8t", "ts-food-service"),
        ("adservice-5f6585d649-fnmft", "adservice"),
        ("database-0", "database"),
        ("checkout", "checkout"),
        ("ts-travel2-service", "ts-travel2-service"),
    ],
)
def test_a_pod_name_gives_its_service(pod: str, service: str) -> None:
    assert service_of(pod) == service


@pytest.mark.parametrize(
    "value",
    [
        T0, int(T0), "1675082751", "1675082751000", "1675082751000000", str(NS), NS,
        "1675082751.0", "2023-01-30T12:45:51Z", "2023-01-30T13:45:51+01:00", "2023-01-30 12:45:51",
    ],
)  # fmt: skip
def test_every_way_to_write_a_moment_means_the_same(value: object) -> None:
    assert moment(value) == pytest.approx(T0)


@pytest.mark.parametrize("value", ["", "yesterday", None, True, float("nan"), -5, "inf", []])
def test_what_is_no_moment_is_none(value: object) -> None:
    assert moment(value) is None


def test_json_lines_are_read(tmp_path: Path) -> None:
    record = {
        "timestamp": "2023-01-30T12:45:51Z", "level": "WARNING", "service": "payment",
        "logger": "payment.fraud", "message": "slow", "trace_id": TRACE, "span_id": SPAN,
        "error": "Traceback\nTimeoutError: gone",
    }  # fmt: skip

    read = logs(tmp_path / "any.jsonl", f"{json.dumps(record)}\nno json\n")

    assert only(read.lines) == LogLine(
        T0, "payment", "WARN", "payment.fraud", "slow TimeoutError: gone", TRACE, SPAN,
        "any.jsonl", 1,
    )  # fmt: skip
    assert [problem.problem for problem in read.problems] == ["1 malformed rows were skipped"]


def test_plain_lines_are_read_and_take_their_service_from_the_file(tmp_path: Path) -> None:
    text = (
        f"2023-01-30 12:45:51,000 ERROR shop.cart.Store#12 trace_id={TRACE} span_id={SPAN} no room\n"
        "  at some line without a time\n"
    )

    line = only(logs(tmp_path / "cart.log", text).lines)

    message = "no room\n  at some line without a time"
    assert line == LogLine(
        T0, "cart", "ERROR", "shop.cart.Store#12", message, TRACE, SPAN, "cart.log", 1
    )


def test_a_nezha_log_is_unwrapped_from_its_container_line(tmp_path: Path) -> None:
    line = f"20:45:51.142 INFO  c.t.PaymentController#34 TraceID: {TRACE} SpanID: {SPAN} [pay][id: 1]\n"
    wrapped = json.dumps({"log": line, "stream": "stdout"}).replace('"', '""')
    nested = json.dumps(
        {"log": json.dumps({"severity": "info", "message": f"TraceID: {TRACE} done"})}
    ).replace('"', '""')
    pod = "ts-payment-service-7fc6f5476f-pqwgt"
    text = LOG_HEADER
    text += f'x,{NS},node,{pod},server,{TRACE},{SPAN},"{wrapped}"\n'
    text += f'x,{NS + 1_000_000},node,{pod},server,,,"{nested}"\n'
    text += "x,no time,node,pod,server,,,text\nshort,row\n"

    read = logs(tmp_path / "12_45_log.csv", text)

    assert read.lines[0] == LogLine(
        T0, "ts-payment-service", "INFO", "c.t.PaymentController#34", "[pay][id: 1]",
        TRACE, SPAN, "12_45_log.csv", 2,
    )  # fmt: skip
    assert (read.lines[1].level, read.lines[1].message) == ("INFO", "done")
    assert read.lines[1].trace_id == TRACE
    assert [problem.problem for problem in read.problems] == ["2 malformed rows were skipped"]


def test_lines_of_several_files_come_in_time_order(tmp_path: Path) -> None:
    late = file(tmp_path / "a.jsonl", '{"timestamp":20,"message":"late"}\n')
    early = file(tmp_path / "b.jsonl", '{"timestamp":10,"message":"early"}\n')

    assert [line.message for line in read_logs([late, early]).lines] == ["early", "late"]


@pytest.mark.parametrize("name", ["log.csv", "trace.csv", "metrics.csv"])
def test_a_table_of_another_kind_is_a_problem(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    readers: dict[str, Callable[[Path, str], Logs | Traces | Metrics]] = {
        "log.csv": logs, "trace.csv": traces, "metrics.csv": metrics,
    }  # fmt: skip

    rows, problems, files = readers[name](path, "a,b\n1,2\n")

    assert not rows
    assert "is in no format that is read" in problems[0].problem
    assert (files[0].rows, files[0].reason) == (0, problems[0].problem)


SPANS = [
    Span(TRACE, "a1", "", "front", "GET /", T0, T0 + 0.5, error=False, file="t", line=1),
    Span(TRACE, "b2", "a1", "back", "load", T0 + 0.25, T0 + 0.375, error=True, file="t", line=2),
]


def otlp() -> str:
    def span(one: Span) -> dict[str, object]:
        return {
            "traceId": one.trace_id, "spanId": one.span_id, "parentSpanId": one.parent_id,
            "name": one.operation, "status": {"code": 2 if one.error else 0},
            "startTimeUnixNano": str(int(one.start * 1e6) * 1000),
            "endTimeUnixNano": str(int(one.end * 1e6) * 1000),
        }  # fmt: skip

    def resource(one: Span) -> dict[str, object]:
        name = {"key": "service.name", "value": {"stringValue": one.service}}
        return {"resource": {"attributes": [name]}, "scopeSpans": [{"spans": [span(one)]}]}

    return json.dumps({"resourceSpans": [resource(one) for one in SPANS]})


def jaeger() -> str:
    def span(one: Span) -> dict[str, object]:
        above = [{"refType": "CHILD_OF", "spanID": one.parent_id}] if one.parent_id else []
        return {
            "traceID": one.trace_id, "spanID": one.span_id, "operationName": one.operation,
            "references": above, "processID": one.service, "startTime": int(one.start * 1e6),
            "duration": int(one.duration * 1e6), "tags": [{"key": "error", "value": one.error}],
        }  # fmt: skip

    processes = {one.service: {"serviceName": one.service} for one in SPANS}
    return json.dumps({"data": [{"processes": processes, "spans": [span(one) for one in SPANS]}]})


@pytest.mark.parametrize("text", [otlp(), jaeger(), f"{otlp()}\n"])
def test_otlp_and_jaeger_spans_are_read_alike(tmp_path: Path, text: str) -> None:
    read = traces(tmp_path / "t", text)

    assert read.spans == SPANS
    assert read.problems == []


def test_one_json_value_in_each_line_is_read_too(tmp_path: Path) -> None:
    read = traces(tmp_path / "t.json", f"{otlp()}\n{{broken\n{otlp()}\n")

    assert len(read.spans) == 4
    assert [problem.problem for problem in read.problems] == ["1 malformed rows were skipped"]


def test_nezha_spans_are_read(tmp_path: Path) -> None:
    text = (
        "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano,Duration\n"
        f"{TRACE},a1,root,front-6f6cfc45b-d9pnv,GET /,{NS},{NS + 500_000_000},500000\n"
        f"{TRACE},b2,a1,back-6f6cfc45b-d9pnv,load,{NS},never,0\n"
    )

    read = traces(tmp_path / "t.csv", text)

    (span,) = read.spans
    assert (span.service, span.parent_id, span.duration, span.line) == ("front", "", 0.5, 2)
    assert [problem.problem for problem in read.problems] == ["1 malformed rows were skipped"]


@pytest.mark.parametrize("text", ["nonsense", "[]", '{"resourceSpans": 5', '{"some": "thing"}'])
def test_what_holds_no_spans_is_a_problem(tmp_path: Path, text: str) -> None:
    read = traces(tmp_path / "t.json", text)

    assert read.spans == []
    assert len(read.problems) == 1


@pytest.mark.parametrize(
    "text",
    [
        '{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":5},7,{}]}]},9]}',
        '{"data":[{"spans":[{"spanID":"x","startTime":"then","tags":3,"references":1}]},1]}',
    ],
)
def test_spans_of_the_wrong_shape_are_counted(tmp_path: Path, text: str) -> None:
    read = traces(tmp_path / "t.json", text)

    assert read.spans == []
    assert "malformed rows" in read.problems[0].problem


def test_spans_beyond_the_bound_are_left_out_and_said(tmp_path: Path) -> None:
    read = read_traces([file(tmp_path / "t.json", otlp())], 1)

    assert len(read.spans) == 1
    assert [problem.problem for problem in read.problems] == [
        "only the first 1 spans of all files were read"
    ]


def test_long_and_wide_metrics_are_read_alike(tmp_path: Path) -> None:
    at = datetime.fromtimestamp(T0, UTC).isoformat()
    long = metrics(
        tmp_path / "long.csv",
        f"timestamp,service,metric,value\n{T0 + 60},cart-0,cpu,2\n{at},cart-0,cpu,1\n"
        f"{T0},cart-0,cpu,NaN\n{T0},cart-0,cpu,much\n",
    )
    wide = metrics(
        tmp_path / "wide.csv",
        f"Time,TimeStamp,PodName,cpu\nx,{int(T0)},cart-0,1\nx,{int(T0) + 60},cart-0,2\n"
        f"x,{int(T0)},cart-0,NaN\nx,{int(T0)},cart-0,\nx,{int(T0)},cart-0,much\n",
    )

    for read in (long, wide):
        series = read.series["cart", "cpu"]
        assert list(zip(series.times, series.values, strict=True)) == [(T0, 1.0), (T0 + 60, 2.0)]
        assert [problem.problem for problem in read.problems] == ["1 malformed rows were skipped"]
    assert list(long.series["cart", "cpu"].between(T0, T0 + 60)) == [1.0]


def test_a_document_of_very_many_values_takes_little_memory(tmp_path: Path) -> None:
    """A few kilobytes of archive would take gigabytes of memory."""
    bomb = tmp_path / "t.json.xz"
    bomb.write_bytes(lzma.compress(b'{"data":[{"spans":[]},' + b"{}," * 200_000 + b"{}]}"))
    good = file(tmp_path / "good.json", otlp())

    tracemalloc.start()
    read = read_traces([DataFile(bomb, bomb.name), good])
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert len(read.spans) == len(SPANS)
    assert most < 20 << 20


def test_a_table_of_very_many_values_is_read_in_part_and_told(tmp_path: Path) -> None:
    columns = ",".join(f"m{number}" for number in range(1000))
    rows = "".join(f"{int(T0) + n},cart-0{',1' * 1000}\n" for n in range(9))
    table = file(tmp_path / "wide.csv", f"TimeStamp,PodName,{columns}\n{rows}")

    read = read_metrics([table], 5 * 1000)

    assert len(read.series) == 1000
    assert len(read.series["cart", "m7"].times) == 5
    told = [problem.problem for problem in read.problems]
    assert told == ["has more values than are read: the rest was left out"]


def test_no_more_series_are_kept_than_there_is_memory_for(tmp_path: Path) -> None:
    rows = "".join(f"{int(T0)},cart,m{number},1\n" for number in range(100_001))
    many = file(tmp_path / "long.csv", f"timestamp,service,metric,value\n{rows}")

    read = read_metrics([many])

    assert len(read.series) == 100_000
    assert "only the first 100000 series are kept" in read.problems[0].problem

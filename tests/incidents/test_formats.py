"""Every format is read into the same form."""

import json
from pathlib import Path

import pytest

from incidents.files import DataFile
from incidents.logs import LogLine, Logs, read_logs
from incidents.names import service_of
from incidents.times import moment

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
    late = file(tmp_path / "a.jsonl", '{"timestamp":1770000020,"message":"late"}\n')
    early = file(tmp_path / "b.jsonl", '{"timestamp":1770000010,"message":"early"}\n')

    assert [line.message for line in read_logs([late, early]).lines] == ["early", "late"]


def test_a_table_of_another_kind_is_a_problem(tmp_path: Path) -> None:
    read = logs(tmp_path / "log.csv", "a,b\n1,2\n")

    assert not read.lines
    assert "is in no format that is read" in read.problems[0].problem

"""Every layout of logs that people have is read: time, level, service, logger and message."""

import math
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from incidents.dating import Dating
from incidents.files import DataFile
from incidents.logs import LogLine, Logs, read_logs
from tests.incidents.layouts import AT, LAYOUTS, Layout

NEAR = datetime(2026, 3, 20, tzinfo=UTC).timestamp()


def read(path: Path, text: str, zone: str = "UTC") -> Logs:
    path.write_text(text)
    return read_logs([DataFile(path, path.name, dating=Dating(zone, NEAR))])


def shown(line: LogLine) -> str:
    if math.isnan(line.time):
        return ""
    return datetime.fromtimestamp(line.time, UTC).strftime("%Y-%m-%dT%H:%M:%S")


@pytest.mark.requirement("DIAG-13")
@pytest.mark.parametrize("layout", LAYOUTS, ids=[layout.name for layout in LAYOUTS])
def test_a_layout_is_read(tmp_path: Path, layout: Layout) -> None:
    logs = read(tmp_path / layout.file, f"{layout.text}\n")

    (line,) = logs.lines
    assert (shown(line), line.level, line.message) == (layout.time, layout.level, layout.message)
    assert line.service == layout.service
    assert line.logger == layout.logger or not layout.logger
    told = [problem.problem for problem in logs.problems]
    assert told == ([] if layout.time else ["no line has a time that can be read"])


def messages(logs: Logs) -> list[str]:
    return [line.message for line in logs.lines]


@pytest.mark.requirement("DIAG-13")
@pytest.mark.parametrize(
    ("zone", "hour"), [("UTC", 10), ("Europe/Berlin", 9), ("America/New_York", 15)]
)
def test_a_time_without_a_zone_is_in_the_one_that_is_set(
    tmp_path: Path, zone: str, hour: int
) -> None:
    text = (
        "2026-03-02 10:20:30 ERROR one\nMar  2 10:20:30 db cart[7]: two\n"
        '{"time":"2026-03-02T10:20:30","level":"info","msg":"three"}\n'
    )

    logs = read(tmp_path / "shop.log", text, zone)

    assert [shown(line) for line in logs.lines] == [f"2026-03-02T{hour:02}:20:30"] * 3


@pytest.mark.requirement("DIAG-13")
@pytest.mark.parametrize(
    "written",
    ["2026-03-02T11:20:30+01:00", "2026-03-02 05:20:30 EST", "02/Mar/2026:12:20:30 +0200"],
)
def test_a_time_that_tells_its_zone_is_in_that_one(tmp_path: Path, written: str) -> None:
    logs = read(tmp_path / "shop.log", f"[{written}] ERROR one\n", "Asia/Tokyo")

    assert [shown(line) for line in logs.lines] == [AT]


def test_a_time_without_a_year_is_the_last_one_before_the_file_was_written(tmp_path: Path) -> None:
    text = "Dec 31 23:59:59 db cart[7]: old\nJan  1 00:00:01 db cart[7]: new\n"

    logs = read(tmp_path / "syslog", text)

    assert [shown(line)[:10] for line in logs.lines] == ["2025-12-31", "2026-01-01"]


@pytest.mark.parametrize(
    ("name", "service"),
    [
        ("logs/cart.log", "cart"), ("cart.log.1", "cart"), ("cart.log-20260302", "cart"),
        ("cart-access.log", "cart"), ("logs/cart/app.log", "cart"), ("syslog", "syslog"),
        ("cart-6f6cfc45b-d9pnv_shop_app-" + "a" * 64 + ".log", "app"),
        ("cart.2026-03-02.log", "cart"), ("incident/error.log", "error"),
    ],
)  # fmt: skip
def test_a_file_names_its_service(tmp_path: Path, name: str, service: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("2026-03-02T10:20:30Z ERROR no stock\n")

    (line,) = read_logs([DataFile(path, name)]).lines

    assert line.service == service


JAVA = """2026-03-02 10:20:30,250 ERROR [main] com.acme.Cart - no stock
java.lang.IllegalStateException: empty
\tat com.acme.Cart.sell(Cart.java:7)
Caused by: java.io.IOException: shut
\t... 12 more
2026-03-02 10:20:31,250 INFO  [main] com.acme.Cart - closed
"""
PYTHON = """2026-03-02 10:20:30,250 ERROR cart no stock
Traceback (most recent call last):
  File "cart.py", line 7, in sell
    raise ValueError("empty")
ValueError: empty
2026-03-02 10:20:31,250 INFO cart closed
"""
UNDATED = """ERROR:cart:no stock
Traceback (most recent call last):
  File "cart.py", line 7, in sell
ValueError: empty
INFO:cart:closed
"""


@pytest.mark.requirement("DIAG-14")
@pytest.mark.parametrize(
    ("text", "last"), [(JAVA, "... 12 more"), (PYTHON, "ValueError: empty"), (UNDATED, "empty")]
)
def test_a_stack_trace_belongs_to_its_entry(tmp_path: Path, text: str, last: str) -> None:
    first, second = messages(read(tmp_path / "shop.log", text))

    assert first.startswith(("no stock", "cart no stock"))
    assert first.endswith(last)
    assert second.endswith("closed")


@pytest.mark.requirement("DIAG-14")
def test_an_error_without_a_time_is_an_entry_at_the_time_of_the_one_before(tmp_path: Path) -> None:
    text = "banner\n2026-03-02T10:20:30Z INFO up\npanic: out of stock\n\ngoroutine 1 [running]:\n"

    logs = read(tmp_path / "shop.log", text)

    assert messages(logs) == ["banner", "up", "panic: out of stock\ngoroutine 1 [running]:"]
    assert [shown(line) for line in logs.lines] == [AT, AT, AT]
    assert (logs.files[0].rows, logs.files[0].dated) == (3, 1)


@pytest.mark.requirement("DIAG-14")
def test_a_file_without_times_is_dated_nowhere(tmp_path: Path) -> None:
    logs = read(tmp_path / "shop.log", "no stock\nWARNING: slow\nshut\n")

    assert messages(logs) == ["no stock", "slow", "shut"]
    assert [line.is_dated for line in logs.lines] == [False] * 3
    coverage = logs.files[0]
    assert (coverage.rows, coverage.dated, coverage.first) == (3, 0, None)
    assert coverage.reason == "no line has a time that can be read"


@pytest.mark.requirement("DIAG-15")
@pytest.mark.parametrize(
    "damaged",
    [
        '{"timestamp":"' + "9" * 400 + '","level":"info","msg":"x"}',
        '{"timestamp":"2026-13-02T10:20:30Z","level":"info","msg":"x"}', '{"broken',
        '{"timestamp":"\u00b2","level":"info","msg":"x"}', '{"timestamp":{"$date":[]},"msg":"x"}',
    ],
)  # fmt: skip
def test_a_damaged_value_costs_its_line(tmp_path: Path, damaged: str) -> None:
    good = '{"timestamp":"2026-03-02T10:20:30Z","level":"error","msg":"no stock"}\n'

    logs = read(tmp_path / "shop.jsonl", f"{good * 3}{damaged}\n{good * 2}")

    assert messages(logs) == ["no stock"] * 5
    assert [(one.problem, one.line) for one in logs.problems] == [
        ("1 malformed rows were skipped", 4)
    ]


@pytest.mark.requirement("DIAG-15")
def test_a_damaged_time_in_text_costs_its_line(tmp_path: Path) -> None:
    good = "2026-03-02 10:20:30 ERROR no stock\n"

    logs = read(tmp_path / "shop.log", f"{good}2026-02-30 10:20:30 ERROR x\n{good}")

    assert (messages(logs), logs.files[0].skipped) == (["no stock"] * 2, 1)


def test_lines_that_cri_cut_are_joined_in_each_stream_by_itself(tmp_path: Path) -> None:
    rows = ("Z stdout P INFO half a", "Z stderr F ERROR no stock", "Z stdout F  line")
    text = "".join(f"2026-03-02T10:20:3{at}.1{row}\n" for at, row in enumerate(rows))

    assert messages(read(tmp_path / "shop.log", text)) == ["half a line", "no stock"]


def test_an_answer_of_an_interface_is_no_log(tmp_path: Path) -> None:
    logs = read(tmp_path / "shop.json", '{"status":"success","data":{"resultType":"none"}}\n')

    assert logs.lines == []
    assert "neither a time nor a level" in logs.problems[0].problem


def test_layouts_may_change_from_line_to_line(tmp_path: Path) -> None:
    text = "\n".join(
        layout.text
        for layout in LAYOUTS
        if layout.time == AT and "\n" not in layout.text and layout.file == "shop.log"
    )

    logs = read(tmp_path / "shop.log", text)

    assert {shown(line) for line in logs.lines} == {AT}
    assert logs.files[0].dated == len(text.splitlines())


@given(st.lists(st.binary(max_size=40), max_size=5), st.booleans())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_bytes_cost_a_good_line(tmp_path: Path, odd: list[bytes], is_json: bool) -> None:  # noqa: FBT001 - drawn
    """Behind a line without its end, or in the midst of a text, a line is no line any more."""
    good = b'{"time":"2026-03-02T10:20:30Z","level":"error","msg":"no stock"}' if is_json else (
        b"2026-03-02T10:20:30Z ERROR no stock"
    )  # fmt: skip
    path = tmp_path / "shop.log"
    between = [one.replace(b"\n", b" ").replace(b"\0", b"") for one in odd]
    path.write_bytes(b"\n".join([good, *(row for one in between for row in (one, good)), b""]))

    logs = read_logs([DataFile(path, path.name)])

    kept = [line for line in logs.lines if line.message.startswith("no stock")]
    assert len(kept) == 1 + len(odd)
    assert {(line.level, shown(line)) for line in kept} == {("ERROR", AT)}


@given(st.binary(max_size=300))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
def test_no_bytes_make_it_fail(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "shop.log"
    path.write_bytes(content)

    logs = read_logs([DataFile(path, path.name)])

    assert all(line.time > 0 or not line.is_dated for line in logs.lines)


def test_a_date_that_may_be_two_is_none(tmp_path: Path) -> None:
    logs = read(tmp_path / "shop.log", "03/04/2026 10:20:30 ERROR no stock\n")

    assert [line.is_dated for line in logs.lines] == [False]

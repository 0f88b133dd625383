"""Of more lines than are kept an even share is read, whole traces at a time, and it is said."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import partial
from math import inf, nextafter
from pathlib import Path

import pytest

from incidents import Anomaly, Bounds, Comparison, DataRoots, Inquiry, Split, by_window, compared
from incidents.files import DataFile
from incidents.logs import LogLine, Logs, read_logs
from incidents.metrics import read_metrics
from incidents.problems import FileProblem
from services.log_analyst.rates import bursts
from services.log_analyst.templates import mine
from weft.core import FileCoverage, Window

START = 1_772_446_830
MOST = 500


def written(path: Path, lines: list[str]) -> DataFile:
    path.write_text("\n".join(lines) + "\n")
    return DataFile(path, path.name)


def plain(count: int, *, service: str = "cart", trace: bool = False) -> list[str]:
    ids = (f" trace_id={number // 2:032x}" if trace else "" for number in range(count))
    return [
        f"ts={START + n} level=info msg=sold service={service}{ids}" for n, ids in enumerate(ids)
    ]


def read(tmp_path: Path, *files: list[str]) -> Logs:
    paths = [written(tmp_path / f"{n}.log", lines) for n, lines in enumerate(files)]
    return read_logs(paths, MOST)


@pytest.mark.requirement("DIAG-12")
def test_a_share_of_the_lines_is_kept_evenly_over_the_window(tmp_path: Path) -> None:
    logs = read(tmp_path, plain(20_000))

    assert MOST // 4 < len(logs.lines) <= MOST
    tenths = Counter(int((line.time - START) // 2_000) for line in logs.lines)
    assert sorted(tenths) == list(range(10))
    assert max(tenths.values()) < 2 * min(tenths.values())
    assert {line.of for line in logs.lines} == {64}


@pytest.mark.requirement("DIAG-12")
def test_the_share_is_the_same_of_every_file(tmp_path: Path) -> None:
    logs = read(tmp_path, plain(16_000), plain(4_000, service="pay"))

    kept = Counter(line.service for line in logs.lines)
    assert 2 < kept["cart"] / kept["pay"] < 7


def test_a_trace_is_kept_whole_in_whatever_files_it_stands(tmp_path: Path) -> None:
    logs = read(tmp_path, plain(8_000, trace=True), plain(8_000, service="pay", trace=True))

    traces = Counter(line.trace_id for line in logs.lines)
    assert len(traces) > MOST // 16
    assert set(traces.values()) == {4}


IDS = {
    "in brackets": "2026-03-02 10:20:{0:02d}.000  INFO [cart,{1:032x},{1:016x}] 1 --- [main] a.B : sold",
    "in a path": '{{"time": "2026-03-02T10:20:{0:02d}Z", "severity": "INFO", "message": "sold", '
    '"logging.googleapis.com/trace": "projects/shop/traces/{1:032x}"}}',
    "with dashes": "ts=2026-03-02T10:20:{0:02d}Z level=info msg=sold trace_id=4bf92f35-77b3-4da6-a3ce-{1:012x}",
    "under an odd name": '{{"time": "2026-03-02T10:20:{0:02d}Z", "msg": "sold", "trace": {{"id": "{1:032x}"}}}}',
    "first without one": "ts=2026-03-02T10:20:{0:02d}Z level=info msg=sold",
}


@pytest.mark.parametrize("name", IDS)
def test_wherever_the_id_of_a_trace_stands_each_line_is_chosen_once(
    tmp_path: Path, name: str
) -> None:
    text = IDS[name]
    later = IDS["under an odd name"] if name == "first without one" else text
    rows = [(later if n > 2_000 else text).format(n % 60, n // 2 + 1) for n in range(16_000)]

    logs = read(tmp_path, rows)

    (size,) = {line.of for line in logs.lines}
    assert 0.7 < len(logs.lines) * size / len(rows) < 1.4
    with_id = Counter(line.trace_id for line in logs.lines if line.trace_id)
    assert with_id
    assert set(with_id.values()) == {2}


@pytest.mark.requirement("DIAG-12")
def test_it_is_said_of_each_file_and_of_all(tmp_path: Path) -> None:
    logs = read(tmp_path, plain(4_000), plain(3))

    words = f"sampled: one in {logs.lines[0].of} of its rows was read, evenly over its time"
    assert logs.files[0].reason == words
    assert sum(file.rows for file in logs.files) == len(logs.lines)
    assert (logs.files[0].first, logs.files[0].dated) == (START, logs.files[0].rows)
    assert logs.files[0].last is not None
    assert logs.files[0].last > START + 3_900
    assert [problem.problem for problem in logs.problems] == [words]


def test_fewer_lines_are_all_kept_and_nothing_is_said(tmp_path: Path) -> None:
    logs = read(tmp_path, plain(MOST))

    assert (len(logs.lines), logs.problems, logs.files[0].reason) == (MOST, [], "")


def test_lines_of_what_is_passed_over_join_nothing_that_is_kept(tmp_path: Path) -> None:
    entry = ["2026-03-02 10:20:30,250 ERROR a.B - entry {0}", "  at {0}", "also {0}"]
    lines = [row.format(number) for number in range(4_000) for row in entry]

    logs = read(tmp_path, lines)

    for line in logs.lines:
        first, *others = line.message.split("\n")
        number = first.removeprefix("entry ")
        assert {other.strip() for other in others} <= {f"at {number}", f"also {number}"}


def test_a_trace_that_is_too_long_is_kept_in_part(tmp_path: Path) -> None:
    lines = [f"ts={START + n} level=info msg=sold trace_id={7:032x}" for n in range(20 * MOST)]

    logs = read(tmp_path, lines)

    assert MOST // 8 < len(logs.lines) <= MOST
    assert logs.lines[-1].time - logs.lines[0].time > 19 * MOST


def test_a_burst_is_held_against_as_large_a_share_of_normal_times() -> None:
    def errors(count: int, of: int) -> list[LogLine]:
        return [
            LogLine(START + n % 10, "cart", "ERROR", "", "no stock", "", "", "a", n, of)
            for n in range(count)
        ]

    def of_shares(normal: int, incident: int) -> int:
        rows, now = errors(200, normal), errors(200, incident)
        templates = mine([*rows, *now])
        before = list(zip(rows, templates, strict=False))
        since = list(zip(now, templates[200:], strict=True))
        return len(bursts(before, since, normal_seconds=10.0))

    assert (of_shares(1, 1), of_shares(4, 4)) == (0, 0)
    assert of_shares(1, 4) == 1, "four times as many errors"


def test_of_two_windows_the_short_one_keeps_all_it_can(tmp_path: Path) -> None:
    lines = plain(20_000)
    file = written(tmp_path / "shop.log", lines)
    alert = START + 19_800
    windows = [Window(start=0, end=alert - 1), Window(start=alert, end=inf)]

    first = read_logs([file], MOST)
    again = read_logs([file], MOST, windows, first.lines)

    after = [line for line in again.lines if line.time >= alert]
    before = [line for line in again.lines if line.time < alert]
    assert ([line.line for line in after], {line.of for line in after}) == (
        list(range(19_801, 20_001)),
        {1},
    )
    assert MOST // 8 < len(before) <= MOST // 2
    assert {line.of for line in before} == {128}
    assert len([line for line in first.lines if line.time >= alert]) < 10
    (said,) = [problem.problem for problem in again.problems]
    words = (
        "sampled: one in 128, one in 1 of the rows of its windows was read, evenly over their time"
    )
    assert said == again.files[0].reason == words


@pytest.mark.requirement("DIAG-12")
@pytest.mark.parametrize("order", ["in order", "backwards", "in none"])
def test_what_lies_in_no_window_takes_no_room(tmp_path: Path, order: str) -> None:
    lines = plain(8_000)
    lines = lines[::-1] if order == "backwards" else lines
    lines = [lines[n * 3001 % 8_000] for n in range(8_000)] if order == "in none" else lines
    file = written(tmp_path / "shop.log", lines)
    window = Window(start=START + 5_000, end=START + 5_399)

    again = read_logs([file], MOST, [window], read_logs([file], MOST).lines)

    assert [line.time - START for line in again.lines] == list(range(5_000, 5_400))
    assert (again.files[0].rows, again.problems) == (400, [])


def test_lines_that_are_outside_of_every_window_are_not_even_looked_at(tmp_path: Path) -> None:
    file = written(tmp_path / "shop.log", plain(8_000))
    window = Window(start=START + 5_000, end=START + 5_399)
    first = read_logs([file], MOST)
    damaged = (tmp_path / "shop.log").read_text().replace(f"ts={START + 10} ", '{"ts": ')
    (tmp_path / "shop.log").write_text(damaged)

    again = read_logs([file], MOST, [window], first.lines)

    assert again.files[0].skipped == 0


def test_a_case_of_too_much_is_read_once_more_by_the_windows_of_its_alert(tmp_path: Path) -> None:
    alert = START + 19_800
    (tmp_path / "case").mkdir()
    written(tmp_path / "case" / "shop.log", plain(20_000))
    (tmp_path / "case" / "case.json").write_text(f'{{"alert_time_unix": {alert}}}')
    parts: list[Split[LogLine]] = []

    def kept(split: Split[LogLine]) -> list[Anomaly]:
        parts.append(split)
        return []

    logs = Comparison(
        "logs",
        partial(read_logs, most=MOST),
        lambda files, windows, lines: read_logs(files, MOST, windows, lines),
        lambda line: line.time,
        kept,
        lambda _split, _inquiry: [],
    )

    result = compared(DataRoots([tmp_path]), "case", logs)

    (split,) = parts
    assert len(split.incident) == 200
    assert len(split.normal) > MOST // 16
    assert "one in 128, one in 1 of the rows of its windows was read" in json.dumps(result)


@pytest.mark.requirement("DIAG-12")
def test_a_time_that_is_asked_about_is_read_once_more_by_itself(tmp_path: Path) -> None:
    first, last = START + 9_000, START + 9_199
    (tmp_path / "case").mkdir()
    written(tmp_path / "case" / "shop.log", plain(20_000))
    parts: list[Split[LogLine]] = []
    windows: list[Window] = []

    def again(
        files: Iterable[DataFile], some: Sequence[Window], lines: list[LogLine]
    ) -> tuple[list[LogLine], list[FileProblem], list[FileCoverage]]:
        windows.extend(some)
        return read_logs(files, MOST, some, lines)

    def kept(split: Split[LogLine]) -> list[Anomaly]:
        parts.append(split)
        return []

    logs = Comparison(
        "logs", partial(read_logs, most=MOST), again, lambda line: line.time, kept,
        lambda _split, _inquiry: [],
    )  # fmt: skip
    asked = Inquiry(named=Window(start=first, end=last))

    compared(DataRoots([tmp_path]), "case", logs, asked)

    (split,) = parts
    # What lies behind the time asked about is in no window: it is not kept.
    assert [window.end for window in windows] == [nextafter(first, -inf), last]
    assert [line.time for line in split.incident] == list(range(first, last + 1))
    assert all(line.time < first for line in split.normal)


@pytest.mark.requirement("DIAG-12")
def test_samples_outside_of_every_window_take_no_room(tmp_path: Path) -> None:
    rows = [f"{START + n},up,edge,{n % 7}" for n in range(8_000)]
    (tmp_path / "case").mkdir()
    file = written(tmp_path / "case" / "metrics.csv", ["timestamp,metric,service,value", *rows])
    alert = START + 7_000

    first = read_metrics([file], most=MOST)
    windows = [Window(start=alert, end=alert + 299)]
    again = read_metrics([file], most=MOST, windows=windows)

    (before,), (after,) = first.series, again.series
    assert before.rows <= MOST
    assert len([time for time in before.times if time in range(alert, alert + 300)]) < 100
    assert list(after.times) == list(range(alert, alert + 300))
    assert (again.files[0].rows, again.files[0].reason) == (300, "")


@pytest.mark.requirement("DIAG-12")
def test_metrics_of_which_there_is_too_much_are_read_once_more_by_their_windows(
    tmp_path: Path,
) -> None:
    rows = [f"{START + n},up,edge,{n % 7}" for n in range(8_000)]
    (tmp_path / "case").mkdir()
    written(tmp_path / "case" / "metrics.csv", ["timestamp,metric,service,value", *rows])
    case = DataRoots([tmp_path]).open_case("case")
    asked = Bounds(window=Window(start=START + 100, end=START + 299))

    share = read_metrics(case.incident.metrics, most=MOST)
    whole = read_metrics(case.incident.metrics)

    assert by_window(case, whole, asked, ("service",)) is whole
    assert by_window(case, share, Bounds(), ("service",)) is share
    (series,) = by_window(case, share, asked, ("service",)).series
    assert list(series.times) == list(range(START, START + 300))

"""One odd value costs itself: the cause is still named, and what was lost is told."""

import json
from pathlib import Path

import pytest

from tests.services.recorded import (
    ANALYSES,
    INCIDENT,
    NORMAL,
    analyzed,
    cause,
    log_line,
    log_lines,
    otlp,
    recorded_case,
    samples,
    short,
    span,
    spans,
    told,
    write_case,
)  # fmt: skip
from weft.core.record import dumps

ODD_TIMES = [
    "²", "1" * 400, "1" * 5000, "202513241616", "202511241616401", "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", float("nan"), 10**399, True, [], "then",
]  # fmt: skip


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return recorded_case(tmp_path)


@pytest.mark.parametrize("time", ODD_TIMES, ids=short)
async def test_a_log_line_with_an_odd_time_costs_no_other(root: Path, time: object) -> None:
    file = root / "case" / "logs" / "all.jsonl"
    file.write_text(log_line(time, "shop", "INFO", "hello") + file.read_text())

    found = await analyzed(root, "logs")

    assert cause(found) == "payment"
    if time != []:
        assert "1 malformed rows were skipped" in told(found)
    assert found["claims"][0]["window"]["start"] == INCIDENT


@pytest.mark.parametrize("digits", ["4000", "400"])
async def test_a_log_line_with_a_number_of_many_digits_costs_no_other(
    root: Path, digits: str
) -> None:
    file = root / "case" / "logs" / "all.jsonl"
    line = f'{{"timestamp": {"9" * int(digits)}, "service": "shop", "message": "hello"}}\n'
    file.write_text(line + file.read_text())

    found = await analyzed(root, "logs")

    assert cause(found) == "payment"
    assert "1 malformed rows were skipped" in told(found)


@pytest.mark.parametrize("banner", ["Starting shop 1.7", "12:45:51 up"])
async def test_lines_above_the_first_time_are_as_old_as_it(root: Path, banner: str) -> None:
    lines = "".join(f"2023-11-14 23:13:{n:02} ERROR payment is locked\n" for n in range(30))
    (root / "case" / "logs" / "payment.log").write_text(f"{banner}\n{lines}")
    write_case(root, logs=["payment.log"])

    found = await analyzed(root, "logs")

    assert cause(found) == "payment"
    assert found["claims"][0]["window"]["start"] == 1_700_003_580


async def test_a_file_whose_times_cannot_be_read_is_kept_and_told(root: Path) -> None:
    lines = "".join(log_line("14/Nov/2023", "payment", "ERROR", "locked") for _ in range(30))
    (root / "case" / "logs" / "all.jsonl").write_text(lines)

    found = await analyzed(root, "logs")

    assert cause(found) == "payment"
    assert "all.jsonl: no line has a time that can be read" in told(found)


async def test_a_time_written_without_separators_is_read_as_the_date_it_is(root: Path) -> None:
    for number, time in enumerate(("20231114231321", 20231114231321, "20231114231321000")):
        file = root / "case" / "logs" / f"{number}.jsonl"
        file.write_text(log_line(time, "payment", "ERROR", "the ledger is locked"))
    write_case(root, logs=["0.jsonl", "1.jsonl", "2.jsonl"])

    found = await analyzed(root, "logs")

    assert told(found) == ""
    assert found["claims"][0]["window"] == {"start": 1700003601.0, "end": 1700003601.0}


@pytest.mark.parametrize("odd", ["\0", "\\u0000", "\\ud800", "\x1b[31m", "\u202e"], ids=short)
async def test_a_character_that_cannot_be_kept_is_shown_in_the_findings(
    root: Path, odd: str
) -> None:
    file = root / "case" / "logs" / "all.jsonl"
    file.write_text(file.read_text().replace("twice", f"tw{odd}ice"))
    traces = root / "case" / "traces" / "all.json"
    traces.write_text(traces.read_text().replace("select", f"sel{odd}ect"))
    usual = root / "baseline" / "traces" / "all.json"
    usual.write_text(usual.read_text().replace("select", f"sel{odd}ect"))
    for folder in ("case", "baseline"):
        metrics = root / folder / "metrics.csv"
        metrics.write_text(metrics.read_text().replace("cpu", f"cpu{odd}"))

    for signal in ANALYSES:
        found = await analyzed(root, signal)
        assert cause(found) == "payment"
        assert not {"\0", "\x1b", "\u202e"} & set(json.dumps(found, ensure_ascii=False))


async def test_a_rotated_log_that_begins_with_nuls_is_read(root: Path) -> None:
    log = "".join(f"2023-11-14 23:13:{n:02} ERROR payment ledger\0 is locked\n" for n in range(30))
    (root / "case" / "logs" / "payment.log").write_text("\0" * 5000 + log)
    write_case(root, logs=["payment.log"])

    found = await analyzed(root, "logs")

    assert cause(found) == "payment"
    assert "ledger\N{SYMBOL FOR NULL} is locked" in found["findings"][0]["text"]


async def test_a_line_nested_without_end_costs_no_other(root: Path) -> None:
    file = root / "case" / "logs" / "all.jsonl"
    deep = f'{{"service": "shop", "message": {"[" * 100_000}{"]" * 100_000}}}\n'
    file.write_text(deep + file.read_text())

    found = await analyzed(root, "logs")

    assert cause(found) == "payment"
    assert "1 malformed rows were skipped" in told(found)


@pytest.mark.parametrize(
    "changes",
    [
        *({"startTimeUnixNano": time} for time in ODD_TIMES),
        {"endTimeUnixNano": "²"}, {"name": ""}, {"traceId": 7}, {"status": {"code": []}, "name": 1},
    ],
    ids=short,
)  # fmt: skip
async def test_an_odd_span_costs_no_other(root: Path, changes: dict[str, object]) -> None:
    odd = span(INCIDENT, 1, 0, **changes)
    (root / "case" / "traces" / "all.json").write_text(otlp([odd, *spans(INCIDENT, 3.0)]))

    found = await analyzed(root, "traces")

    assert cause(found) == "payment"
    assert "1 malformed rows were skipped" in told(found)


@pytest.mark.parametrize(
    "duration", ["9" * 350, "9" * 400, "9" * 5000, "NaN", "1e999", '"²"'], ids=short
)
async def test_an_odd_duration_costs_no_other_span(root: Path, duration: str) -> None:
    def jaeger(start: int, seconds: float) -> list[str]:
        return [
            json.dumps({
                "traceID": f"{start}{number}", "spanID": "1", "operationName": "select",
                "processID": "p", "startTime": (start + number) * 10**6,
                "duration": int(seconds * 10**6),
            })
            for number in range(30)
        ]  # fmt: skip

    def document(found: list[str]) -> str:
        joined = ",".join(found)
        return (
            f'{{"data":[{{"processes":{{"p":{{"serviceName":"payment"}}}},"spans":[{joined}]}}]}}'
        )

    normal, slow = jaeger(NORMAL, 0.01), jaeger(INCIDENT, 3)
    odd = normal[0].replace('"duration": 10000', f'"duration": {duration}')
    (root / "baseline" / "traces" / "all.json").write_text(document(normal))
    (root / "case" / "traces" / "all.json").write_text(document([odd, *slow]))

    found = await analyzed(root, "traces")

    assert cause(found) == "payment"
    assert "1 malformed rows were skipped" in told(found)


@pytest.mark.parametrize(
    "odd", ["²", "9" * 400, "9" * 5000, "-1", "soon", "99999999999999999999"], ids=short
)
async def test_an_odd_row_of_a_span_table_costs_no_other(root: Path, odd: str) -> None:
    header = "TraceID,SpanID,ParentID,PodName,OperationName,StartTimeUnixNano,EndTimeUnixNano\n"
    for folder, start, seconds in (("baseline", NORMAL, 0), ("case", INCIDENT, 3)):
        rows = [
            f"{start}{n},1,root,payment,select,{start + n}000000000,{start + n + seconds}010000000\n"
            for n in range(30)
        ]
        rows.insert(0, f"t,1,root,payment,select,{odd},{start}000000000\n" * (folder == "case"))
        (root / folder / "traces" / "spans.csv").write_text(header + "".join(rows))
        (root / folder / "traces" / "all.json").unlink()
    write_case(root, traces=["spans.csv"])

    found = await analyzed(root, "traces")

    assert cause(found) == "payment"
    assert "1 malformed rows were skipped" in told(found)


@pytest.mark.parametrize(
    "row",
    [
        *(f"{time},payment,cpu,95" for time in ("²", "9" * 400, "9" * 5000, "202513241616")),
        "9999-12-31T23:59:59-14:00,payment,cpu,95", f"{INCIDENT},payment,cpu,²",
        f"{INCIDENT},payment,cpu,1e308", f"{INCIDENT},payment,cpu,-1{'0' * 305}", "x",
    ],
    ids=short,
)  # fmt: skip
async def test_an_odd_sample_costs_no_other(root: Path, row: str) -> None:
    file = root / "case" / "metrics.csv"
    file.write_text(f"{file.read_text()}{row}\n")

    found = await analyzed(root, "metrics")

    assert cause(found) == "payment"
    assert "1 malformed rows were skipped" in told(found)


LONG = "SELECT " + "column, " * 6000


async def test_a_cause_is_found_however_long_its_texts_are(root: Path) -> None:
    for folder, start, seconds in (("baseline", NORMAL, 0.01), ("case", INCIDENT, 3.0)):
        text = otlp(spans(start, seconds, name=LONG), service="db")
        (root / folder / "traces" / "all.json").write_text(text)
        failing = folder == "case"
        logs = log_lines(start, failing=failing).replace("twice", LONG).replace("payment", "db")
        (root / folder / "logs" / "all.jsonl").write_text(logs)
        metrics = samples(start, 95 if failing else 5, service="db", metric=f"cpu_{'m' * 50_000}")
        (root / folder / "metrics.csv").write_text(metrics)

    for signal in ANALYSES:
        found = await analyzed(root, signal)
        assert cause(found) == "db"
        assert len(dumps(found)) < 50_000
        if signal != "logs":
            assert "…" in found["findings"][0]["text"]


@pytest.mark.parametrize("signal", ANALYSES)
async def test_long_names_that_differ_only_at_their_end_stay_different(
    root: Path, signal: str
) -> None:
    """Of two services whose names begin alike, the right one is blamed, by the same name everywhere."""
    good, bad = f"{'s' * 60_000}-good", f"{'s' * 60_000}-bad"
    for folder, start in (("baseline", NORMAL), ("case", INCIDENT)):
        failing = folder == "case"
        place = root / folder
        both = json.loads(otlp(spans(start, 3.0 if failing else 0.01), service=bad))
        both["resourceSpans"] += json.loads(otlp(spans(start + 1, 0.01), service=good))[
            "resourceSpans"
        ]
        (place / "traces" / "all.json").write_text(json.dumps(both))
        logs = log_lines(start, failing=failing).replace("shop", good).replace("payment", bad)
        (place / "logs" / "all.jsonl").write_text(logs)
        bad_rows = samples(start, 95 if failing else 5, service=bad)
        good_rows = samples(start, 5, service=good).split("\n", 1)[1]
        (place / "metrics.csv").write_text(bad_rows + good_rows)

    found = await analyzed(root, signal)

    causes = [claim["subject"] for claim in found["claims"] if claim["kind"] == "cause"]
    assert len(causes) == 1
    assert len(causes[0]) == 200
    assert causes[0] == f"{'s' * 187}…2859ffbb1b55"


@pytest.mark.parametrize("time", [86_400, 1_000_000_000, 4_000_000_000])
async def test_a_row_dated_far_from_all_others_moves_no_window(root: Path, time: int) -> None:
    """Without a baseline, what lies well before the alert is the normal: where that ends matters."""
    for signal, name in (("logs", "all.jsonl"), ("traces", "all.json")):
        normal = root / "baseline" / signal / name
        (root / "case" / signal / f"0{name}").write_bytes(normal.read_bytes())
    stray = log_line(time, "shop", "INFO", "hello")
    (root / "case" / "logs" / "stray.jsonl").write_text(stray)
    (root / "case" / "traces" / "stray.json").write_text(otlp(spans(time, 0.01)[:1], "shop"))
    _, incident_samples = samples(INCIDENT, 95).split("\n", 1)
    normal_samples = (root / "baseline" / "metrics.csv").read_text()
    (root / "case" / "metrics.csv").write_text(
        f"{normal_samples}{incident_samples}{time},shop,cpu,1\n"
    )
    write_case(
        root, baseline=None, alert_time_unix=INCIDENT,
        logs=["0all.jsonl", "all.jsonl", "stray.jsonl"],
        traces=["0all.json", "all.json", "stray.json"],
    )  # fmt: skip

    for signal in ANALYSES:
        found = await analyzed(root, signal)
        assert cause(found) == "payment"
        assert found["claims"][0]["strength"] > 0.4
        # Of a time before 2000 it is said that it is none; of another that it lies far off.
        unread = ("1 malformed rows", "no line has a time that can be read")
        assert any(words in told(found) for words in ("1 rows of", *unread))
        assert found["claims"][0]["window"]["end"] < INCIDENT + 100

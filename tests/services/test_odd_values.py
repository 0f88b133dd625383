"""One odd value costs itself: the cause is still named, and what was lost is told."""

import json
import lzma
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import Any

import pytest
from anyio import to_thread

from services.log_analyst.tools import log_tools
from services.metrics_analyst.tools import metrics_tools
from services.trace_analyst.tools import trace_tools
from tests.services.asked import asked
from weft.core.record import dumps
from weft.tools.datasets import DataRoots

Write = Callable[[Path], None]
NORMAL, INCIDENT = 1_700_000_000, 1_700_003_000
TOOLS = {"logs": log_tools, "traces": trace_tools, "metrics": metrics_tools}


async def analyzed(root: Path, signal: str, data: str = "case") -> dict[str, Any]:
    (analyze,) = TOOLS[signal](DataRoots([root]))
    return await asked(analyze, data)


def written(folder: Path, name: bytes, content: bytes) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(content)


def cause(found: dict[str, Any]) -> str:
    subject: str = found["claims"][0]["subject"]
    return subject


def told(found: dict[str, Any]) -> str:
    return "\n".join(f"{each['file']}: {each['problem']}" for each in found["problems"])


def log_lines(start: int, *, failing: bool) -> str:
    lines = []
    for number in range(40):
        at = start + number
        lines.append(log_line(at, "shop", "INFO", f"order {number} received"))
        if failing:
            lines.append(log_line(at, "payment", "ERROR", f"card {number} was declined twice"))
        else:
            lines.append(log_line(at, "payment", "INFO", f"card {number} was charged"))
    return "".join(lines)


def log_line(at: object, service: str, level: str, message: str) -> str:
    record = {"timestamp": at, "level": level, "service": service, "message": message}
    return f"{json.dumps(record)}\n"


def span(at: float, seconds: float, number: int, **changes: object) -> dict[str, object]:
    return {
        "traceId": f"{at}{number}", "spanId": "1", "name": "select", "parentSpanId": "",
        "startTimeUnixNano": str(int(at * 10**9)),
        "endTimeUnixNano": str(int((at + seconds) * 10**9)), **changes,
    }  # fmt: skip


def spans(start: int, seconds: float, **changes: object) -> list[dict[str, object]]:
    return [span(start + number, seconds, number, **changes) for number in range(30)]


def otlp(found: list[dict[str, object]], service: str = "payment") -> str:
    name = {"key": "service.name", "value": {"stringValue": service}}
    resource = {"resource": {"attributes": [name]}, "scopeSpans": [{"spans": found}]}
    return json.dumps({"resourceSpans": [resource]})


def samples(start: int, value: float, *, service: str = "payment", metric: str = "cpu") -> str:
    rows = [f"{start + number},{service},{metric},{value + number % 3}" for number in range(30)]
    return "\n".join(["timestamp,service,metric,value", *rows, ""])


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A case in which payment is the cause, in each of its signals."""
    for folder, start, failing in (("baseline", NORMAL, False), ("case", INCIDENT, True)):
        place = tmp_path / folder
        (place / "logs").mkdir(parents=True)
        (place / "traces").mkdir()
        (place / "logs" / "all.jsonl").write_text(log_lines(start, failing=failing))
        (place / "traces" / "all.json").write_text(otlp(spans(start, 3.0 if failing else 0.01)))
        (place / "metrics.csv").write_text(samples(start, 95 if failing else 5))
    write_case(tmp_path)
    return tmp_path


def write_case(root: Path, **changes: object) -> None:
    facts: dict[str, object] = {
        "case": "odd", "baseline": "baseline", "logs": ["all.jsonl"], "traces": ["all.json"],
    }  # fmt: skip
    (root / "case" / "case.json").write_text(json.dumps({**facts, **changes}))


def short(value: object) -> str:
    return ascii(value)[:24]


ODD_TIMES = [
    "²", "1" * 400, "1" * 5000, "202513241616", "202511241616401", "9999-12-31T23:59:59-14:00",
    "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59Z", float("nan"), 10**399, True, [], "then",
]  # fmt: skip


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

    for signal in TOOLS:
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


@pytest.mark.parametrize("signal", TOOLS)
async def test_file_names_that_are_no_text_are_read_and_told_apart(root: Path, signal: str) -> None:
    (root / "case" / "case.json").unlink()
    names = {"logs": b"caf\xe9.log", "traces": b"trace\xff.json", "metrics": b"metrics\xfe.csv"}
    for name in names.values():
        written(root / "case", name, b"\xff\n")

    found = await analyzed(root, signal)

    escaped = names[signal].decode(errors="backslashreplace")
    assert f"case/{escaped}: is not UTF-8" in told(found)


@pytest.mark.parametrize("name", ["x" * 300, "y/" * 3000, "\0", "\ud800", "~" * 5000], ids=short)
async def test_a_name_that_no_file_can_have_costs_only_itself(root: Path, name: str) -> None:
    write_case(root, logs=[name, "all.jsonl"], traces=[name, "all.json"])

    for signal in TOOLS:
        found = await analyzed(root, signal)
        assert cause(found) == "payment"
        if signal != "metrics":
            assert any(word in told(found) for word in ("too long", "refused", "does not exist"))


@pytest.mark.parametrize("name", ["x" * 300, "\0", 7, ["x"]], ids=short)
async def test_a_baseline_that_no_directory_can_be_is_told(root: Path, name: object) -> None:
    write_case(root, baseline=name)

    for signal in TOOLS:
        assert "baseline" in told(await analyzed(root, signal))


@pytest.mark.parametrize("alert", ["²", 10**399, float("nan"), True, [1]], ids=short)
async def test_an_alert_at_no_time_is_told(root: Path, alert: object) -> None:
    write_case(root, alert_time_unix=alert)

    for signal in TOOLS:
        found = await analyzed(root, signal)
        assert cause(found) == "payment"
        assert "alert_time_unix is no time" in told(found)


@pytest.mark.parametrize("signal", TOOLS)
@pytest.mark.parametrize("name", ["n" * 300, "\ud800", "\udcff/x"], ids=short)
async def test_data_with_a_name_that_none_can_have_is_told_without_its_path(
    root: Path, signal: str, name: str
) -> None:
    found = await analyzed(root, signal, f"case/{name}/x")

    assert found["problems"]
    assert str(root) not in json.dumps(found)


@pytest.mark.parametrize(
    "broken", [b"\xfd7zXZ\x00broken", lzma.compress(b"{}" * 999)[:-9], b"\xff"]
)
async def test_a_case_file_that_is_broken_leaves_the_files_beside_it(
    root: Path, broken: bytes
) -> None:
    (root / "case" / "case.json").write_bytes(broken)

    for signal in TOOLS:
        found = await analyzed(root, signal)
        assert "case.json: unreadable, so the directory's files are used" in told(found)
        assert "of normal times to compare with" in told(found)


async def test_a_broken_archive_costs_only_itself(root: Path) -> None:
    (root / "case" / "logs" / "bad.jsonl.xz").write_bytes(b"\xfd7zXZ\x00broken")
    write_case(root, logs=["bad.jsonl.xz", "all.jsonl"])

    found = await analyzed(root, "logs")

    assert cause(found) == "payment"
    assert "bad.jsonl.xz: cannot be decompressed" in told(found)


async def test_more_files_of_one_kind_than_are_read_end_only_that_kind(root: Path) -> None:
    (root / "case" / "case.json").unlink()
    for number in range(300):
        (root / "case" / f"a{number:06}.log").write_text("INFO shop hello\n")

    opened = await to_thread.run_sync(DataRoots([root]).open_case, "case")

    assert len(opened.incident.logs) == 256
    assert [file.name for file in opened.incident.traces] == ["case/traces/all.json"]
    assert [file.name for file in opened.incident.metrics] == ["case/metrics.csv"]
    (problem,) = opened.problems
    assert problem.problem == "45 more logs files left out: 256 are read"


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

    for signal in TOOLS:
        found = await analyzed(root, signal)
        assert cause(found) == "db"
        assert len(dumps(found)) < 50_000
        if signal != "logs":
            assert "…" in found["findings"][0]["text"]


@pytest.mark.parametrize("signal", TOOLS)
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


def test_a_directory_without_permission_costs_only_itself() -> None:
    """Root may read everything, so another user reads."""
    with TemporaryDirectory() as name:
        root = Path(name)
        root.chmod(0o755)
        case = root / "case"
        (case / "logs").mkdir(parents=True)
        (case / "metrics").mkdir()
        (case / "metrics.csv").write_text(samples(INCIDENT, 95))
        (case / "trace.json").write_text(otlp(spans(INCIDENT, 3)))
        (case / "source").mkdir()
        (case / "source" / "a.py").write_text("x = 1\n")
        (case / "source" / "shut").mkdir()
        closed = (case / "logs", case / "metrics", case / "source" / "shut")
        for each in closed:
            each.chmod(0)

        opened = read_as_another(root, "case")
        (case / "case.json").write_text(json.dumps({"logs": ["x.log"], "traces": []}))
        told_of = read_as_another(root, "case")
        for each in closed:
            each.chmod(0o700)

    assert opened["metrics"] == ["case/metrics.csv"]
    assert opened["traces"] == ["case/trace.json"]
    shut = "cannot be read: Permission denied"
    assert opened["problems"] == [["case/logs", shut], ["case/metrics", shut]]
    assert opened["source"] == ["source/a.py"]
    assert ["case/source/shut", shut] in opened["source_problems"]
    assert ["case/log/x.log", "does not exist"] not in told_of["problems"]
    assert ["case/logs/x.log", shut] in told_of["problems"]
    assert told_of["metrics"] == ["case/metrics.csv"]


def read_as_another(root: Path, data: str) -> dict[str, Any]:
    """Open a case and its source in a process of a user who owns none of it."""
    program = dedent(
        """
        import encodings.utf_8_sig, json, os, sys
        from services.code_analyst.roots import SourceRoots
        roots = SourceRoots([sys.argv[1]])
        if os.geteuid() == 0:
            os.setgroups([]), os.setgid(65534), os.setuid(65534)
        case = roots.open_case(sys.argv[2])
        facts = os.path.exists(f"{sys.argv[1]}/{sys.argv[2]}/case.json")
        tree = roots.open_source(f"{sys.argv[2]}/source" if facts else sys.argv[2])
        told = lambda problems: [[each.file, each.problem] for each in problems]
        kinds = {kind: [file.name for file in getattr(case.incident, kind)]
                 for kind in ("logs", "traces", "metrics")}
        print(json.dumps({
            **kinds, "problems": told(case.problems),
            "source": [file.name for file in tree.files], "source_problems": told(tree.problems),
        }))
        """
    )
    paths = os.pathsep.join(each for each in sys.path if each)
    done = subprocess.run(
        [sys.executable, "-c", program, str(root), data],
        capture_output=True, check=False, timeout=15,
        env={"PYTHONPATH": os.pathsep.join((str(Path(__file__).parents[2]), paths))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr.decode()
    found: dict[str, Any] = json.loads(done.stdout)
    return found

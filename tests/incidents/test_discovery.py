"""What lies in a directory is found by what it contains, and what is not read is named."""

import bz2
import gzip
import json
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from incidents.cases import DataRoots, IncidentCase
from incidents.discovery import Signals
from incidents.files import DataFile
from incidents.logs import Logs, read_logs
from incidents.metrics import Metrics, read_metrics
from incidents.traces import Traces, read_traces

LOG = "2026-03-02T10:20:30Z ERROR no stock\n"
SPANS = json.dumps({"resourceSpans": []})
SAMPLES = "timestamp,service,metric,value\n1772446830,cart,cpu,1\n"


def opened(place: Path, files: dict[str, str | bytes], facts: object = None) -> IncidentCase:
    """Open a case of these files, with a `case.json` if there are facts."""
    for name, content in files.items():
        path = place / "root" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    if facts is not None:
        (place / "root" / "case" / "case.json").write_text(json.dumps(facts))
    return DataRoots([place / "root"]).open_case("case")


def found(signals: Signals) -> dict[str, list[str]]:
    return {
        kind: sorted(file.name.removeprefix("case/") for file in getattr(signals, kind))
        for kind in ("logs", "traces", "metrics")
    }


def told(case: IncidentCase) -> dict[str, str]:
    return {problem.file.removeprefix("case/"): problem.problem for problem in case.problems}


@pytest.mark.requirement("DIAG-10")
def test_files_are_told_apart_by_what_they_hold(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "case/syslog": "Mar  2 10:20:30 db cart[7]: no stock\n",
        "case/cart.log.1": LOG,
        "case/cart.log.2.gz": gzip.compress(LOG.encode()),
        "case/export.dat": bz2.compress(LOG.encode()),
        "case/journal": '{"__REALTIME_TIMESTAMP":"1772446830250000","MESSAGE":"x"}\n',
        "case/deep/er/still/cart.txt": LOG,
        "case/otel.jsonl": f"{SPANS}\n",
        "case/log.json": SPANS,
        "case/data.csv": SAMPLES,
        "case/traces.csv": SAMPLES,
    }

    case = opened(tmp_path, files)

    assert found(case.incident) == {
        "logs": [
            "cart.log.1", "cart.log.2.gz", "deep/er/still/cart.txt", "export.dat", "journal",
            "syslog",
        ],
        "traces": ["log.json", "otel.jsonl"],
        "metrics": ["data.csv", "traces.csv"],
    }  # fmt: skip
    assert case.problems == ()


@pytest.mark.requirement("DIAG-10")
@pytest.mark.parametrize(
    "facts",
    [
        {"case": "x"}, {"case": "x", "baseline": "baseline"}, {"logs": ["cart.log"]},
        {"logs": [], "traces": []}, {"logs": ["cart.log"], "traces": ["spans.json"]},
    ],
)  # fmt: skip
def test_the_same_files_are_read_with_and_without_a_case_file(
    tmp_path: Path, facts: object
) -> None:
    files: dict[str, str | bytes] = {
        "case/cart.log": LOG, "case/sub/pay.log": LOG, "case/spans.json": SPANS,
        "case/m.csv": SAMPLES, "case/baseline/cart.log": LOG,
    }  # fmt: skip

    bare = opened(tmp_path, files)
    case = opened(tmp_path, files, facts)

    assert found(case.incident) == found(bare.incident)
    assert found(case.incident)["logs"] == ["cart.log", "sub/pay.log"]
    assert found(case.baseline) == found(bare.baseline)
    assert found(case.baseline)["logs"] == ["baseline/cart.log"]


@pytest.mark.requirement("DIAG-10")
def test_a_listed_file_that_is_absent_is_told(tmp_path: Path) -> None:
    case = opened(tmp_path, {"case/cart.log": LOG}, {"logs": ["cart.log", "gone.log"]})

    read = read_logs(case.incident.logs)

    assert [(file.rows, file.reason) for file in read.files] == [(1, ""), (0, "does not exist")]


@pytest.mark.parametrize("where", ["case/baseline", "baseline"])
def test_normal_times_lie_in_the_case_or_beside_it(tmp_path: Path, where: str) -> None:
    case = opened(tmp_path, {"case/cart.log": LOG, f"{where}/cart.log": LOG})

    assert found(case.incident)["logs"] == ["cart.log"]
    assert [file.name for file in case.baseline.logs] == [f"{where}/cart.log"]


def test_normal_times_are_not_compared_with_themselves(tmp_path: Path) -> None:
    opened(tmp_path, {"case/cart.log": LOG, "baseline/cart.log": LOG})

    case = DataRoots([tmp_path / "root"]).open_case("baseline")

    assert (len(case.incident.logs), case.baseline) == (1, Signals())


def test_another_case_in_a_directory_is_named_and_not_mixed_in(tmp_path: Path) -> None:
    case = opened(
        tmp_path, {"case/cart.log": LOG, "case/two/case.json": "{}", "case/two/a.log": LOG}
    )

    assert found(case.incident)["logs"] == ["cart.log"]
    assert told(case) == {"two": "is a case of its own: name it to have it read"}


def test_source_code_and_what_stands_too_deep_is_no_data(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "case/a/b/c/d/e/x.log": LOG, "case/.git/x.log": LOG, "case/app.py": "x = 1\n",
        "case/src/2.log": LOG,
    }  # fmt: skip

    case = opened(tmp_path, files, {"source": "src"})

    assert found(case.incident) == {"logs": [], "traces": [], "metrics": []}
    assert told(case) == {"a/b/c/d/e": "stands too deep: it was not entered"}


@pytest.mark.requirement("DIAG-11")
@pytest.mark.parametrize(
    ("name", "content", "nearest"),
    [
        ("picture.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + bytes(range(256)), "log lines: it is no text"),
        ("notes.txt", "Ask Anna about it.\nShe knows.\n", "none of its first lines has a time"),
    ],
)  # fmt: skip
def test_a_file_that_is_not_read_is_named_with_the_nearest_format(
    tmp_path: Path, name: str, content: str | bytes, nearest: str
) -> None:
    case = opened(tmp_path, {f"case/{name}": content})

    assert told(case)[name].startswith("is in no format that is read")
    assert nearest in told(case)[name]


@pytest.mark.requirement("DIAG-11")
@pytest.mark.parametrize(
    ("name", "content", "kind", "reason"),
    [
        ("m.csv", "service,metric,value\na,b,2\n", "metrics", "it has no column a time"),
        ("x.json", '{"data":[{"traceID":"a"}]}', "traces", "nearest is Jaeger JSON"),
        ("thing.json", '{"some": "thing"}', "logs", "nearest is JSON lines"),
        ("events.jsonl", '{"user":"anna","cart":7}\n', "logs", "neither a time nor a level"),
    ],
)  # fmt: skip
def test_a_file_that_comes_near_a_format_is_a_gap_of_its_source(
    tmp_path: Path, name: str, content: str, kind: str, reason: str
) -> None:
    case = opened(tmp_path, {f"case/{name}": content})

    assert found(case.incident)[kind] == [name]
    readers: dict[str, Callable[[Iterable[DataFile]], Logs | Traces | Metrics]]
    readers = {"logs": read_logs, "traces": read_traces, "metrics": read_metrics}
    (file,) = readers[kind](getattr(case.incident, kind)).files
    assert file.rows == 0
    assert reason in file.reason


def test_many_files_that_are_not_read_are_counted(tmp_path: Path) -> None:
    case = opened(tmp_path, {f"case/{number}.txt": "Ask Anna.\n" for number in range(30)})

    assert len(case.problems) == 21
    assert case.problems[-1].problem == "10 more files are in no format that is read"

"""A case opens within its root only, its ground truth never, and one bad file costs only itself."""

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from incidents.cases import DataRoots, IncidentCase
from incidents.discovery import Signals
from incidents.logs import read_logs
from incidents.metrics import read_metrics
from incidents.problems import FileProblem
from incidents.traces import read_traces
from weft.core.errors import DataRefusedError

_OPENED: list[str] = []


def _watch(event: str, args: tuple[object, ...]) -> None:
    if event == "open" and isinstance(args[0], str | bytes):
        _OPENED.append(os.fsdecode(args[0]))


sys.addaudithook(_watch)


@contextmanager
def opened_files() -> Iterator[list[str]]:
    _OPENED.clear()
    yield _OPENED


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Two baselines and a case, in a data root with something secret beside it."""
    data = tmp_path / "data"
    for day in ("monday", "tuesday"):
        (data / "baseline" / day).mkdir(parents=True)
    (data / "baseline/monday/08_50_log.csv").write_text("Timestamp\n")
    (data / "baseline/tuesday/metrics.csv").write_text("timestamp,service,metric,value\n1,a,b,1\n")
    case = data / "dev" / "one"
    (case / "log").mkdir(parents=True)
    (case / "trace").mkdir()
    (case / "log" / "a.jsonl").write_text('{"timestamp":1700000000,"message":"hello"}\n')
    (case / "trace" / "t.json").write_text('{"resourceSpans":[]}')
    (case / "metrics.csv").write_text("timestamp,service,metric,value\n1700000000,a,b,1\n")
    (data / "dev" / "labels.json").write_text('{"one":"the answer"}')
    (case / "labels.json").write_text('{"one":"the answer"}')
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret" / "x.log").write_text("password\n")
    told(data)
    return data


def told(root: Path, **changes: object) -> None:
    facts: dict[str, object] = {
        "case": "one",
        "alert_time_unix": 1_700_000_000,
        "baseline": "baseline/monday",
        "logs": ["a.jsonl"],
        "traces": ["t.json"],
    }
    (root / "dev" / "one" / "case.json").write_text(json.dumps({**facts, **changes}))


def names(signals: Signals) -> list[str]:
    return [file.name for file in (*signals.logs, *signals.traces, *signals.metrics)]


def problems(case: IncidentCase) -> str:
    return "\n".join(f"{problem.file}: {problem.problem}" for problem in case.problems)


def test_a_case_opens_with_the_files_it_names_and_the_nearest_baseline(root: Path) -> None:
    case = DataRoots([root]).open_case("dev/one")

    assert (case.name, case.alert_time) == ("one", 1_700_000_000)
    assert names(case.incident) == [
        "dev/one/log/a.jsonl",
        "dev/one/trace/t.json",
        "dev/one/metrics.csv",
    ]
    assert [file.name for file in case.baseline.logs] == ["baseline/monday/08_50_log.csv"]


def test_the_moment_of_a_violated_target_is_that_of_the_alert(root: Path) -> None:
    target = {"node": "shop", "metric": "latency", "timestamp": 1_700_000_300}
    facts = {"case": "one", "baseline": "baseline/monday", "target": target}
    (root / "dev" / "one" / "case.json").write_text(json.dumps(facts))

    assert DataRoots([root]).open_case("dev/one").alert_time == 1_700_000_300


def test_what_a_baseline_lacks_comes_from_another_one_and_is_said(root: Path) -> None:
    case = DataRoots([root]).open_case("dev/one")

    assert [file.name for file in case.baseline.metrics] == ["baseline/tuesday/metrics.csv"]
    assert "baseline/monday: has no metrics: those of tuesday are used" in problems(case)


def test_a_nearer_baseline_goes_before_a_farther_one(root: Path) -> None:
    (root / "dev" / "baseline" / "monday").mkdir(parents=True)
    (root / "dev" / "baseline" / "monday" / "near.log").write_text("x\n")

    case = DataRoots([root]).open_case("dev/one")

    assert [file.name for file in case.baseline.logs] == ["dev/baseline/monday/near.log"]


def test_a_baseline_above_the_root_is_not_found(root: Path) -> None:
    case = DataRoots([root / "dev"]).open_case("one")

    assert case.baseline == Signals()
    assert "the baseline does not exist" in problems(case)


@pytest.mark.parametrize(
    "data",
    [
        "../secret", "../nothing-there", "/etc", "/no/such/place", "dev/../../secret", "", "a\0b",
        "dev/labels.json", "dev/one/labels.json", "dev/LABELS.json", "link-out", "link-to-labels",
        "link-to-nothing-outside", "loop",
    ],
)  # fmt: skip
def test_what_lies_outside_is_refused_without_telling_whether_it_exists(
    root: Path, data: str
) -> None:
    (root / "link-out").symlink_to(root.parent / "secret")
    (root / "link-to-labels").symlink_to(root / "dev" / "labels.json")
    (root / "link-to-nothing-outside").symlink_to(root.parent / "nothing")
    (root / "loop").symlink_to(root / "loop")

    with pytest.raises(DataRefusedError) as caught:
        DataRoots([root]).open_case(data)

    told_of = str(caught.value).replace(repr(data), "DATA")
    assert told_of == "data DATA is refused: name a directory below a data root"


def test_an_absolute_path_below_a_root_opens(root: Path) -> None:
    assert DataRoots([root.parent / "none", root]).open_case(f"{root}/dev/one").name == "one"


def test_names_in_a_case_that_lead_out_are_refused_and_lose_nothing_else(root: Path) -> None:
    (root / "dev/one/log/out.log").symlink_to(root.parent / "secret" / "x.log")
    (root / "dev/one/log/answer.log").symlink_to(root / "dev" / "labels.json")
    told(
        root,
        logs=["../../../../secret/x.log", "/etc/passwd", "out.log", "answer.log", "a.jsonl", 7],
        traces="t.json",
        baseline="../../secret",
    )

    case = DataRoots([root]).open_case("dev/one")

    assert names(case.incident) == [
        "dev/one/log/a.jsonl",
        "dev/one/log/7",
        "dev/one/trace/t.json",
        "dev/one/metrics.csv",
    ]
    for bad in ("../../../../secret/x.log", "/etc/passwd", "out.log", "answer.log"):
        assert f"{bad}: refused" in problems(case)
    assert "traces is no list" in problems(case)
    assert "../../secret: refused" in problems(case)


def test_a_missing_directory_is_refused_and_a_missing_file_is_a_problem(root: Path) -> None:
    told(root, logs=["a.jsonl", "gone.jsonl"])

    with pytest.raises(DataRefusedError, match="'dev/two' is refused: it does not exist"):
        DataRoots([root]).open_case("dev/two")
    case = DataRoots([root]).open_case("dev/one")

    read = read_logs(case.incident.logs)
    assert FileProblem("dev/one/log/gone.jsonl", "does not exist") in read.problems
    assert [bool(file.rows) for file in read.files] == [True, False]


@pytest.mark.parametrize("content", ["", "{", "[1]", "\xff"])
def test_a_case_file_that_cannot_be_read_leaves_the_loose_files(root: Path, content: str) -> None:
    (root / "dev/one/case.json").write_text(content, encoding="latin-1")

    case = DataRoots([root]).open_case("dev/one")

    assert "dev/one/case.json: unreadable" in problems(case)
    assert len(names(case.incident)) == 3


def test_a_directory_without_a_case_file_is_read_as_loose_files(root: Path) -> None:
    (root / "dev/one/case.json").unlink()

    case = DataRoots([root]).open_case("dev/one")

    assert sorted(names(case.incident)) == [
        "dev/one/log/a.jsonl",
        "dev/one/metrics.csv",
        "dev/one/trace/t.json",
    ]
    assert case.alert_time is None


def test_a_single_file_is_read_by_itself(root: Path) -> None:
    case = DataRoots([root]).open_case("dev/one/metrics.csv")

    assert [file.name for file in case.incident.metrics] == ["metrics.csv"]


def test_the_ground_truth_is_never_opened(root: Path) -> None:
    (root / "dev/one/trace/tricky.json").symlink_to(root / "dev" / "labels.json")
    told(root, logs=["labels.json", "a.jsonl"], traces=["tricky.json"], metrics=["labels.json"])
    roots = DataRoots([root])

    with opened_files() as opened:
        for data in ("dev/one", "dev", "baseline/monday"):
            case = roots.open_case(data)
            for signals in (case.incident, case.baseline):
                read_logs(signals.logs)
                read_traces(signals.traces)
                read_metrics(signals.metrics)

    assert any(name.endswith("a.jsonl") for name in opened)
    assert not [name for name in opened if "labels" in name or "tricky" in name]

"""One odd file or name costs itself: the cause is still named, and what was lost is told."""

import json
import lzma
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import dedent
from typing import Any

import pytest
from anyio import to_thread

from incidents.cases import DataRoots
from tests.services.recorded import (
    ANALYSES,
    INCIDENT,
    analyzed,
    cause,
    otlp,
    recorded_case,
    samples,
    short,
    spans,
    told,
    write_case,
    written,
)  # fmt: skip
from weft.core.errors import DataRefusedError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return recorded_case(tmp_path)


@pytest.mark.parametrize("signal", ANALYSES)
async def test_file_names_that_are_no_text_are_read_and_told_apart(root: Path, signal: str) -> None:
    (root / "case" / "case.json").unlink()
    names = {"logs": b"caf\xe9.log", "traces": b"trace\xff.json", "metrics": b"metrics\xfe.csv"}
    for name in names.values():
        written(root / "case", name, b"\xff\n")

    found = await analyzed(root, signal)

    escaped = names[signal].decode(errors="backslashreplace")
    assert f"case/{escaped}: is " in told(found)


@pytest.mark.parametrize("name", ["x" * 300, "y/" * 3000, "\0", "\ud800", "~" * 5000], ids=short)
async def test_a_name_that_no_file_can_have_costs_only_itself(root: Path, name: str) -> None:
    write_case(root, logs=[name, "all.jsonl"], traces=[name, "all.json"])

    for signal in ANALYSES:
        found = await analyzed(root, signal)
        assert cause(found) == "payment"
        if signal != "metrics":
            assert any(word in told(found) for word in ("too long", "refused", "does not exist"))


@pytest.mark.parametrize("name", ["x" * 300, "\0", 7, ["x"]], ids=short)
async def test_a_baseline_that_no_directory_can_be_is_told(root: Path, name: object) -> None:
    write_case(root, baseline=name)

    for signal in ANALYSES:
        assert "baseline" in told(await analyzed(root, signal))


@pytest.mark.parametrize("alert", ["²", 10**399, float("nan"), True, [1]], ids=short)
async def test_an_alert_at_no_time_is_told(root: Path, alert: object) -> None:
    write_case(root, alert_time_unix=alert)

    for signal in ANALYSES:
        found = await analyzed(root, signal)
        assert cause(found) == "payment"
        assert "alert_time_unix is no time" in told(found)


@pytest.mark.parametrize("signal", ANALYSES)
@pytest.mark.parametrize("name", ["n" * 300, "\ud800", "\udcff/x"], ids=short)
async def test_data_with_a_name_that_none_can_have_is_refused_without_its_path(
    root: Path, signal: str, name: str
) -> None:
    with pytest.raises(DataRefusedError) as caught:
        await analyzed(root, signal, f"case/{name}/x")

    assert str(root) not in str(caught.value)


@pytest.mark.parametrize(
    "broken", [b"\xfd7zXZ\x00broken", lzma.compress(b"{}" * 999)[:-9], b"\xff"]
)
async def test_a_case_file_that_is_broken_leaves_the_files_beside_it(
    root: Path, broken: bytes
) -> None:
    (root / "case" / "case.json").write_bytes(broken)

    for signal in ANALYSES:
        found = await analyzed(root, signal)
        assert "case.json: unreadable, so the directory's files are used" in told(found)
        assert cause(found) == "payment", "and the baseline beside it"


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
    closed_ones = ["case/logs", "case/metrics", "case/source/shut"]
    assert opened["problems"] == [[one, shut] for one in closed_ones]
    assert opened["source"] == ["source/a.py"]
    assert ["case/source/shut", shut] in opened["source_problems"]
    assert told_of["logs"] == ["case/logs/x.log"], "the nearest place, whose reader says why"
    assert told_of["metrics"] == ["case/metrics.csv"]


def read_as_another(root: Path, data: str) -> dict[str, Any]:
    """Open a case and its source in a process of a user who owns none of it."""
    program = dedent(
        """
        import encodings.utf_8_sig, json, os, sys
        from incidents import DataRoots
        from services.code_analyst.source_tree import source_tree
        roots = DataRoots([sys.argv[1]])
        if os.geteuid() == 0:
            os.setgroups([]), os.setgid(65534), os.setuid(65534)
        case = roots.open_case(sys.argv[2])
        facts = os.path.exists(f"{sys.argv[1]}/{sys.argv[2]}/case.json")
        tree = source_tree(roots, f"{sys.argv[2]}/source" if facts else sys.argv[2])
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

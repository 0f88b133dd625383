"""What is not there, not readable or not compared is told as that: by rules, and with a model."""

import json
import random
import shutil
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import pytest

from incidents.analyst import IncidentSettings, analyst
from services.code_analyst import main as code_analyst
from services.code_analyst.tools import ANALYZE_CODE
from services.log_analyst import main as log_analyst
from services.log_analyst.tools import ANALYZE_LOGS
from services.metrics_analyst import main as metrics_analyst
from services.metrics_analyst.tools import ANALYZE_METRICS
from services.trace_analyst import main as trace_analyst
from services.trace_analyst.tools import ANALYZE_TRACES
from tests.conftest import ROOT
from tests.services.recorded import recorded_case
from weft.core import Coverage, JsonObject, Result, parts_of
from weft.loop import Peer, Task
from weft.plan.joins import report_over
from weft.report import Branch, Report
from weft.testing import call, register_script

pytestmark = pytest.mark.timeout(120)
DEMO = ROOT / "deploy" / "demo" / "incident"
CASE = "checkout-slowdown"
ANALYSTS = {
    "log_analyst": (log_analyst, ANALYZE_LOGS),
    "metrics_analyst": (metrics_analyst, ANALYZE_METRICS),
    "trace_analyst": (trace_analyst, ANALYZE_TRACES),
    "code_analyst": (code_analyst, ANALYZE_CODE),
}
MODELS = pytest.mark.parametrize("model", ["offline:", "scripted:"])


async def diagnosed(root: Path, data: str | None = CASE, *, model: str = "offline:") -> Result:
    """Return what the four analysts say of `data` together, as a fan-out joins it."""
    branches: list[Branch] = []
    async with AsyncExitStack() as stack:
        for name in ANALYSTS:
            peer = await stack.enter_async_context(opened(name, root, model))
            metadata: JsonObject = {} if data is None else {"data": data}
            task = Task(parts_of("Why is checkout slow?"), "message-1", metadata=metadata)
            branches.append(Branch(name, name, await peer.start(task)))
    return report_over(branches, goal="Why is checkout slow?")


def opened(name: str, root: Path, model: str) -> AbstractAsyncContextManager[Peer]:
    main, analysis = ANALYSTS[name]
    if model == "scripted:":
        register_script(name, [call(analysis.name, data=CASE), "I looked at it."])
        model = f"scripted:{name}"
    settings = IncidentSettings(model=model, data_roots=(root,))
    return analyst(main.CARD, main.PROMPT, analysis, settings)


def report_of(result: Result) -> Report:
    return Report.model_validate(result.data)


def coverage_of(result: Result, source: str) -> Coverage:
    return next(each for each in report_of(result).coverage if each.source == source)


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    shutil.copytree(DEMO, tmp_path / "root")
    return tmp_path / "root"


def calm(root: Path) -> None:
    """Make normal times the incident, with the faulty source beside it."""
    for name in ("logs", "traces"):
        shutil.rmtree(root / CASE / name)
        shutil.copytree(root / "baseline" / name, root / CASE / name)
    shutil.copy(root / "baseline" / "metrics.csv", root / CASE / "metrics.csv")
    facts = json.loads((root / CASE / "case.json").read_text())
    del facts["alert_time_unix"]
    (root / CASE / "case.json").write_text(json.dumps(facts))


@pytest.mark.requirement("DIAG-4")
@pytest.mark.parametrize("listed", [True, False])
@MODELS
async def test_files_that_are_gone_damaged_or_empty_are_gaps_and_make_no_suspect(
    demo: Path, model: str, *, listed: bool
) -> None:
    logs = demo / CASE / "logs"
    (logs / "inventory.jsonl").unlink()
    (logs / "frontend.jsonl").write_bytes(random.Random(1).randbytes(50_000))  # noqa: S311
    (demo / CASE / "metrics.csv").write_bytes(b"")
    if not listed:
        facts = json.loads((demo / CASE / "case.json").read_text())
        facts["logs"].remove("inventory.jsonl")
        (demo / CASE / "case.json").write_text(json.dumps(facts))

    result = await diagnosed(demo, model=model)

    report = report_of(result)
    subjects = [suspect.subject for suspect in report.suspects]
    assert subjects[0] == "payment"
    assert not {"inventory", "frontend"} & set(subjects[:3]), report.suspects
    gaps = " ".join(gap.message for gap in report.gaps)
    assert all(name in gaps for name in ("inventory.jsonl", "frontend.jsonl", "metrics.csv"))
    assert result.partial


@pytest.mark.requirement("DIAG-7")
@MODELS
async def test_normal_times_as_the_incident_give_no_cause_whatever_the_source_says(
    demo: Path, model: str
) -> None:
    calm(demo)

    result = await diagnosed(demo, model=model)

    report = report_of(result)
    assert "No sign of an incident" in report.summary
    assert "cause" not in {finding.kind for finding in report.findings}
    assert "Most likely cause" not in report.summary
    assert "uspects:" not in report.summary
    assert "within what is usual" not in report.summary
    assert all(suspect.score < 0.001 for suspect in report.suspects), report.suspects
    verdicts = {each.source: each.verdict for each in report.coverage}
    assert verdicts == {
        "logs": "nothing_unusual", "traces": "nothing_unusual", "metrics": "nothing_unusual",
        "code": "found",
    }  # fmt: skip
    assert any(each.kind == "recommendation" for each in report.findings)


@pytest.mark.requirement("DIAG-1")
@MODELS
async def test_without_normal_times_nothing_is_called_normal_and_nobody_the_cause(
    demo: Path, model: str
) -> None:
    calm(demo)
    shutil.rmtree(demo / "baseline")
    facts = json.loads((demo / CASE / "case.json").read_text())
    del facts["baseline"]
    (demo / CASE / "case.json").write_text(json.dumps(facts))

    result = await diagnosed(demo, model=model)

    report = report_of(result)
    for source in ("logs", "traces", "metrics"):
        coverage = coverage_of(result, source)
        assert (coverage.verdict, coverage.compared) == ("not_compared", 0)
        assert coverage.window is not None
        assert "normal times" in coverage.reason
    assert "cause" not in {finding.kind for finding in report.findings}
    assert "Nothing was compared" in report.summary
    assert "healthy" not in report.summary


@pytest.mark.requirement("DIAG-2")
async def test_where_no_data_is_named_the_run_fails_and_says_what_could_be_named(
    demo: Path,
) -> None:
    result = await diagnosed(demo, None)

    assert (result.status, result.reasons[0].code) == ("failed", "no_data")
    assert "checkout-slowdown" in result.reasons[0].message
    assert {each.verdict for each in report_of(result).coverage} == {"not_read"}


@pytest.mark.requirement("DIAG-2")
@MODELS
async def test_a_directory_without_data_fails_the_run_and_says_what_lies_there(
    tmp_path: Path, model: str
) -> None:
    (tmp_path / CASE).mkdir()
    (tmp_path / CASE / "heap.bin").write_bytes(b"x")

    result = await diagnosed(tmp_path, model=model)

    assert (result.status, result.reasons[0].code) == ("failed", "no_data")
    assert f"{CASE} has no file with logs; in it lies heap.bin" in result.reasons[0].message


@pytest.mark.requirement("DIAG-1")
async def test_what_a_model_does_not_look_at_was_read_by_rules_before(demo: Path) -> None:
    register_script("lazy", ["All is well."])
    settings = IncidentSettings(model="scripted:lazy", data_roots=(demo,))

    async with analyst(log_analyst.CARD, log_analyst.PROMPT, ANALYZE_LOGS, settings) as peer:
        result = await asked(peer)

    joined = report_over([Branch("logs", "log_analyst", result)], goal="why")
    assert coverage_of(joined, "logs").verdict == "found"
    assert report_of(joined).findings


async def asked(peer: Peer) -> Result:
    return await peer.start(Task(parts_of("Why?"), "message-1", metadata={"data": CASE}))


async def test_data_outside_every_root_is_not_read_and_says_what_may_be(demo: Path) -> None:
    result = await diagnosed(demo, "/etc")

    assert result.status == "failed"
    assert "name a directory below a data root" in result.reasons[0].message
    assert "checkout-slowdown" in result.reasons[0].message


async def test_each_file_says_how_much_of_it_was_read(tmp_path: Path) -> None:
    recorded_case(tmp_path)
    with (tmp_path / "case" / "logs" / "all.jsonl").open("a") as file:
        file.write('{"damaged"\n')

    result = await diagnosed(tmp_path, "case")

    lacking, whole = coverage_of(result, "logs").files
    assert (lacking.name, lacking.rows, lacking.dated, lacking.levelled, lacking.skipped) == (
        "case/logs/all.jsonl", 80, 80, 80, 1,
    )  # fmt: skip
    assert lacking.reason == "line 81: 1 malformed rows were skipped"
    assert whole.format
    assert whole.reason == ""


@pytest.mark.requirement("DIAG-4")
@pytest.mark.parametrize(
    "name", ["logs/inventory.jsonl", "logs/payment.jsonl", "traces/traces.json", "metrics.csv"]
)
@pytest.mark.parametrize("side", [CASE, "baseline"])
async def test_a_file_that_is_cut_in_calm_times_makes_no_suspect_and_is_named(
    demo: Path, name: str, side: str
) -> None:
    calm(demo)
    file = demo / side / name
    whole = file.read_bytes()
    file.write_bytes(whole[: len(whole) * 2 // 5])

    report = report_of(await diagnosed(demo))

    # Everybody has a rank; what is usual suspects nobody.
    assert all(suspect.score < 0.001 for suspect in report.suspects)
    assert "suspects:" not in report.summary
    [gap] = [gap for gap in report.gaps if gap.code == "file_incomplete"]
    assert name.rsplit("/", 1)[-1] in gap.message

"""A directory without a baseline: what lies before its one clear change is normal, if it has one."""

import shutil
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from tests.conftest import ROOT
from tests.libs.plan.doubles import done
from tests.services.recorded import analyzed
from weft.core import Artifact, Claim
from weft.report import Branch, Report, synthesize

# Whole analyses, traced line by line, take five times as long.
pytestmark = [pytest.mark.timeout(120), pytest.mark.no_cover]
INCIDENT = ROOT / "deploy" / "demo" / "incident"
SOURCES = ("logs", "traces", "metrics")


async def reported(root: Path) -> Report:
    """Return what the analysts say together of the directory `case`."""
    branches = []
    for source in SOURCES:
        result = await analyzed(root, source)
        branches.append(branch(source, result))
    return synthesize(branches, goal="Diagnose it")


def branch(source: str, result: dict[str, Any]) -> Branch:
    claims = [Claim.model_validate(claim) for claim in result["claims"]]
    cited = [
        claim.model_copy(update={"evidence_refs": tuple(f"c{ref}" for ref in claim.evidence_refs)})
        for claim in claims
    ]
    artifact = Artifact(id="c", name=f"analyze_{source}", data=result)
    made = done("words", claims=cited, artifacts=[artifact], generated_by="rules")
    return Branch(source, f"{source}_analyst", made)


async def copied(name: str, root: Path) -> Path:
    leaving = shutil.ignore_patterns("case.json", "source")
    copy = partial(shutil.copytree, INCIDENT / name, root / "case", ignore=leaving)
    return await to_thread.run_sync(copy)


@pytest.mark.requirement("DIAG-1", "DIAG-10")
async def test_an_incident_in_one_recording_is_held_against_what_was_before_it(
    tmp_path: Path,
) -> None:
    await copied("checkout-slowdown", tmp_path)

    report = await reported(tmp_path)

    began = 1_795_166_904.215
    assert report.suspects[0].subject == "payment"
    assert report.suspects[0].is_cause
    assert len(report.coverage) == len(SOURCES)
    for coverage in report.coverage:
        assert coverage.verdict == "found"
        assert coverage.window is not None
        assert coverage.baseline_window is not None
        assert coverage.baseline_window.end < began <= coverage.window.start
    assert len({coverage.normal_times for coverage in report.coverage}) == 1
    assert (
        "Normal times: the part before the change at 2026-11-20 09:28:24, found in the traces: "
        "the time of payment fraud.check; payment tells of a change then"
    ) in report.summary


@pytest.mark.requirement("DIAG-7")
async def test_what_does_not_change_clearly_is_divided_by_nothing(tmp_path: Path) -> None:
    await copied("baseline", tmp_path)

    report = await reported(tmp_path)

    assert {coverage.verdict for coverage in report.coverage} == {"not_compared"}
    assert not any(suspect.is_cause for suspect in report.suspects)
    assert "no one change in the data is clear enough to divide it" in report.summary

"""The joint ranking names the faulty service, whatever services, files and zones are called."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from incidents import DataRoots
from services.log_analyst.analysis import analyze as analyze_logs
from services.metrics_analyst.analysis import analyze as analyze_metrics
from services.trace_analyst.analysis import analyze as analyze_traces
from tests.services.systems import SERVICES, Fault, write_system
from weft.core import Artifact, Claim, Result
from weft.report import Branch, Report, synthesize

pytestmark = pytest.mark.no_cover  # whole analyses, traced line by line, take five times as long

FAULTS = {
    "a slow leaf": Fault("stock", delay=0.3),
    "a slow entry": Fault("front", delay=0.3),
    "a full processor": Fault("pay", cpu=96),
    "errors in the middle": Fault("order", errors=True),
}
PLAIN = {service: service for service in SERVICES}
BACKWARDS = {
    "front": "zeta",
    "order": "yvonne",
    "pay": "able",
    "search": "xerxes",
    "stock": "baker",
}
FORWARDS = {
    "front": "able",
    "order": "baker",
    "pay": "zeta",
    "search": "charlie",
    "stock": "yvonne",
}
Ranking = list[tuple[str, float]]


@pytest.fixture(params=list(FAULTS.values()), ids=list(FAULTS))
def fault(request: pytest.FixtureRequest) -> Fault:
    made: Fault = request.param
    return made


@pytest.fixture
def zone(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    yield monkeypatch
    monkeypatch.undo()
    time.tzset()


def diagnosed(place: Path) -> Report:
    roots = DataRoots([place])
    branches = []
    for name, analyze in (
        ("logs", analyze_logs), ("traces", analyze_traces), ("metrics", analyze_metrics)
    ):  # fmt: skip
        data = analyze(roots, "case")
        stated = data["claims"]
        assert isinstance(stated, list)
        claims = []
        for claim in map(Claim.model_validate, stated):
            refs = tuple(f"it{ref}" for ref in claim.evidence_refs)
            claims.append(claim.model_copy(update={"evidence_refs": refs}))
        artifact = Artifact(id="it", name=name, data=data)
        result = Result(status="completed", claims=tuple(claims), artifacts=(artifact,))
        branches.append(Branch(name, name, result))
    return synthesize(branches)


def ranking(place: Path, names: Mapping[str, str] = PLAIN) -> Ranking:
    """Return who is suspected how much, called by their roles."""
    roles = {name: role for role, name in names.items()}
    return [(roles[each.subject], each.score) for each in diagnosed(place).suspects]


def unordered(found: Sequence[tuple[str, float]]) -> Ranking:
    """Equal scores may stand in any order: nothing else tells them apart than names."""
    return sorted(found, key=lambda entry: (-entry[1], entry[0]))


def test_the_faulty_service_is_the_first_suspect(tmp_path: Path, fault: Fault) -> None:
    assert ranking(write_system(tmp_path, fault, PLAIN))[0][0] == fault.service


def test_a_system_without_a_fault_has_no_cause(tmp_path: Path) -> None:
    report = diagnosed(write_system(tmp_path, Fault(), PLAIN))

    assert not [each for each in report.suspects if each.is_cause]
    assert all(each.score < 0.2 for each in report.suspects), report.suspects


@pytest.mark.requirement("DIAG-9")
@pytest.mark.parametrize("names", [BACKWARDS, FORWARDS], ids=["backwards", "forwards"])
def test_names_change_no_ranking(tmp_path: Path, fault: Fault, names: dict[str, str]) -> None:
    plain = ranking(write_system(tmp_path / "plain", fault, PLAIN))

    renamed = ranking(write_system(tmp_path / "renamed", fault, names), names)

    assert unordered(renamed) == unordered(plain)


@pytest.mark.requirement("DIAG-9")
def test_the_order_of_files_changes_no_ranking(tmp_path: Path, fault: Fault) -> None:
    plain = ranking(write_system(tmp_path / "plain", fault, PLAIN))

    other = ranking(write_system(tmp_path / "other", fault, PLAIN, order=(4, 2, 0, 3, 1)))

    assert other == plain


@pytest.mark.requirement("DIAG-9")
@pytest.mark.parametrize("where", ["Asia/Tokyo", "America/St_Johns"])
def test_the_time_zone_of_the_machine_changes_no_ranking(
    tmp_path: Path, fault: Fault, zone: pytest.MonkeyPatch, where: str
) -> None:
    place = write_system(tmp_path, fault, PLAIN)
    plain = ranking(place)

    zone.setenv("TZ", where)
    time.tzset()

    assert ranking(place) == plain

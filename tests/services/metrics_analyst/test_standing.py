"""Metrics alone name a service that stands apart, and never one odd measure that harms nobody."""

import random
from pathlib import Path

import pytest

from incidents import DataRoots
from services.metrics_analyst.analysis import analyze
from weft.core import Claim

Faults = dict[tuple[str, str], float]
USUAL: Faults = {
    (service, metric): value
    for service in ("web", "cart", "pay", "mail")
    for metric, value in (("cpu_usage", 20.0), ("latency_seconds_p95", 0.05), ("requests", 40.0))
}


def write(path: Path, start: int, count: int, faults: Faults) -> None:
    noise = random.Random(start)  # noqa: S311 - noise
    rows = ["timestamp,service,metric,value"]
    for minute in range(count):
        for (service, metric), value in USUAL.items():
            level = value * faults.get((service, metric), 1.0) * noise.uniform(0.9, 1.1)
            rows.append(f"{start + 60 * minute},{service},{metric},{level:.5f}")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join([*rows, ""]))


def strengths(
    place: Path, faults: Faults, calls: str = "", *, minutes: int = 6
) -> dict[str, float]:
    """Return how strongly each service is suspected."""
    write(place / "case/baseline/metrics.csv", 1_700_000_000, 60, {})
    write(place / "case/metrics.csv", 1_700_009_000, minutes, faults)
    if calls:
        (place / "case/calls.csv").write_text(f"source,target\n{calls}")
    stated = analyze(DataRoots([place]), "case")["claims"]
    assert isinstance(stated, list)
    claims = [Claim.model_validate(claim) for claim in stated]
    return {claim.subject: claim.strength for claim in claims if claim.kind == "cause"}


@pytest.mark.requirement("DIAG-8")
def test_a_service_that_stands_apart_is_certain_by_metrics_alone(tmp_path: Path) -> None:
    apart: Faults = {("pay", "cpu_usage"): 40.0, ("pay", "latency_seconds_p95"): 60.0}

    assert strengths(tmp_path, apart)["pay"] == 1.0


@pytest.mark.requirement("DIAG-7")
def test_a_moment_makes_nobody_certain(tmp_path: Path) -> None:
    apart: Faults = {("pay", "cpu_usage"): 40.0, ("pay", "latency_seconds_p95"): 60.0}

    assert strengths(tmp_path, apart, minutes=3)["pay"] < 1.0


@pytest.mark.requirement("DIAG-8")
def test_two_that_are_as_odd_are_both_in_doubt(tmp_path: Path) -> None:
    both: Faults = {(name, "cpu_usage"): 40.0 for name in ("pay", "cart")}

    assert max(strengths(tmp_path, both).values()) < 0.9


@pytest.mark.requirement("DIAG-7")
def test_one_odd_measure_that_harms_nobody_is_never_certain(tmp_path: Path) -> None:
    suspects = strengths(tmp_path, {("mail", "cpu_usage"): 60.0})

    assert max(suspects, key=suspects.__getitem__) == "mail"
    assert suspects["mail"] <= 0.9


@pytest.mark.requirement("DIAG-7")
def test_more_load_on_every_service_makes_nobody_the_cause(tmp_path: Path) -> None:
    load: Faults = {(name, metric): 3.0 for name, metric in USUAL if metric != "requests"}
    load |= {(name, "requests"): 3.0 for name in ("web", "cart", "pay", "mail")}

    assert max(strengths(tmp_path, load).values()) < 0.9


@pytest.mark.requirement("DIAG-9")
def test_a_service_whose_name_another_table_writes_in_capitals_is_one(tmp_path: Path) -> None:
    slow: Faults = {("cart", "latency_seconds_p95"): 30.0, ("web", "latency_seconds_p95"): 30.0}
    plain = strengths(tmp_path / "plain", slow, "web,cart\n")

    other = strengths(tmp_path / "other", slow, "WEB,Cart\n")

    assert other == plain
    assert max(plain, key=plain.__getitem__) == "cart"

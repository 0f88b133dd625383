"""What Prometheus counts is compared by how fast it counts, whatever pods come and go."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from incidents.cases import DataRoots
from services.metrics_analyst.tools import ANALYZE_METRICS
from weft.core import Claim

ALERT = 1_700_000_000
STEP = 15
SERVICES = ("shop", "cart", "payment")
BOUNDS = ("0.05", "0.1", "0.25", "1", "+Inf")
Json = dict[str, Any]


class Pod:
    """One pod's counters, as Prometheus answers for them."""

    def __init__(self, service: str, hash_of: str, noise: random.Random) -> None:
        self._noise = noise
        self._labels = {"job": "kubernetes-pods", "pod": f"{service}-{hash_of}-abcde"}
        self._sums = {"200": noise.uniform(0, 1e5), "cpu": noise.uniform(0, 1e3)}
        self._buckets = dict.fromkeys(BOUNDS, 0.0)
        self.series: dict[tuple[str, str, str], list[list[object]]] = {}

    def step(self, at: int, *, failing: float = 0.0, mean: float = 0.08) -> None:
        requests = 300 * self._noise.gauss(1, 0.05)
        self._count(at, "http_requests_total", "200", requests * (1 - failing))
        if failing:
            self._count(at, "http_requests_total", "500", requests * failing)
        self._count(at, "process_cpu_seconds_total", "cpu", 3 * self._noise.gauss(1, 0.05))
        for _ in range(60):
            took = self._noise.expovariate(1 / mean)
            for bound in BOUNDS:
                self._buckets[bound] += took <= float(bound)
        for bound, count in self._buckets.items():
            self._add(at, ("took_seconds_bucket", "le", bound), count)

    def _count(self, at: int, name: str, part: str, by: float) -> None:
        self._sums[part] = self._sums.get(part, 0.0) + by
        self._add(at, (name, "status" if part.isdigit() else "node", part), self._sums[part])

    def _add(self, at: int, key: tuple[str, str, str], value: float) -> None:
        self.series.setdefault(key, []).append([at, str(value)])

    def results(self) -> list[Json]:
        return [
            {
                "metric": {"__name__": key[0], **self._labels, key[1]: key[2]},
                "values": values,
            }
            for key, values in self.series.items()
        ]


def write(path: Path, start: int, count: int, **faults: dict[str, float]) -> None:
    """Record all services; `faults` are what is otherwise of some: by service, its options."""
    noise = random.Random(start)  # noqa: S311 - no secret
    pods = {name: Pod(name, f"{start % 16**8:08x}", noise) for name in SERVICES}
    for step in range(count):
        for name, pod in pods.items():
            pod.step(start + STEP * step, **faults.get(name, {}))
    results = [result for pod in pods.values() for result in pod.results()]
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"status": "success", "data": {"result": results}}))


async def analyzed(root: Path, **faults: dict[str, float]) -> Json:
    write(root / "baseline/metrics/m.json", ALERT - 7200, 80)
    write(root / "case/metrics/m.json", ALERT, 24, **faults)
    facts = {"alert_time_unix": ALERT, "baseline": "baseline", "metrics": ["m.json"]}
    (root / "case/case.json").write_text(json.dumps(facts))
    result: Json = await to_thread.run_sync(ANALYZE_METRICS.tool(DataRoots([root])), "case")
    return result


def first(result: Json) -> Claim:
    return Claim.model_validate(result["claims"][0])


@pytest.mark.requirement("DIAG-17")
async def test_counters_that_only_go_on_counting_are_no_finding(tmp_path: Path) -> None:
    result = await analyzed(tmp_path)

    assert {finding["kind"] for finding in result["findings"]} <= {"usual"}
    assert result["coverage"]["verdict"] == "nothing_unusual"


@pytest.mark.requirement("DIAG-17")
async def test_a_status_that_is_counted_only_now_is_a_failure_of_its_service(
    tmp_path: Path,
) -> None:
    result = await analyzed(tmp_path, payment={"failing": 0.4})

    assert first(result).subject == "payment"
    assert "http_requests_total{status=500} per second rose to" in first(result).text


@pytest.mark.requirement("DIAG-17")
async def test_a_histogram_that_moves_is_slowness_of_its_service(tmp_path: Path) -> None:
    result = await analyzed(tmp_path, cart={"mean": 0.6})

    assert first(result).subject == "cart"
    assert "took_seconds p" in first(result).text

"""The three analysts together name the faulty service of recorded incidents."""

import json
import os
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, get_args

import pytest
from anyio import to_thread

from incidents.cases import DataRoots
from services.log_analyst.tools import ANALYZE_LOGS
from services.metrics_analyst.tools import ANALYZE_METRICS
from services.trace_analyst.tools import ANALYZE_TRACES
from weft.core import Claim, EvidenceType
from weft.tools import Tool

DEMO = Path(__file__).parents[3] / "deploy" / "demo" / "incident"
RECORDED = Path(os.environ.get("WEFT_EVAL_DATA", "/nonexistent")) / "nezha-trainticket"
WEIGHTS = dict(zip(get_args(EvidenceType), (1.0, 0.95, 0.9, 0.85, 0.8, 0.7, 0.6, 0.6), strict=True))


def tools(root: Path) -> list[Tool]:
    roots = DataRoots([root])
    return [one.tool(roots) for one in (ANALYZE_LOGS, ANALYZE_METRICS, ANALYZE_TRACES)]


def labels(root: Path) -> dict[str, str]:
    told = json.loads((root / "labels.json").read_text())
    return {case: label["root_cause_service"] for case, label in told.items()}


async def ranked(analysts: Sequence[Tool], data: str) -> list[str]:
    """Add up the best claim of each analyst, as a synthesis of their answers does."""
    scores: dict[str, float] = defaultdict(float)
    for analyst in analysts:
        best: dict[str, float] = defaultdict(float)
        found: dict[str, Any] = await to_thread.run_sync(analyst, data)
        for claim in map(Claim.model_validate, found["claims"]):
            if claim.predicate == "root_cause":
                worth = WEIGHTS[claim.type] * claim.strength
                best[claim.subject] = max(best[claim.subject], worth)
        for service, worth in best.items():
            scores[service] += worth
    return sorted(scores, key=lambda service: (-scores[service], service))


async def test_the_bundled_incident_is_explained() -> None:
    for case, service in labels(DEMO).items():
        assert (await ranked(tools(DEMO), case))[0] == service


@pytest.mark.timeout(180)
@pytest.mark.skipif(
    not RECORDED.is_dir(), reason="NOT EVALUATED: WEFT_EVAL_DATA names no directory with data"
)
async def test_the_faulty_service_of_recorded_incidents_is_named() -> None:
    expected, analysts = labels(RECORDED / "dev"), tools(RECORDED)
    ranks = []
    for case, service in expected.items():
        order = await ranked(analysts, f"dev/{case}")
        ranks.append(order.index(service) + 1 if service in order else 99)

    def within(place: int) -> float:
        return sum(rank <= place for rank in ranks) / len(ranks)

    assert len(ranks) == 19
    assert (within(1), within(3), within(5)) >= (0.84, 0.94, 0.94), ranks
    assert within(3) >= 0.94, ranks


@pytest.mark.skipif(
    not RECORDED.is_dir(), reason="NOT EVALUATED: WEFT_EVAL_DATA names no directory with data"
)
async def test_an_analysis_of_a_recorded_incident_is_quick() -> None:
    for analyst in tools(RECORDED):
        begin = time.process_time()
        await to_thread.run_sync(analyst, "dev/tt-30")
        assert time.process_time() - begin < 4

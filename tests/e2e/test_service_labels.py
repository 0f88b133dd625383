"""Whose a series is, as the operator of a mesh says it."""

import json
from pathlib import Path

import pytest

from tests.e2e.mesh import mesh_running

pytestmark = pytest.mark.timeout(120)
ALERT = 1_700_000_000
STEP = 15


def write(path: Path, start: int, count: int, full: str) -> None:
    """Write what Prometheus answers: of two teams how busy they are, `full` all of the time."""
    result = [
        {
            "metric": {"__name__": "cpu_usage_percent", "job": "exporters", "team": team},
            "values": [
                [start + STEP * n, str(98 if team == full else 10 + n % 3)] for n in range(count)
            ],
        }
        for team in ("loans", "cards")
    ]
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({"status": "success", "data": {"result": result}}))


@pytest.mark.requirement("DIAG-18")
def test_which_labels_name_a_service_is_set_for_the_mesh(tmp_path: Path) -> None:
    write(tmp_path / "data/baseline/metrics/m.json", ALERT - 9000, 60, full="")
    write(tmp_path / "data/case/metrics/m.json", ALERT, 20, full="loans")
    facts = {"alert_time_unix": ALERT, "baseline": "baseline", "metrics": ["m.json"]}
    (tmp_path / "data/case/case.json").write_text(json.dumps(facts))
    labels = {"METRICS_ANALYST_SERVICE_LABELS": '["team", "job"]'}

    with mesh_running(tmp_path / "home", data=tmp_path / "data", environment=labels) as mesh:
        asked = mesh.weft(
            "ask", "Diagnose the slowdown", "--data", str(tmp_path / "data/case"), "--json"
        )

    report = json.loads(asked.stdout)["report"]
    assert "loans" in {finding["subject"] for finding in report["findings"]}, asked.stdout
    assert "exporters" not in asked.stdout

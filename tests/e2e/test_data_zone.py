"""Times of logs that tell no zone are in the zone that the whole mesh is told."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.mesh import UpProcess, mesh_running

pytestmark = pytest.mark.timeout(120)
UTC_SECONDS = 1_772_443_200
"""2026-03-02T10:20:00+01:00."""


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    place = tmp_path_factory.mktemp("zone")
    for folder, hour, words in (("case", 10, "no stock"), ("baseline", 9, "sold")):
        lines = [f"2026-03-02 {hour}:20:{second:02} ERROR {words}\n" for second in range(50)]
        (place / "data" / folder).mkdir(parents=True)
        (place / "data" / folder / "cart.log").write_text("".join(lines))
    environment = {"WEFT_DATA_ZONE": "Europe/Berlin"}
    with mesh_running(place / "home", data=place / "data", environment=environment) as running:
        yield running


@pytest.mark.requirement("DIAG-13")
def test_a_mesh_reads_times_in_the_zone_it_is_told(mesh: UpProcess) -> None:
    case = mesh.home.parent / "data" / "case"

    answer = json.loads(
        mesh.weft("ask", "Why is cart failing?", "--data", str(case), "--json").stdout
    )

    (logs,) = [one for one in coverages(answer) if one["source"] == "logs"]
    assert logs["window"]["start"] == UTC_SECONDS


def coverages(value: object) -> list[dict[str, Any]]:
    """Return whatever is a coverage in a document."""
    if isinstance(value, list):
        return [one for item in value for one in coverages(item)]
    if not isinstance(value, dict):
        return []
    own = [value] if "source" in value and "window" in value and "files" in value else []
    return own + [one for item in value.values() for one in coverages(item)]

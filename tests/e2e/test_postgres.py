"""A mesh whose databases are all in one PostgreSQL server, over real sockets."""

import asyncio
import re
from collections import Counter
from pathlib import Path

import asyncpg
import pytest

from tests.conftest import ROOT
from tests.e2e.mesh import Frame, follow, mesh_running

pytestmark = pytest.mark.timeout(150)
SPECIALIST = "log_analyst"


def schema_of(url: str) -> str:
    found = re.search(r"schema=(\w+)", url)
    assert found is not None
    return found[1]


async def rows_of(server: str, query: str) -> list[tuple[object, ...]]:
    connection = await asyncpg.connect(server.partition("?")[0])
    try:
        return [tuple(row) for row in await connection.fetch(query)]
    finally:
        await connection.close()


@pytest.mark.requirement("REL-1", "REL-3", "REL-4", "PLAN-10", "SSE-1")
def test_a_run_in_postgresql_survives_the_router_that_held_it(
    tmp_path: Path, postgres_url: str
) -> None:
    project = tmp_path / "project"
    (project / "services").mkdir(parents=True)
    for part in ("router_service", "gateway", f"services/{SPECIALIST}"):
        (project / part).symlink_to(ROOT / part)
    shared, own = schema_of(postgres_url), f"{schema_of(postgres_url)}_logs"
    settings = {
        "GATEWAY_RUNS": postgres_url,
        "ROUTER_RUNS": postgres_url,
        "LOG_ANALYST_CHECKPOINTER": postgres_url.replace(shared, own),
    }
    seen: list[Frame] = []
    with mesh_running(tmp_path / "home", project=project, environment=settings) as mesh:
        with mesh.client() as client:
            goal = {"input": "Diagnose the checkout slowdown"}
            run_id = client.post("/v1/runs", json=goal).json()["run_id"]
        follow(mesh, run_id, seen, until="agent.tool.started")
        mesh.child("router_service.main").kill()
        follow(mesh, run_id, seen)
        with mesh.client() as client:
            run = client.get(f"/v1/runs/{run_id}").json()
        databases = [path.name for path in (tmp_path / "home").glob("*.db")]
        (row,) = asyncio.run(
            rows_of(postgres_url, f"SELECT run_id, status, epoch FROM {shared}.runs")  # noqa: S608 - names of our own making
        )
        tasks = asyncio.run(
            rows_of(postgres_url, f"SELECT status, root_id FROM {own}.runs")  # noqa: S608 - the same
        )

    kinds = Counter(kind for _, kind, _ in seen)
    numbers = [number for number, _, _ in seen if number is not None]
    assert numbers == list(range(1, len(numbers) + 1))
    assert (kinds["run.recovered"], kinds["run.completed"]) == (1, 1)
    assert run["status"] == "completed"
    assert run["output"]["text"]
    assert row == (run_id, "completed", 2)
    # The router's second owner asked again for the task that the first had sent: it is one.
    assert tasks == [("completed", run_id)]
    assert databases == []

"""One trace id over everything that a request causes, in every process and every store."""

import json
import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.mesh import UpProcess, mesh_running, until

pytestmark = pytest.mark.timeout(120)
SPECIALISTS = ("log_analyst", "metrics_analyst", "trace_analyst", "code_analyst")
PROCESSES = ("gateway", "router", *SPECIALISTS)
TRACE, SPAN = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
TRACEPARENT = f"00-{TRACE}-{SPAN}-01"
GOAL = "Diagnose the checkout slowdown"


@pytest.fixture(scope="module")
def mesh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[UpProcess]:
    levels = {f"{name.upper()}_LOG_LEVEL": "DEBUG" for name in PROCESSES}
    home = tmp_path_factory.mktemp("mesh") / "home"
    with mesh_running(home, environment=levels) as running:
        yield running


def finished(mesh: UpProcess, traceparent: str, **asked: object) -> tuple[dict[str, Any], str]:
    """Return a finished run, and the traceparent of the answer."""
    headers = {"prefer": "wait=60", "traceparent": traceparent}
    with mesh.client() as client:
        answer = client.post("/v1/runs", json={"input": GOAL, **asked}, headers=headers)
    assert answer.status_code == 200, answer.text
    run: dict[str, Any] = answer.json()
    return run, answer.headers["traceparent"]


def traced_lines(path: Path, trace_id: str) -> list[dict[str, Any]]:
    lines = [line for line in path.read_text().splitlines() if line.startswith("{")]
    return [line for line in map(json.loads, lines) if line.get("trace_id") == trace_id]


def stored(path: Path, run_id: str) -> list[tuple[str, str, str | None, int | None]]:
    """Return trace id, traceparent, chain of callers and depth of all work for a run."""
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as store:
        return store.execute(
            """SELECT trace_id, json_extract(authority, '$.traceparent'),
            json_extract(authority, '$.act'), json_extract(authority, '$.depth') FROM runs
            JOIN requests USING (position) WHERE root_id = ?""",
            (run_id,),
        ).fetchall()


@pytest.mark.requirement("OPS-4")
def test_a_callers_trace_is_that_of_the_run_in_every_process_and_store(mesh: UpProcess) -> None:
    run, returned = finished(mesh, TRACEPARENT)

    assert run["status"] == "completed"
    assert run["trace_id"] == TRACE
    with mesh.client() as client:
        events = client.get(f"/v1/runs/{run['run_id']}/events", params={"limit": 1000}).json()
    told_by = {event["agent"] for event in events["data"] if event.get("origin")}
    assert {event["trace_id"] for event in events["data"]} == {TRACE}
    assert told_by >= {"log_analyst", "metrics_analyst"}

    asked = {event["agent"] for event in events["data"] if event["type"] == "plan.step.started"}
    rows = [
        row
        for name in ("runs", *SPECIALISTS)
        for row in stored(mesh.home / f"{name}.db", run["run_id"])
    ]
    spans = [header.split("-")[2] for _, header, _, _ in rows]
    assert {trace_id for trace_id, _, _, _ in rows} == {TRACE}
    assert {header.split("-")[1] for _, header, _, _ in rows} == {TRACE}
    assert len(rows) >= 1 + len(asked & set(SPECIALISTS))
    assert len({SPAN, *spans}) == 1 + len(spans)
    assert {row[2:] for row in rows} == {(None, None), ('["router"]', 1)}
    assert returned == f"00-{TRACE}-{spans[0]}-01"

    for name in {"gateway", "router"} | (asked & set(SPECIALISTS)):
        log = mesh.home / "logs" / f"{name}.log"
        until(lambda log=log: bool(traced_lines(log, TRACE)))  # type: ignore[misc]


@pytest.mark.requirement("OPS-4")
def test_a_failed_run_and_a_refused_request_say_the_callers_trace(mesh: UpProcess) -> None:
    other = TRACE[::-1]
    traceparent = f"00-{other}-{SPAN}-00"

    run, _ = finished(mesh, traceparent, protocol="no_such_protocol")
    with mesh.client() as client:
        refused = client.post("/v1/runs", json={}, headers={"traceparent": traceparent})
        explained = client.post(
            "/v1/explain", json={"goal": {"x": 1}}, headers={"traceparent": traceparent}
        )

    assert (run["status"], run["error"]["trace_id"]) == ("failed", other)
    assert [refused.json()["trace_id"], explained.json().get("trace_id")] == [other, other]
    assert refused.headers["traceparent"].startswith(f"00-{other}-")
    assert refused.headers["traceparent"].endswith("-00")
    lines = traced_lines(mesh.home / "logs" / "router.log", other)
    assert [line["status"] for line in lines if line["event"] == "run_ended"] == ["failed"]


@pytest.mark.requirement("OPS-4", "SEC-73")
def test_a_header_that_is_none_is_replaced_and_not_refused(mesh: UpProcess) -> None:
    ids = set()
    for broken in ("garbage", f"00-{'0' * 32}-{SPAN}-01", TRACEPARENT.upper()):
        run, returned = finished(mesh, broken)
        ids.add(run["trace_id"])
        assert returned.split("-")[1] == run["trace_id"]
        assert re.fullmatch(r"[0-9a-f]{32}", run["trace_id"])

    assert len(ids - {TRACE, "0" * 32}) == 3

"""A run that ended is walked again over what its calls brought, and comes out the same or says where not."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import pytest

from tests.router_service.house import ANA
from tests.router_service.test_execute import new_run
from tests.router_service.test_grants import Mesh, mesh_of
from tests.router_service.test_models_away import LOGS, TRACES, look
from weft.core import JsonObject, Path, Result, RunId
from weft.core.edge_errors import NotReplayableError
from weft.loop import Agent
from weft.models import get_model
from weft.plan import RecordedRun, replayed
from weft.tools import Tool, tool

LOG_PATH, TRACE_PATH = ("diagnose", "log_look"), ("diagnose", "trace_look")


@tool(labels={"read"})
async def stumble(place: str = "checkout") -> JsonObject:
    """Diagnose the checkout."""
    raise ValueError(place)


@asynccontextmanager
async def mesh_with(second: Tool[..., Any] = look) -> AsyncIterator[Mesh]:
    agents = [
        (LOGS, Agent(get_model("offline:"), [look], name="logs")),
        (TRACES, Agent(get_model("offline:"), [second], name="traces")),
    ]
    async with mesh_of(get_model("offline:"), *agents) as mesh:
        yield mesh


async def recorded(mesh: Mesh, **request: str) -> RecordedRun:
    made = new_run({"input": "Diagnose the checkout slowdown", **request})
    with anyio.fail_after(20):
        await mesh.runs.submit(made, on_busy="reject", own=True)
        log = [event async for event in mesh.runs.follow(ANA, made.run_id)]
    run = await mesh.runs.read(ANA, RunId(made.run_id))
    return RecordedRun(run, await mesh.runs.checkpointer.runs.steps(ANA, run.run_id), log)


@pytest.mark.parametrize("second", [look, stumble])
async def test_what_its_calls_brought_makes_the_same_of_a_run_without_asking_anybody(
    second: Tool[..., Any],
) -> None:
    async with mesh_with(second) as mesh:
        record = await recorded(mesh)

    assert (await replayed(record)).difference is None


async def test_the_first_thing_that_is_otherwise_is_said_with_its_path() -> None:
    async with mesh_with() as mesh:
        record = await recorded(mesh)
    without = {path: step for path, step in record.steps.items() if path != LOG_PATH}
    (claim,) = Result.model_validate(record.steps[TRACE_PATH]).claims
    traces: JsonObject = {
        **record.steps[TRACE_PATH],
        "claims": [{**claim.to_json(), "subject": "stock"}],
    }
    other: dict[Path, JsonObject] = {**record.steps, TRACE_PATH: traces}
    odd = {**record.steps, ("diagnose", "more"): record.steps[LOG_PATH]}

    lost = (await replayed(replace(record, steps=without))).difference
    changed = (await replayed(replace(record, steps=other))).difference
    beyond = (await replayed(replace(record, steps=odd))).difference

    assert lost is not None
    assert (lost.path, lost.event) == (LOG_PATH, "plan.step.failed")
    assert changed is not None
    assert (changed.path, changed.event) == ((), "run.completed")
    assert changed.recorded == "text: 2 of 2 sources agree: logs and traces (score 2.00)."
    assert changed.replayed == "text: One of 2 sources says so: logs (score 1.00)."
    assert beyond is not None
    assert (beyond.path, beyond.replayed) == (("diagnose", "more"), "not made")


async def test_what_did_not_end_by_itself_is_not_replayed() -> None:
    async with mesh_with() as mesh:
        record = await recorded(mesh)
        nobody = await recorded(mesh, agent="nobody")

    with pytest.raises(NotReplayableError, match="the run is canceled"):
        await replayed(replace(record, run=replace(record.run, status="canceled")))
    with pytest.raises(NotReplayableError, match="before it had a plan"):
        await replayed(nobody)

"""A language model that gives no answer, seen from the run: one wait, rules, and a reason per call."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import anyio
import pytest

from tests.libs.loop.test_stand_in import DOWN, QUICK
from tests.router_service.house import ANA
from tests.router_service.test_execute import new_run
from tests.router_service.test_grants import Mesh, mesh_of
from weft.a2a import Skill
from weft.checkpoint import Run
from weft.core import JsonObject, Result
from weft.loop import Agent, Peer
from weft.models import StandIn, get_model
from weft.testing import ScriptedOpenAIServer
from weft.tools import tool

pytestmark = pytest.mark.timeout(40)
LOGS = Skill(
    id="log.look",
    name="Logs",
    description="Diagnose from logs.",
    tags=("domain:observability", "effects:none", "diagnose"),
)
TRACES = LOGS.model_copy(update={"id": "trace.look", "name": "Traces"})


@tool(labels={"read"})
async def look(place: str = "checkout") -> JsonObject:
    """Diagnose the checkout."""
    claim: JsonObject = {
        "text": "payment: waits for its pool",
        "type": "tool_match",
        "kind": "cause",
        "subject": "payment",
        "predicate": "root_cause",
        "evidence_refs": ["#/claims/0/text"],
    }
    return {"summary": place, "claims": [claim]}


@asynccontextmanager
async def mesh_at(address: str) -> AsyncIterator[Mesh]:
    """Yield a mesh whose two specialists, each as a process of its own has it, ask one endpoint."""
    async with AsyncExitStack() as stack:
        lookers: list[tuple[Skill, Peer]] = []
        for skill, name in ((LOGS, "logs"), (TRACES, "traces")):
            model = get_model("openai:scripted", base_url=address, api_key="k")
            await stack.enter_async_context(aclosing(model))
            stand_in = StandIn(get_model("offline:"))
            agent = Agent(model, [look], name=name, model_retry=QUICK, stand_in=stand_in)
            lookers.append((skill, agent))
        yield await stack.enter_async_context(mesh_of(get_model("offline:"), *lookers))


async def carried_out(mesh: Mesh, **request: str) -> Result:
    made = new_run({"input": "Diagnose the checkout slowdown", **request})
    with anyio.fail_after(20):
        await mesh.runs.submit(made, on_busy="reject", own=True)
        async for _ in mesh.runs.follow(ANA, made.run_id):
            pass
        run: Run = await mesh.runs.read(ANA, made.run_id)
    return Result.model_validate(run.result)


@pytest.mark.requirement("DIAG-33")
async def test_a_report_names_whose_model_did_not_answer_and_why() -> None:
    async with (
        ScriptedOpenAIServer([DOWN]) as server,
        mesh_at(server.base_url) as mesh,
    ):
        result = await carried_out(mesh)

    reasons = {(each.code, each.peer, each.path) for each in result.reasons}
    assert result.status == "completed"
    assert reasons == {
        ("model_replaced", "logs", ("diagnose", "log_look")),
        ("model_replaced", "traces", ("diagnose", "trace_look")),
    }
    assert "Most likely cause: payment" in result.text
    assert "logs and traces: openai:scripted did not answer, so rules went on" in result.text
    assert "503" in result.text


@pytest.mark.requirement("DIAG-33")
async def test_a_run_waits_for_a_model_once_however_many_would_ask_it() -> None:
    async with (
        ScriptedOpenAIServer([DOWN]) as server,
        mesh_at(server.base_url) as mesh,
    ):
        result = await carried_out(
            mesh, protocol="handoff_chain", input="Plan a look at the checkout"
        )

    assert result.status == "completed", result
    assert len(server.requests) == 1 + QUICK.max_retries

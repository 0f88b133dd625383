"""A report in a model's words: behind the rules' own, and only what its findings carry."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import pytest

from router_service.execute import execute_run
from router_service.routes import Routes
from tests.libs.loop.test_stand_in import DOWN
from tests.router_service.house import house
from tests.router_service.test_grants import Mesh, served
from tests.router_service.test_models_away import LOGS, TRACES, carried_out, look
from weft.bus import MemoryBus
from weft.checkpoint.memory import memory_checkpointer
from weft.core import Claim, JsonObject, Result
from weft.loop import Agent, ModelPatience, role_agents
from weft.models import Model, ModelRetryConfig, StandIn, get_model
from weft.runs import MESH_RUN, Runs, Worker
from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import WireReply
from weft.tools import tool

pytestmark = pytest.mark.timeout(40)
ONCE = ModelRetryConfig(max_retries=0)
PAYMENT = Claim(text="payment: waits", subject="payment", predicate="root_cause").finding_id


@asynccontextmanager
async def mesh_with(model: Model, second: Agent | None = None) -> AsyncIterator[Mesh]:
    """Yield a mesh of two specialists by rules, and a router over `model`."""
    async with AsyncExitStack() as stack:
        options: ModelPatience = {
            "model_retry": ONCE,
            "stand_in": StandIn(get_model("offline:")),
        }
        members = await stack.enter_async_context(house(role_agents(model, **options)))
        store = await stack.enter_async_context(aclosing(memory_checkpointer()))
        runs = Runs(store, MemoryBus(), pool="router")
        for skill, name in ((LOGS, "logs"), (TRACES, "traces")):
            peer = Agent(get_model("offline:"), [look], name=name)
            peer = second if second is not None and name == second.name else peer
            await stack.enter_async_context(served(members, skill, peer))
        routes = Routes()
        execute = execute_run(store, members.peers, routes)
        worker = Worker(runs, execute, name="router/1", operations=(MESH_RUN,))
        await stack.enter_async_context(worker.working())
        await stack.enter_async_context(runs.listening())
        yield Mesh(runs, members)


async def explained(*script: WireReply, second: Agent | None = None) -> tuple[Result, Any]:
    async with ScriptedOpenAIServer(script) as server:
        model = get_model("openai:scripted", base_url=server.base_url, api_key="k")
        async with aclosing(model), mesh_with(model, second) as mesh:
            result = await carried_out(mesh)
        return result, [request.body for request in server.requests]


@pytest.mark.requirement("SYN-6")
async def test_what_a_model_says_of_a_report_stands_behind_the_rules_words() -> None:
    said = f"Payment waits for its pool [{PAYMENT}]. The database is down. It fails since 09:42 [{PAYMENT}]."

    result, [told] = await explained(WireReply(text=said))

    first, _, words = result.text.partition("In a language model's words:\n")
    assert first.startswith("Most likely cause: payment")
    assert words.startswith(f"Payment waits for its pool [{PAYMENT}].\n(2 sentences of the model")
    assert "database" not in result.text
    assert f'"id":"{PAYMENT}"' in told["messages"][-1]["content"]
    assert isinstance(result.data, dict)
    assert result.data["findings"][0]["id"] == PAYMENT  # type: ignore[index,call-overload]
    assert result.data["explanation"] == {
        "text": f"Payment waits for its pool [{PAYMENT}].",
        "cites": [PAYMENT],
        "removed": 2,
    }
    assert result.usage.model_calls == 1


async def test_nothing_of_a_model_that_shows_nothing_is_told() -> None:
    result, _ = await explained(WireReply(text="All is well."))

    assert result.text.endswith(
        "(1 sentence of the model removed: no finding carries what was said.)"
    )
    assert "All is well" not in result.text


@pytest.mark.requirement("SYN-8", "DIAG-33")
async def test_a_model_that_does_not_answer_costs_its_words_alone() -> None:
    result, _ = await explained(DOWN)

    assert result.status == "completed"
    assert "Most likely cause: payment" in result.text
    assert "language model's words" not in result.text
    assert [(each.code, each.path) for each in result.reasons] == [
        ("model_replaced", ("diagnose", "words"))
    ]


@tool(labels={"read"})
async def deny(place: str = "checkout") -> JsonObject:
    """Diagnose the checkout."""
    claim: JsonObject = {
        "text": "payment: does not wait",
        "type": "tool_match",
        "kind": "cause",
        "subject": "payment",
        "predicate": "root_cause",
        "polarity": False,
        "evidence_refs": ["#/claims/0/text"],
    }
    return {"summary": place, "claims": [claim]}


@pytest.mark.requirement("SYN-6", "SYN-7")
@pytest.mark.parametrize("again", ["Payment is contested [{id}].", "Still nothing of the kind."])
async def test_a_contested_report_is_written_anew_once_and_never_proceeds(again: str) -> None:
    second = Agent(get_model("offline:"), [deny], name="traces")
    script = [WireReply(text=words.format(id=PAYMENT)) for words in ("All is well.", again)]

    result, told = await explained(*script, second=second)

    report: Any = result.data
    assert result.status == "completed"
    assert (len(told), result.usage.model_calls) == (2, 2)
    assert "All is well." in told[1]["messages"][-1]["content"]
    assert ("Payment is contested" in result.text) is ("{id}" in again)
    assert "All is well" not in result.text
    assert "Still nothing" not in result.text
    assert (report["decision"], report["veto"]) == ("regenerate", "contradicted")
    assert report["degraded"] is True
    assert len(report["contradictions"]) == 1

"""A model chooses among the protocols that rules let through, or the rules' choice stands."""

import json
from contextlib import aclosing
from typing import Any

import anyio
import pytest

from router_service.choosing import Advisers
from router_service.control import ControlService
from router_service.execute import execute_run, prepare_run
from router_service.main import Settings, _picker
from router_service.picker import Picker
from router_service.routes import Routes
from tests.libs.loop.test_stand_in import DOWN
from tests.router_service.house import ANA, house
from tests.router_service.test_execute import new_run
from weft.bus import MemoryBus
from weft.checkpoint.memory import memory_checkpointer
from weft.core import JsonObject, Result
from weft.core.errors import ConfigError
from weft.loop import role_agents
from weft.models import get_model
from weft.routing import GoalFrame
from weft.runs import MESH_RUN, RoutedRequest, Runs, Worker
from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import When, WireReply

pytestmark = pytest.mark.timeout(40)
RESEARCH = GoalFrame.model_validate({"primary_goal": "research", "complexity": "low"}).to_json()
ANSWER = GoalFrame.model_validate({"primary_goal": "answer"}).to_json()
ARGUED = json.dumps({"position": "so it is", "abstained": False})


def picking(protocol: str) -> WireReply:
    text = json.dumps({"protocol": protocol, "rationale": "it looks at both sides"})
    return WireReply(text=text, when=When(contains="You choose how a team"))


async def routed(
    reply: WireReply | None, goal: JsonObject, seconds: float = 5.0
) -> tuple[Any, Any, int]:
    """Return the choice in the log, the run's usage, and how often the picker was asked."""
    script = [
        *([] if reply is None else [reply]),
        WireReply(text=ARGUED, when=When(contains="You argue"), repeat=True),
        WireReply(text='{"choice": "a"}', when=When(contains="You decide between")),
        WireReply(text="words", when=When(contains="You answer"), repeat=True),
    ]
    async with ScriptedOpenAIServer(script) as server:
        model = get_model("openai:scripted", base_url=server.base_url, api_key="k")
        async with (
            aclosing(model),
            house(role_agents(model)) as mesh,
            aclosing(memory_checkpointer()) as store,
        ):
            runs, routes, picker = Runs(store, MemoryBus(), pool="router"), Routes(), Picker(
                model, seconds=seconds
            )  # fmt: skip
            worker = Worker(
                runs,
                execute_run(store, mesh.peers, routes, Advisers(picker=picker)),
                name="router/1",
                operations=(MESH_RUN,),
                prepare=prepare_run(mesh.peers, routes, Advisers(picker=picker)),
            )
            async with worker.working(), runs.listening():
                made = new_run({"input": "Look into the till", "goal": goal})
                with anyio.fail_after(20):
                    await runs.submit(made, on_busy="reject", own=True)
                    log = [event async for event in runs.follow(ANA, made.run_id)]
                    run = await runs.read(ANA, made.run_id)
        asked = [r for r in server.requests if "You choose how" in json.dumps(r.body["messages"])]
    assert run.status == "completed", run.result
    [choice] = [event.data for event in log if event.type == "router.protocol.selected"]
    return choice, Result.model_validate(run.result).usage, len(asked)


@pytest.mark.requirement("RT-33")
async def test_a_model_may_choose_what_rules_rank_second_and_is_paid_for() -> None:
    choice, usage, asked = await routed(picking("debate"), RESEARCH)

    assert (choice["protocol_id"], choice["method"]) == ("debate", "llm_picked")
    assert choice["rationale"] == "it looks at both sides"
    assert (asked, usage.model_calls) == (1, 4)


@pytest.mark.requirement("RT-33")
@pytest.mark.parametrize(
    ("reply", "seconds", "why"),
    [
        (picking("plan_execute_validate"), 5.0, "not of the form"),
        (DOWN, 5.0, "503"),
        (WireReply(fault="silence", when=When(contains="You choose how a team")), 2.0, ""),
    ],
)
async def test_an_unknown_id_an_error_and_silence_leave_it_to_the_rules_and_are_said(
    reply: WireReply, seconds: float, why: str
) -> None:
    if reply is DOWN:
        reply = DOWN.model_copy(update={"when": When(contains="You choose how a team")})

    choice, _, asked = await routed(reply, RESEARCH, seconds)

    assert (choice["protocol_id"], choice["method"]) == ("direct_response", "rule_based_fallback")
    assert "rules chose, since the model did not" in choice["rationale"]
    assert why in choice["rationale"]
    assert asked == 1


@pytest.mark.requirement("RT-33")
async def test_one_survivor_is_not_asked_about() -> None:
    choice, _, asked = await routed(None, ANSWER)

    assert (choice["method"], asked) == ("single_candidate", 0)


async def test_an_explanation_shows_what_the_model_would_choose_and_why() -> None:
    async with ScriptedOpenAIServer([picking("debate")]) as server:
        model = get_model("openai:scripted", base_url=server.base_url, api_key="k")
        async with aclosing(model), house(role_agents(model)) as mesh:
            request = RoutedRequest(input="Look into the till", goal=RESEARCH)
            advisers = Advisers(picker=Picker(model))
            service = ControlService(Routes(), mesh.peers, None, None, advisers)  # type: ignore[arg-type]
            told: Any = await service.explained(request, ANA, seconds=10)

    [part] = told["parts"]
    assert (part["selected_protocol"], part["method"]) == ("debate", "llm_picked")
    assert told["picker_rationale"] == "it looks at both sides"


def test_a_picker_needs_a_model() -> None:
    off, on = (Settings.model_validate({"home": ".", "picker": mode}) for mode in ("off", "model"))

    assert _picker(off, get_model("offline:")) is None
    with pytest.raises(ConfigError, match="WEFT_MODEL"):
        _picker(on, get_model("offline:"))

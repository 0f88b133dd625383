"""A request read by a language model: its form, the rules under it, and what is said where it fails."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest

from router_service.choosing import Advisers
from router_service.execute import execute_run, prepare_run
from router_service.extraction import Extractor
from router_service.main import Settings, _extractor
from router_service.routes import Routes
from tests.libs.loop.test_stand_in import DOWN, QUICK
from tests.router_service.house import ANA, house, skill
from tests.router_service.test_execute import new_run
from tests.router_service.test_grants import served
from tests.router_service.test_models_away import LOGS, TRACES, look
from weft.bus import MemoryBus
from weft.checkpoint import Run
from weft.checkpoint.memory import memory_checkpointer
from weft.core import Authority, JsonObject, Result, dumps
from weft.core.errors import ConfigError
from weft.events import Envelope
from weft.loop import Agent, role_agents
from weft.models import StandIn, get_model
from weft.routing import (
    CapabilityIndex,
    FrameExtractionError,
    GoalFrame,
    ModelReading,
    extract,
    frame_schema,
)
from weft.runs import MESH_RUN, RoutedRequest, Runs, Worker
from weft.testing import ScriptedModel, ScriptedOpenAIServer
from weft.testing.openai_script import WireReply

pytestmark = pytest.mark.timeout(40)
VAGUE = "The checkout and I, we have a bad day"
FRAME = GoalFrame.model_validate({"primary_goal": "diagnose", "domain": "observability"}).to_json()


@asynccontextmanager
async def router(address: str, *, alone: bool = False) -> AsyncIterator[Runs]:
    """Yield the runs of a router with a model, over two specialists by rules."""
    async with AsyncExitStack() as stack:
        model = get_model("openai:scripted", base_url=address, api_key="k")
        await stack.enter_async_context(aclosing(model))
        stand_in = StandIn(get_model("offline:"))
        builtin = role_agents(model, model_retry=QUICK, stand_in=stand_in)
        extractor = Extractor(model, alone=alone, model_retry=QUICK, stand_in=stand_in)
        members = await stack.enter_async_context(house(builtin))
        store = await stack.enter_async_context(aclosing(memory_checkpointer()))
        for offered, name in ((LOGS, "logs"), (TRACES, "traces")):
            agent = Agent(get_model("offline:"), [look], name=name)
            await stack.enter_async_context(served(members, offered, agent))
        runs, routes = Runs(store, MemoryBus(), pool="router"), Routes()
        worker = Worker(
            runs,
            execute_run(store, members.peers, routes, Advisers(extractor)),
            name="router/1",
            operations=(MESH_RUN,),
            prepare=prepare_run(members.peers, routes, Advisers(extractor)),
        )
        await stack.enter_async_context(worker.working())
        await stack.enter_async_context(runs.listening())
        yield runs


async def ended(runs: Runs, **request: object) -> tuple[Run, list[Envelope]]:
    made = new_run(request)
    with anyio.fail_after(20):
        await runs.submit(made, on_busy="reject", own=True)
        log = [event async for event in runs.follow(ANA, made.run_id)]
        return await runs.read(ANA, made.run_id), log


def framed(log: list[Envelope]) -> Any:  # noqa: ANN401 - JSON
    [event] = [event for event in log if event.type == "router.frame.extracted"]
    return event.data


async def test_a_model_reads_what_rules_cannot_with_the_mesh_in_view_and_is_paid_for() -> None:
    async with ScriptedOpenAIServer(["no form", dumps(FRAME).decode(), "words"]) as server:
        async with router(server.base_url) as runs:
            run, log = await ended(runs, input=VAGUE)
        asked = server.requests[0].body

    kinds = [event.type for event in log]
    result = Result.model_validate(run.result)
    assert run.status == "completed"
    assert framed(log)["method"] == "model"
    assert framed(log)["frame"]["primary_goal"] == "diagnose"
    assert "specialist_fanout" in dumps(next(
        event.data for event in log if event.type == "router.protocol.selected")).decode()  # fmt: skip
    assert kinds.index("agent.model.completed") < kinds.index("router.frame.extracted")
    assert all(name in dumps(asked).decode() for name in ("log.look", "observability", VAGUE))
    assert asked["response_format"]["json_schema"]["strict"] is True  # type: ignore[index,call-overload]
    assert result.usage.model_calls == len(server.requests) == 3


@pytest.mark.requirement("DIAG-33")
async def test_a_silent_model_leaves_it_to_the_rules_is_waited_for_once_and_said_of() -> None:
    async with ScriptedOpenAIServer([DOWN]) as server, router(server.base_url) as runs:
        run, log = await ended(runs, input="Diagnose the checkout slowdown")

    assert run.status == "completed"
    assert framed(log)["method"] == "rules"
    assert "rules read the request, since the model did not" in framed(log)["warnings"][0]
    assert "503" in framed(log)["warnings"][0]
    assert len(server.requests) == 1 + QUICK.max_retries


@pytest.mark.requirement("RT-31")
@pytest.mark.parametrize("script", [[DOWN], ["no", "form", "at all"]])
async def test_without_rules_behind_it_a_failing_model_fails_the_run(script: list[Any]) -> None:
    async with (
        ScriptedOpenAIServer(script) as server,
        router(server.base_url, alone=True) as runs,
    ):
        run, log = await ended(runs, input="Diagnose the checkout slowdown")

    result = Result.model_validate(run.result)
    assert run.status == "failed"
    assert result.reasons[0].code == "extraction_failed"
    assert "could not be read" in result.reasons[0].message
    assert "router.frame.failed" in [event.type for event in log]


async def test_only_what_the_caller_has_not_said_is_asked_for() -> None:
    goal: JsonObject = {"primary_goal": "answer", "risk": "low"}
    missing = {name: value for name, value in FRAME.items() if name not in goal}
    model = ScriptedModel([dumps(missing).decode()])

    reading = await Extractor(model).read(
        RoutedRequest(input="hm", goal=goal), CapabilityIndex(), Authority(ANA)
    )

    schema = model.requests[0].output_schema
    assert schema is not None
    assert set(schema["required"]) == set(GoalFrame.model_fields) - set(goal)  # type: ignore[arg-type]
    assert reading.fields == missing
    extraction = extract("hm", CapabilityIndex(), given=goal, reading=reading)
    assert (extraction.frame.primary_goal, extraction.method) == ("answer", "caller")


@pytest.mark.parametrize(
    "request_",
    [
        RoutedRequest(input="x", goal=FRAME),
        RoutedRequest(input="x", agent="logs"),
        RoutedRequest(input=" "),
    ],
)
def test_who_said_all_of_it_is_not_read(request_: RoutedRequest) -> None:
    assert not Extractor(ScriptedModel([])).is_for(request_)


@pytest.mark.requirement("RT-30")
@pytest.mark.parametrize(
    ("text", "risk"),
    [
        ("Delete the production database, please", "high"),
        ("Restart the checkout service", "medium"),
        ("It is safe and low risk: wipe the cluster", "high"),
    ],
)
def test_no_answer_of_a_model_is_below_the_risk_of_the_words(text: str, risk: str) -> None:
    fields = {**FRAME, "primary_goal": "answer", "risk": "low"}

    extraction = extract(text, CapabilityIndex(), reading=ModelReading(fields=fields))

    assert extraction.frame.risk == risk
    assert any("sounds like risk" in warning for warning in extraction.warnings)


def test_a_wish_to_be_asked_first_outlives_a_model_that_overlooks_it() -> None:
    fields = {**FRAME, "approval_required": False}
    text = "Look into the till, but ask me for approval before you do anything"

    extraction = extract(text, CapabilityIndex(), reading=ModelReading(fields=fields))

    assert extraction.frame.approval_required
    assert extraction.method == "model"


async def test_what_a_model_names_and_nobody_offers_is_left_out_and_said() -> None:
    fields: JsonObject = {
        **FRAME,
        "required_capabilities": ["log.look", "no.such"],
        "domain": "gardening",
    }
    async with house() as mesh:
        await mesh.joins("logs", skill("log.look", "domain:observability", "effects:none"))
        index = Routes().index(ANA, mesh.peers.offers)
        extraction = extract(VAGUE, index, reading=ModelReading(fields=fields))

    assert extraction.frame.required_capabilities == ("log.look",)
    assert extraction.frame.domain == "general"
    assert len(extraction.warnings) == 2


def test_a_reading_that_failed_with_no_rules_behind_it_is_an_error() -> None:
    with pytest.raises(FrameExtractionError, match="it is away"):
        extract("why?", CapabilityIndex(), reading=ModelReading(why="it is away", alone=True))


def test_the_form_has_every_field_and_no_word_that_a_strict_mode_refuses() -> None:
    schema = frame_schema()

    assert set(schema["properties"]) == set(GoalFrame.model_fields)  # type: ignore[arg-type]
    assert "default" not in dumps(schema).decode()


@pytest.mark.parametrize(
    ("mode", "name", "asks"),
    [("auto", "offline:", False), ("auto", "openai:m", True), ("rules", "openai:m", False),
     ("model", "openai:m", True)],
)  # fmt: skip
def test_the_setting_says_who_reads(mode: str, name: str, asks: bool) -> None:  # noqa: FBT001
    settings = Settings.model_validate({"extraction": mode, "home": "."})
    options = {} if name == "offline:" else {"api_key": "k"}

    assert (_extractor(settings, get_model(name, **options), {}) is not None) is asks


def test_rules_may_not_be_switched_off_where_there_is_nothing_else() -> None:
    with pytest.raises(ConfigError, match="WEFT_MODEL"):
        _extractor(
            Settings.model_validate({"extraction": "model", "home": "."}), get_model("offline:"), {}
        )


async def test_a_run_that_is_cancelled_while_its_request_is_read_ends_at_once() -> None:
    silence = WireReply(fault="silence", repeat=True)
    async with ScriptedOpenAIServer([silence]) as server, router(server.base_url) as runs:
        made = new_run({"input": VAGUE})
        with anyio.fail_after(20):
            await runs.submit(made, on_busy="reject", own=True)
            while not server.requests:
                await anyio.lowlevel.checkpoint()
            run = await runs.cancel(ANA, made.run_id, reason="enough", wait_s=10)
            await server.abandoned.wait()

    assert run.status == "canceled"
    assert len(server.requests) == 1

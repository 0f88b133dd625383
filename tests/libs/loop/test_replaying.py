"""An agent's loop is walked again over what is recorded of it: nothing is called, and what differs is said."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import pytest

from weft.core import Claim, JsonObject, Path, Result, new_run_id, parts_of
from weft.loop import Agent, LoopRecord, LoopReplay, Peer, PeerRun, Task, replayed_loop
from weft.models import Model, ModelRetryConfig, ModelUnavailableError, StandIn, get_model
from weft.runs import LocalJournal
from weft.testing import ScriptedModel, call
from weft.tools import tool

SLOW = Claim(text="payment waits 120 ms", subject="payment", predicate="latency", value=120)
ONE_ROUND = ModelRetryConfig(max_retries=0)
touched: list[str] = []


@pytest.fixture(autouse=True)
def _untouched() -> None:
    touched.clear()


@tool(labels={"read"})
async def look(place: str = "payment") -> JsonObject:
    """Look at a service."""
    touched.append(place)
    return {"summary": f"{place} waits", "claims": [SLOW.to_json()]}


@tool
async def mend(service: str) -> str:
    """Mend a service."""
    touched.append(service)
    raise ValueError(f"{service} is not to be mended")


@dataclass(frozen=True)
class Work:
    """What an agent did once, and how it is asked again."""

    record: LoopRecord
    task: Task

    async def again(self, peer: Peer, record: LoopRecord | None = None) -> LoopReplay:
        touched.clear()
        replay = await replayed_loop(
            peer, record or self.record, lambda journal: replace(self.task, journal=journal)
        )
        assert touched == []
        return replay


async def done(agent: Agent, prompt: str = "Look at payment", **metadata: str) -> Work:
    journal = LocalJournal(run_id=new_run_id())
    task = Task(parts_of(prompt), "m", metadata={**metadata})
    result = await agent.start(replace(task, journal=journal))
    return Work(LoopRecord(journal.run_id, dict(journal.steps), result), task)


def cited(words: str) -> str:
    return f"{words} [{SLOW.finding_id}]. Nobody said this."


def by_model(*turns: object, model: Model | None = None, **options: Any) -> Agent:  # noqa: ANN401 - any of an agent's
    script: Iterable[Any] = turns
    tools = options.pop("tools", [look, mend])
    return Agent(model or ScriptedModel(script), tools, name="looker", **options)


def of_now(**options: Any) -> Agent:  # noqa: ANN401 - any of an agent's
    """Return the agent of now, whose model may not be asked."""
    return by_model(**options)


@pytest.mark.requirement("CLI-5")
async def test_what_a_model_said_and_tools_brought_makes_the_same_of_it_without_either() -> None:
    said = (call("look", place="orders"), call("mend", service="orders"), cited("It waits 120 ms"))
    work = await done(by_model(*said, cites_findings=True))

    replay = await work.again(of_now(cites_findings=True))

    assert work.record.result.text.startswith("It waits 120 ms")
    assert replay == LoopReplay(turns=3, calls=2)


@pytest.mark.requirement("CLI-5")
async def test_what_rules_reply_is_made_anew_and_comes_out_the_same() -> None:
    agent = Agent(get_model("offline:"), [look], name="looker", opening_tools=["look"])
    work = await done(agent)

    assert await work.again(agent) == LoopReplay(turns=2, calls=1)


async def changed(now: Agent) -> LoopReplay:
    said = (call("look", place="orders"), cited("It waits 120 ms"))
    return await (await done(by_model(*said, cites_findings=True))).again(now)


@tool(name="look", labels={"read"})
async def other_look(place: int) -> str:
    """Look at a service."""
    raise AssertionError(place)


@pytest.mark.requirement("CLI-5")
@pytest.mark.parametrize(
    ("now", "path", "what", "replayed"),
    [
        ({"system_prompt": "Be brief."}, "think#1", "the instructions", "Be brief."),
        ({"tools": [look]}, "think#1", "the tools", "look"),
        ({"tools": [other_look, mend]}, "think#1", "the tools", "look, mend"),
        ({"output_schema": {"type": "object"}}, "think#1", "the form", '{"type":"object"}'),
        ({"max_iterations": 1}, "closing", "what is done", "is asked"),
        ({"cites_findings": False}, "think#2", "the conversation", "payment waits"),
        ({"model": get_model("offline:")}, "think#1", "who replies", "offline"),
    ],
)
async def test_the_first_thing_that_code_prompts_and_tools_of_now_do_otherwise_is_said(
    now: dict[str, Any], path: str, what: str, replayed: str
) -> None:
    replay = await changed(of_now(**{"cites_findings": True, **now}))

    difference = replay.difference
    assert difference is not None, replay
    assert difference.path == (path,)
    assert difference.what.startswith(what)
    assert replayed in difference.replayed
    assert difference.recorded != difference.replayed


@pytest.mark.requirement("CLI-5")
async def test_a_call_that_would_be_refused_now_or_is_made_now_is_a_difference() -> None:
    rules = get_model("offline:")
    opening: dict[str, Any] = {"name": "looker", "opening_tools": ["look"]}
    work = await done(Agent(rules, [look], **opening), place="7x")
    stricter = Agent(rules, [other_look], **opening)
    refused = await done(stricter, place="7x")

    now, then = await work.again(stricter), await refused.again(Agent(rules, [look], **opening))

    assert now.difference is not None
    assert (now.difference.path, now.difference.what) == (("execute#1",), "the call of look")
    assert "place" in now.difference.replayed
    assert then.difference is not None
    assert (then.difference.path, then.difference.replayed) == (("execute#1",), "it is made")


@pytest.mark.requirement("CLI-5")
async def test_another_answer_to_the_same_results_is_said_with_both() -> None:
    agent = Agent(get_model("offline:"), [look], name="looker", opening_tools=["look"])
    work = await done(agent)
    other = work.record.result.with_text("All is well.")

    replay = await work.again(agent, replace(work.record, result=other))

    assert replay.difference is not None
    assert (replay.difference.path, replay.difference.event) == ((), "agent.terminate")
    assert "All is well." in replay.difference.recorded


@pytest.mark.requirement("CLI-5")
async def test_rules_that_stood_in_for_a_silent_model_stand_in_again_and_nobody_is_marked_silent() -> (
    None
):
    rules = get_model("offline:")
    dying = ScriptedModel([call("look", place="orders"), ModelUnavailableError("HTTP 503: busy")])
    patience = {"model_retry": ONE_ROUND, "stand_in": StandIn(rules)}
    work = await done(by_model(model=dying, tools=[look], **patience))
    stand_in = StandIn(rules)

    replay = await work.again(of_now(tools=[look], model_retry=ONE_ROUND, stand_in=stand_in))

    assert "did not answer" in work.record.result.reasons[0].message
    assert replay == LoopReplay(turns=2, calls=1)
    assert stand_in.away("scripted") is None


@pytest.mark.requirement("CLI-5")
async def test_an_answer_that_was_sent_back_and_one_after_the_last_call_are_walked_too() -> None:
    schema: JsonObject = {"type": "object", "required": ["service"]}
    formed = await done(by_model("none", '{"service": "payment"}', output_schema=schema))
    closed = await done(by_model(call("look"), "It waits.", max_iterations=1))

    assert await formed.again(of_now(output_schema=schema)) == LoopReplay(turns=2)
    assert await closed.again(of_now(max_iterations=1)) == LoopReplay(turns=2, calls=1)


def without_what_was_asked(record: LoopRecord) -> LoopRecord:
    """Return the record as it was kept before."""
    steps: dict[Path, JsonObject] = {
        path: {name: value for name, value in step.items() if name != "asked"}
        for path, step in record.steps.items()
        if path != ("think#2",)
    }
    return replace(record, steps=steps)


class Stranger:
    """A peer that no agent stands behind."""

    name = "stranger"

    def start(self, task: Task) -> PeerRun:
        raise AssertionError(task)


async def test_what_cannot_be_compared_is_said_and_is_no_agreement() -> None:
    work = await done(by_model(call("look"), "It waits."))
    lost = {path: step for path, step in work.record.steps.items() if path != ("execute#1",)}
    failed = Result.failed("model_timeout", "too long").model_copy(update={"stop_reason": "error"})
    refused = Result.failed("data_refused", "no such directory")

    gaps = [
        await work.again(of_now(), without_what_was_asked(work.record)),
        await work.again(of_now(), replace(work.record, steps=lost)),
        await work.again(of_now(), replace(work.record, result=failed)),
        await work.again(of_now(), replace(work.record, result=refused)),
        await work.again(Stranger()),
    ]

    assert [gap.difference for gap in gaps] == [None] * 5
    assert [gap.not_compared.partition(":")[0] for gap in gaps] == [
        "it was done before replies were kept with what was asked for them",
        "what the calls of think#1 brought is not kept",
        "it ended by model_timeout, which what it was given does not bring about",
        "no agent's loop stands behind its answer",
        "stranger is no agent that can be walked again",
    ]

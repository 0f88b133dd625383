"""The agent as a peer: tasks in, events and a result out; durable where it is given a journal."""

import asyncio
from collections.abc import Sequence

import anyio
import pytest

from weft.checkpoint import Held
from weft.core import (
    Artifact,
    Authority,
    Budget,
    Deadline,
    Interrupt,
    JsonObject,
    Message,
    Result,
    RunId,
    ToolCall,
    data_of,
    parts_of,
)
from weft.core.errors import FencedError, StoreUnavailableError
from weft.events import Event
from weft.loop import Agent, Peer, PeerRun, Task
from weft.models import ModelRequest, ModelResponse
from weft.runs import LocalJournal
from weft.testing.models import FunctionModel, ScriptedModel, call
from weft.tools import Tool, ToolContext, tool
from weft.tools.builtin import ask_user
from weft.tools.interrupts import InterruptRaised, interrupt_id

FINDING: JsonObject = {
    "findings": ["checkout is slow"],
    "claims": [
        {"text": "checkout is slow", "type": "tool_match", "evidence_refs": ["#/findings/0"]},
        {"text": 7},
        {"text": "so is search", "strength": 3},
    ],
}


@tool
async def probe() -> JsonObject:
    """Look at the system."""
    return FINDING


@tool
async def plain() -> str:
    """Say something."""
    return "nothing special"


def a_peer(agent: Agent) -> Peer:
    return agent


async def test_a_task_gives_events_of_the_mesh_and_a_result_with_claims_and_evidence() -> None:
    agent = Agent(ScriptedModel([(call("probe"), call("plain")), "slow"]), [probe, plain], name="m")

    run = a_peer(agent).start(Task(parts_of("why?"), "m1"))
    events = [event async for event in run]
    result = await run

    assert [event.type for event in events] == [
        "agent.model.completed", "agent.tokens.used", "agent.think",
        "agent.tool.started", "agent.tool.completed",
        "agent.tool.started", "agent.tool.completed",
        "agent.model.chunk", "agent.model.completed", "agent.tokens.used", "agent.think",
        "agent.terminate",
    ]  # fmt: skip
    assert {event.agent for event in events} == {"m"}
    assert (result.status, result.text, result.stop_reason) == ("completed", "slow", "complete")
    assert [claim.text for claim in result.claims] == ["checkout is slow"]
    assert result.claims[0].evidence_refs == ("call_1#/findings/0",)
    assert result.artifacts == (Artifact(id="call_1", name="probe", data=FINDING),)
    assert [reason.code for reason in result.reasons] == ["claims_dropped"]
    assert "2 invalid claims of probe" in result.reasons[0].message
    assert (result.usage.model_calls, result.usage.tool_calls) == (2, 2)
    assert result.generated_by == "model"


@pytest.mark.requirement("EV-19")
async def test_token_events_add_up_to_the_usage_of_the_result() -> None:
    run = Agent(ScriptedModel([call("plain"), "x"]), [plain]).start(Task(parts_of("why?"), "m1"))

    events = [event async for event in run]
    told = [event.to_json()["data"] for event in events if event.type == "agent.tokens.used"]
    usage = (await run).usage

    assert sum(each["total_tokens"] for each in told) == usage.total_tokens  # type: ignore[index, misc, call-overload]
    assert len(told) == usage.model_calls == 2


async def test_a_task_hands_on_history_metadata_arguments_and_identity() -> None:
    seen: list[ToolContext] = []

    @tool
    async def look(context: ToolContext) -> str:
        """Look at the context."""
        seen.append(context)
        return "ok"

    model = ScriptedModel([call("look"), "fine"])
    task = Task(
        parts_of("go on", {"window": "1h"}), "m1", authority=Authority(budget=Budget(tokens=10_000), deadline=Deadline.after(60), root_id="root"), thread_id="t1", history=(Message.user("first"),),
        metadata={"m": 1}, )  # fmt: skip

    result = await Agent(model, [look]).start(task)

    request = model.requests[0]
    assert result.ok
    assert request.metadata == {"m": 1, "window": "1h"}
    assert [message.content for message in request.messages[1:]] == ["first", "go on"]
    assert data_of(request.messages[-1].parts) == {"window": "1h"}
    assert (seen[0].authority.root_id, seen[0].thread_id, seen[0].metadata) == (
        "root", "t1", {"m": 1, "window": "1h"},
    )  # fmt: skip
    assert seen[0].deadline == task.authority.deadline
    assert seen[0].budget.tokens is not None
    assert seen[0].budget.tokens < 10_000


@pytest.mark.requirement("LOOP-6")
async def test_a_call_left_open_in_the_history_gets_a_result_that_says_so() -> None:
    one, two = (ToolCall(id=each, name="plain") for each in ("a", "b"))
    history = (
        Message.user("first"),
        Message.assistant(tool_calls=(one, two)),
        Message.tool("fine", call=two),
    )
    model = ScriptedModel(["so"])

    await Agent(model, [plain]).start(Task(parts_of("next"), "m1", history=history))

    messages = model.requests[0].messages
    assert [message.tool_call_id for message in messages[3:5]] == ["a", "b"]
    assert "outcome is unknown" in messages[3].content
    assert messages[4].content == "fine"


@pytest.mark.parametrize(
    ("script", "code"),
    [
        ([RuntimeError("x")], "internal"),
        (["", ""], "empty_answer"),
        ([call("plain")], "max_iterations"),
    ],
)
async def test_a_failure_is_a_failed_result_with_a_reason(
    script: Sequence[object], code: str
) -> None:
    agent = Agent(ScriptedModel([*script, ""]), [plain], max_iterations=1)  # type: ignore[list-item]

    result = await agent.start(Task(parts_of("go"), "m1"))

    assert result.status == "failed"
    assert result.reasons[0].code == code
    assert result.reasons[0].message


async def test_a_prompt_function_that_raises_is_a_failed_result() -> None:
    def broken(_: object) -> str:
        raise KeyError("x")

    result = await Agent(ScriptedModel([]), system_prompt=broken).start(Task(parts_of("go"), "m1"))

    assert (result.status, result.reasons[0].code) == ("failed", "internal")


@pytest.mark.requirement("LIM-1")
async def test_cancelling_a_task_ends_it_at_once_and_reports_each_call() -> None:
    started = anyio.Event()

    @tool
    async def hang() -> None:
        """Hang."""
        started.set()
        await anyio.sleep_forever()

    agent = Agent(ScriptedModel([(call("plain"), call("hang"))]), [hang, plain])
    run = agent.start(Task(parts_of("go"), "m1"))
    ending = asyncio.ensure_future(_result(run))
    with anyio.fail_after(5):
        await started.wait()

    with anyio.fail_after(0.1):
        report = await run.cancel("enough")

    result = await ending
    assert report == {
        "outcome": "canceled",
        "effects": [
            {"id": "call_1", "tool": "plain", "outcome": "done"},
            {"id": "call_2", "tool": "hang", "outcome": "canceled"},
        ],
    }
    assert (result.status, result.reasons[0].message) == ("canceled", "enough")


async def test_a_cancelled_call_that_only_reads_leaves_no_doubt_to_report() -> None:
    started = anyio.Event()

    @tool(labels={"read"})
    async def look() -> None:
        """Look."""
        started.set()
        await anyio.sleep_forever()

    run = Agent(ScriptedModel([call("look")]), [look]).start(Task(parts_of("go"), "m1"))
    ending = asyncio.ensure_future(_result(run))
    with anyio.fail_after(5):
        await started.wait()

    assert await run.cancel("enough") == {"outcome": "canceled", "effects": []}
    assert (await ending).status == "canceled"


async def _result(run: PeerRun) -> Result:
    return await run


async def test_a_task_cancelled_before_it_starts_calls_nothing() -> None:
    model = ScriptedModel([])
    run = Agent(model).start(Task(parts_of("go"), "m1"))

    assert await run.cancel() == {"outcome": "not_started", "effects": []}

    assert (await run).status == "canceled"
    assert model.requests == []


async def test_cancelling_the_awaiting_task_cancels_the_work() -> None:
    ended = anyio.Event()
    started = anyio.Event()

    async def hang(_: ModelRequest) -> str:
        started.set()
        try:
            await anyio.sleep_forever()
        finally:
            ended.set()
        return ""

    awaiting = asyncio.ensure_future(
        _result(Agent(FunctionModel(hang)).start(Task(parts_of("go"), "m1")))
    )
    with anyio.fail_after(5):
        await started.wait()
        awaiting.cancel()
        await ended.wait()
    with pytest.raises(asyncio.CancelledError):
        await awaiting


class Told(LocalJournal):
    """Keeps what is told, steps included."""

    def __init__(self) -> None:
        self.told: list[Event | str] = []
        super().__init__(run_id=RunId("a" * 32), tell=self.told.append)

    async def record(
        self, path: tuple[str, ...], outcome: JsonObject, events: Sequence[Event] = ()
    ) -> JsonObject:
        self.told.append("step " + "/".join(path))
        return await super().record(path, outcome, events)


@pytest.mark.requirement("LOOP-7")
async def test_the_reply_is_durable_before_its_tools_and_the_results_before_the_next_call() -> None:
    journal = Told()
    agent = Agent(ScriptedModel([call("plain"), "done"]), [plain])

    run = agent.start(Task(parts_of("go"), "m1", journal=journal))
    assert [event async for event in run] == []
    assert (await run).ok

    order = [each if isinstance(each, str) else each.type for each in journal.told]
    assert order == [
        "agent.model.completed", "agent.tokens.used", "agent.think", "step think#1",
        "agent.tool.started", "agent.tool.completed", "step execute#1",
        "agent.model.chunk", "agent.model.completed", "agent.tokens.used", "agent.think",
        "step think#2", "agent.terminate",
    ]  # fmt: skip


bodies: list[str] = []


@tool
async def charge(amount: int) -> str:
    """Charge an amount; nobody journals it."""
    bodies.append(f"charge {amount}")
    return "charged"


@tool(idempotent=True, passes_key=True)
async def transfer(amount: int) -> str:
    """Transfer an amount once."""
    bodies.append(f"transfer {amount}")
    return "transferred"


@pytest.fixture
def _no_bodies() -> None:
    bodies.clear()


CALLS = (
    ToolCall(id="c1", name="charge", arguments={"amount": 1}),
    ToolCall(id="c2", name="transfer", arguments={"amount": 2}),
)


@pytest.mark.requirement("LOOP-8")
@pytest.mark.requirement("LOOP-9")
@pytest.mark.usefixtures("_no_bodies")
async def test_recovery_with_open_calls_asks_no_model_and_repeats_only_idempotent_tools() -> None:
    journal = Told()
    stored = ModelResponse(message=Message.assistant(tool_calls=CALLS)).to_json()
    await journal.record(("think#1",), stored)
    model = ScriptedModel(["so be it"])

    result = await Agent(model, [charge, transfer]).start(
        Task(parts_of("go"), "m1", journal=journal)
    )

    assert result.text == "so be it"
    assert bodies == ["transfer 2"]
    messages = model.requests[0].messages
    assert "outcome is unknown" in messages[-2].content
    assert messages[-1].content == "transferred"


async def test_recovery_makes_a_lost_call_that_only_reads_again() -> None:
    @tool(labels={"read"})
    async def look() -> str:
        """Look."""
        return "seen"

    journal = Told()
    asked = Message.assistant(tool_calls=(ToolCall(id="c1", name="look"),))
    await journal.record(("think#1",), ModelResponse(message=asked).to_json())
    model = ScriptedModel(["done"])

    await Agent(model, [look]).start(Task(parts_of("go"), "m1", journal=journal))

    assert model.requests[0].messages[-1].content == "seen"


@pytest.mark.requirement("LOOP-8")
@pytest.mark.usefixtures("_no_bodies")
async def test_recovery_after_the_results_calls_neither_the_model_nor_the_tools_again() -> None:
    journal = Told()
    first = Agent(ScriptedModel([CALLS, RuntimeError("died here")]), [charge, transfer])
    await first.start(Task(parts_of("go"), "m1", journal=journal))
    model = ScriptedModel(["done"])

    result = await Agent(model, [charge, transfer]).start(
        Task(parts_of("go"), "m1", journal=journal)
    )

    assert result.text == "done"
    assert sorted(bodies) == ["charge 1", "transfer 2"]
    assert len(model.requests) == 1
    assert result.usage.model_calls == 2
    assert result.usage.tool_calls == 2


@pytest.mark.requirement("LOOP-10")
async def test_a_redelivered_run_shows_its_user_message_once() -> None:
    journal = Told()
    await Agent(ScriptedModel([call("plain"), RuntimeError("x")]), [plain]).start(
        Task(parts_of("my question"), "m1", journal=journal)
    )
    model = ScriptedModel(["done"])

    await Agent(model, [plain]).start(Task(parts_of("my question"), "m1", journal=journal))

    contents = [message.content for message in model.requests[0].messages]
    assert contents.count("my question") == 1


@pytest.mark.usefixtures("_no_bodies")
async def test_an_answered_question_resumes_where_it_stood() -> None:
    journal = Told()
    calls = (CALLS[0], ToolCall(id="q", name="ask_user", arguments={"question": "Sure?"}))
    tools: list[Tool] = [charge, ask_user]
    agent = Agent(ScriptedModel([calls]), tools, tool_execution="sequential")
    asked = await agent.start(Task(parts_of("go"), "m1", journal=journal))
    model = ScriptedModel(["then so"])
    question = asked.interrupts[0]

    again = await Agent(model, tools).start(Task(parts_of("go"), "m1", journal=journal))
    result = await Agent(model, tools).start(
        Task(parts_of("go"), "m1", journal=journal, answers={question.id: "yes"})
    )

    assert (asked.status, asked.stop_reason) == ("interrupted", "interrupted")
    assert [each.id for each in again.interrupts] == [question.id]
    assert result.text == "then so"
    assert bodies == ["charge 1"]
    assert [message.content for message in model.requests[0].messages[-2:]] == ["charged", "yes"]


@tool
async def charge_if_allowed(context: ToolContext) -> str:
    """Ask, then charge; nobody journals it."""
    asked = interrupt_id("allowed", context.tool_call_id)
    if asked not in context.answers:
        raise InterruptRaised(Interrupt(id=asked, reason="approval", message="May I?"))
    bodies.append("charged")
    return "charged"


@pytest.mark.requirement("LOOP-9")
@pytest.mark.usefixtures("_no_bodies")
async def test_recovery_never_repeats_a_call_that_was_answered_and_then_begun() -> None:
    class Dying(Told):
        dies = False

        async def record(
            self, path: tuple[str, ...], outcome: JsonObject, events: Sequence[Event] = ()
        ) -> JsonObject:
            if self.dies and path[0] == "execute#1":
                raise StoreUnavailableError("gone")
            return await super().record(path, outcome, events)

    journal = Dying()
    tools = [charge_if_allowed]
    asked = await Agent(ScriptedModel([call("charge_if_allowed")]), tools).start(
        Task(parts_of("go"), "m", journal=journal)
    )
    task = Task(parts_of("go"), "m", journal=journal, answers={asked.interrupts[0].id: "yes"})
    journal.dies = True
    died = await Agent(ScriptedModel([]), tools).start(task)
    journal.dies = False
    model = ScriptedModel(["who knows"])

    result = await Agent(model, tools).start(task)

    assert (died.status, result.text) == ("failed", "who knows")
    assert bodies == ["charged"]
    assert "outcome is unknown" in model.requests[0].messages[-1].content


async def test_an_answer_that_the_store_recorded_needs_not_be_handed_over() -> None:
    journal = Told()
    ask = call("ask_user", question="Sure?")
    asked = await Agent(ScriptedModel([ask]), [ask_user]).start(
        Task(parts_of("go"), "m", journal=journal)
    )
    await journal.record(("interrupt", asked.interrupts[0].id), {"answer": "yes"})
    model = ScriptedModel(["fine"])

    result = await Agent(model, [ask_user]).start(Task(parts_of("go"), "m", journal=journal))

    assert result.ok
    assert model.requests[0].messages[-1].content == "yes"


async def test_a_lost_claim_is_handed_to_whoever_brought_the_journal() -> None:
    class Lost(Told):
        held = Held(RunId("a" * 32), 1)

        async def record(
            self, path: tuple[str, ...], outcome: JsonObject, events: Sequence[Event] = ()
        ) -> JsonObject:
            await super().record(path, outcome, events)
            raise FencedError(self.run_id, 1)

    agent = Agent(ScriptedModel([call("plain")] * 2), [plain])

    with pytest.raises(FencedError):
        await agent.start(Task(parts_of("go"), "m1", journal=Lost()))
    with pytest.raises(FencedError):
        async for _ in agent.start(Task(parts_of("go"), "m1", journal=Lost())):
            pass

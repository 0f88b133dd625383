"""An agent as another's tool: its questions, its steps and its effects are its caller's run's."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.libs.a2a.harness import ScriptedPeer, ScriptedRun
from weft.checkpoint import sqlite_checkpointer
from weft.events import AnyData, Event
from weft.loop import Agent, EffectSettledEvent
from weft.loop.subagent import agent_tool
from weft.runs import LocalJournal
from weft.testing.models import ScriptedModel, call
from weft.tools import ToolContext, tool

paid: list[int] = []


@pytest.fixture(autouse=True)
def _nothing_paid() -> None:
    paid.clear()


@tool(idempotent=True, passes_key=True)
async def pay(amount: int) -> str:
    """Pay."""
    paid.append(amount)
    return f"paid {amount}"


def family(child: ScriptedModel, parent: ScriptedModel, path: Path) -> Agent:
    asks = Agent(child, [pay], name="child", completion_mode="explicit")
    return Agent(parent, [asks.as_tool()], name="parent", checkpointer=f"sqlite:{path}")


@pytest.mark.requirement("AG-13")
async def test_a_childs_question_is_its_parents_and_the_answer_reaches_the_child_where_it_stood(
    tmp_path: Path,
) -> None:
    child = ScriptedModel([call("pay", amount=1), call("ask_user", question="Which?")])
    parent = ScriptedModel([call("child", task="choose")])
    asking = family(child, parent, tmp_path / "db")
    asked = await asking.arun("go", thread_id="t")
    await asking.aclose()
    assert asked.interrupt is not None
    assert asked.interrupt.message == "Which?"
    assert asked.interrupt.path == ("call_1",)

    later = ScriptedModel([call("task_complete", summary="the blue one")])
    answered = family(later, ScriptedModel(["it is blue"]), tmp_path / "db")
    result = await answered.resume("blue", interrupt_id=asked.interrupt.id, thread_id="t")
    await answered.aclose()

    assert result.text == "it is blue"
    assert result.tool_executions[0].content == "the blue one"
    assert len(child.requests) == 2
    (request,) = later.requests
    told = [message.content for message in request.messages if message.role == "tool"]
    assert told == ["paid 1", "blue"]
    assert paid == [1]
    assert result.state.model_calls == 5


@pytest.mark.requirement("AG-13")
async def test_questions_of_parent_and_child_never_share_an_id(tmp_path: Path) -> None:
    child = ScriptedModel([call("ask_user", question="Child?")])
    parent = ScriptedModel([call("ask_user", question="Parent?"), call("child", task="x")])
    asks = Agent(child, name="child", completion_mode="explicit")
    agent = Agent(
        parent,
        [asks.as_tool()],
        completion_mode="explicit",
        checkpointer=f"sqlite:{tmp_path / 'db'}",
    )

    first = await agent.arun("go", thread_id="t")
    second = await agent.resume("yes", thread_id="t")

    assert first.interrupt is not None
    assert second.interrupt is not None
    assert second.interrupt.message == "Child?"
    assert first.interrupt.id != second.interrupt.id
    await agent.aclose()


async def test_a_childs_effects_are_kept_in_its_parents_ledger(tmp_path: Path) -> None:
    child = ScriptedModel([call("pay", amount=1), call("task_complete", summary="done")])
    agent = family(child, ScriptedModel([call("child", task="pay"), "paid"]), tmp_path / "db")
    events = [event async for event in agent.run("go", thread_id="t")]
    await agent.aclose()

    settled = [event for event in events if isinstance(event, EffectSettledEvent)]
    assert [(each.tool_name, each.outcome) for each in settled] == [("pay", "done")]
    kept = sqlite_checkpointer(tmp_path / "db")
    found = await kept.effects.find_effect(settled[0].key)
    await kept.aclose()
    assert found is not None
    assert found.state == "settled"


async def test_what_a_grandchild_spends_is_counted_once() -> None:
    grandchild = Agent(ScriptedModel(["deep"]), name="grandchild")
    child = Agent(
        ScriptedModel([call("grandchild", task="dig"), "dug"]), [grandchild.as_tool()], name="child"
    )
    parent = Agent(ScriptedModel([call("child", task="go"), "gone"]), [child.as_tool()])

    result = await parent.arun("go")

    assert result.state.model_calls == 5


class HandingOver(LocalJournal):
    """Of a run that may go on with another owner."""

    def __init__(self, *, handed_over: bool) -> None:
        super().__init__()
        self._handed_over = handed_over

    @property
    def handed_over(self) -> bool:
        return self._handed_over


@pytest.mark.parametrize("handed_over", [False, True])
async def test_an_agent_that_was_asked_is_told_to_stop_unless_another_owner_goes_on(
    *, handed_over: bool
) -> None:
    async def never(run: ScriptedRun) -> AsyncIterator[Event]:
        del run
        await anyio.sleep_forever()
        yield Event(type="agent.custom", data=AnyData())

    peer = ScriptedPeer(never)
    ask = agent_tool(peer, "other", "Asks another.")
    context = ToolContext(journal=HandingOver(handed_over=handed_over))
    asking = asyncio.create_task(ask.fn(task="go", context=context))
    await anyio.wait_all_tasks_blocked()

    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking

    assert peer.runs[0].canceled is not handed_over

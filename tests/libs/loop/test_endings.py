"""How a person or a terminal tool ends a run."""

import asyncio

import anyio
import pytest

from weft.core import Result, parts_of
from weft.core.errors import RunFailedError
from weft.loop import Agent, AgentResult, InterruptEvent, PeerRun, Task
from weft.models import ModelUnavailableError
from weft.models.retry import ModelRetryConfig
from weft.testing.models import ScriptedModel, call
from weft.tools import tool


@pytest.mark.requirement("TOOL-9")
async def test_explicit_mode_asks_a_person_and_stops_with_the_summary() -> None:
    model = ScriptedModel(
        [
            call("ask_user", question="Which?", options=["a", "b"]),
            call("task_complete", summary="b"),
        ]
    )
    agent = Agent(model, completion_mode="explicit")

    events = [event async for event in agent.run("go", thread_id="t")]
    asked = events[-1]
    assert isinstance(asked, InterruptEvent)
    assert (asked.question, asked.options) == ("Which?", ("a", "b"))
    result = await agent.resume("b", thread_id="t")

    assert result.tool_executions[0].content == "b"
    assert (result.stop_reason, result.text, result.success) == ("terminal_tool", "b", True)
    await agent.aclose()


@pytest.mark.requirement("GW-24")
async def test_a_task_that_outlives_its_grace_is_unknown() -> None:
    began, leave = anyio.Event(), anyio.Event()

    @tool
    async def stubborn() -> None:
        """Do not listen."""
        with anyio.CancelScope(shield=True):
            began.set()
            await leave.wait()

    run = Agent(ScriptedModel([call("stubborn")]), [stubborn]).start(Task(parts_of("go"), "m"))
    working = asyncio.ensure_future(result_of(run))
    with anyio.fail_after(5):
        await began.wait()

        report = await run.cancel("enough", grace_s=0.01)

        leave.set()
        assert (await working).status == "canceled"
        after = await run.cancel("enough")
    assert isinstance(report, dict)
    assert isinstance(after, dict)
    assert (report["outcome"], after["outcome"]) == ("unknown", "canceled")
    assert report["effects"] == [{"id": "call_1", "tool": "stubborn", "outcome": "unknown"}]


async def result_of(run: PeerRun) -> Result:
    return await run


async def test_the_state_says_which_calls_failed_and_why_the_run_did() -> None:
    @tool
    async def fail() -> str:
        """Fail."""
        raise ValueError("no luck")

    model = ScriptedModel([call("fail"), ModelUnavailableError("down")])
    agent = Agent(model, [fail], model_retry=ModelRetryConfig(max_retries=0))

    with pytest.raises(RunFailedError) as caught:
        await agent.arun("try")

    result = caught.value.result
    assert isinstance(result, AgentResult)
    assert result.error is not None
    assert list(result.state.errors) == ["fail: ValueError: no luck", result.error.message]

"""The loop as its caller sees it: replies, tools, limits and ends."""

import threading
import time

import anyio
import pytest

from weft.core import Budget, Message, ToolCall
from weft.core.errors import RunFailedError
from weft.loop import Agent, AgentResult, InterruptEvent, TerminateEvent
from weft.models import ModelResponse, ModelUnavailableError, ModelUsage
from weft.models.retry import ModelRetryConfig
from weft.termination import (
    ConfidenceMet,
    CustomCondition,
    MaxIterations,
    NoToolCalls,
    Progress,
    TextMention,
    TimeLimit,
    TokenLimit,
    ToolCalled,
)
from weft.testing.models import FunctionModel, ScriptedModel, ScriptedTurn, call
from weft.tools import tool
from weft.tools.builtin import ask_user, task_complete


@tool
async def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@tool
async def fail() -> str:
    """Fail."""
    raise ValueError("no luck")


@tool
async def wait() -> str:
    """Wait for ever."""
    await anyio.sleep_forever()
    return ""


@tool
def slow() -> str:
    """Take two seconds of a thread."""
    time.sleep(2)
    return "late"


def adding(times: int) -> list[ToolCall]:
    return [call("add", a=n, b=n) for n in range(times)]


async def test_a_run_calls_tools_and_answers() -> None:
    model = ScriptedModel([call("add", a=1, b=2), "it is 3"])

    result = await Agent(model, [add]).arun("1 + 2?")

    assert (result.text, result.stop_reason, result.success) == ("it is 3", "complete", True)
    assert [message.role for message in result.messages] == [
        "system", "user", "assistant", "tool", "assistant",
    ]  # fmt: skip
    assert result.messages[3].content == "3"
    assert model.requests[1].messages == tuple(result.messages[:4])
    assert result.metrics.tool_calls == 1
    assert result.metrics.iterations == 2


@pytest.mark.requirement("LOOP-3")
async def test_a_tool_that_raises_is_an_error_result_and_its_sibling_is_left_alone() -> None:
    model = ScriptedModel([(call("fail"), call("add", a=1, b=1)), "so"])

    result = await Agent(model, [add, fail]).arun("go")

    failed, fine = result.tool_executions
    assert (failed.ok, failed.error) == (False, "ValueError: no luck")
    assert (fine.ok, fine.content) == (True, "2")
    assert result.success


@pytest.mark.requirement("LOOP-11")
async def test_an_empty_reply_is_asked_for_once_more() -> None:
    model = ScriptedModel(["", "now then"])

    result = await Agent(model).arun("go")

    assert result.text == "now then"
    assert len(model.requests) == 2
    assert result.state.model_calls == 2


@pytest.mark.requirement("LOOP-11")
async def test_two_empty_replies_stop_the_run_with_an_error() -> None:
    model = ScriptedModel(["", " \n", "never asked"])

    with pytest.raises(RunFailedError) as caught:
        await Agent(model).arun("go")

    result = caught.value.result
    assert isinstance(result, AgentResult)
    assert result.stop_reason == "error"
    assert result.error is not None
    assert result.error.code == "empty_answer"
    assert len(model.requests) == 2


@pytest.mark.requirement("LOOP-12")
async def test_a_run_stopped_without_text_makes_one_closing_call_without_tools() -> None:
    model = ScriptedModel([*adding(2), "as far as I got"])

    result = await Agent(model, [add], max_iterations=2).arun("go")

    assert (result.stop_reason, result.text) == ("max_iterations", "as far as I got")
    assert not result.success
    assert len(model.requests) == 3
    assert model.requests[-1].tools == ()


@pytest.mark.requirement("LOOP-12")
async def test_a_run_out_of_budget_lists_its_results_instead_of_a_closing_call() -> None:
    usage = ModelUsage(total_tokens=50)
    model = ScriptedModel([ScriptedTurn(calls=(call("add", a=1, b=1),), usage=usage)])

    result = await Agent(model, [add], token_budget=50).arun("go")

    assert result.stop_reason == "token_budget"
    assert "- add: 2" in result.text
    assert len(model.requests) == 1
    assert not result.success


@pytest.mark.requirement("LOOP-12")
async def test_a_reply_with_text_and_calls_needs_no_closing_call() -> None:
    reply = ScriptedTurn(text="nearly DONE", calls=(call("add", a=1, b=1),))
    model = ScriptedModel([reply])

    result = await Agent(model, [add], termination=TextMention("done")).arun("go")

    assert (result.stop_reason, result.text) == ("condition", "nearly DONE")
    assert len(model.requests) == 1


@pytest.mark.requirement("TERM-4")
async def test_the_stop_explanation_lists_what_held_with_measured_values() -> None:
    condition = ToolCalled("add") & TokenLimit(5)
    usage = ModelUsage(total_tokens=7)
    reply = ScriptedTurn(text="x", calls=(call("add", a=1, b=1),), usage=usage)

    result = await Agent(ScriptedModel([reply]), [add], termination=condition).arun("go")

    assert result.stop_explanation == "ToolCalled('add') and TokenLimit(7)"
    assert result.stop_reason == "terminal_tool"


@pytest.mark.requirement("TERM-12")
async def test_of_several_reasons_the_first_in_the_fixed_order_counts() -> None:
    reply = ScriptedTurn(text="bye", usage=ModelUsage(total_tokens=9))
    condition = MaxIterations(1) | TokenLimit(1) | NoToolCalls() | TextMention("bye")

    result = await Agent(ScriptedModel([reply]), termination=condition).arun("go")

    assert result.stop_reason == "complete"


@pytest.mark.requirement("TERM-13")
async def test_a_custom_condition_that_raises_stops_the_run_with_an_error() -> None:
    def broken(_: Progress) -> bool:
        raise KeyError("x")

    agent = Agent(ScriptedModel(["hello"]), termination=CustomCondition(broken))

    events = [event async for event in agent.run("go")]

    last = events[-1]
    assert isinstance(last, TerminateEvent)
    assert last.reason == "error"
    assert last.error is not None
    assert last.error.code == "condition_failed"


@pytest.mark.requirement("LOOP-13")
async def test_a_custom_condition_runs_in_a_worker_thread() -> None:
    seen: list[int] = []

    def slowly(_: Progress) -> bool:
        seen.append(threading.get_ident())
        return False

    await Agent(ScriptedModel(["hello"]), termination=CustomCondition(slowly)).arun("go")

    assert seen
    assert threading.get_ident() not in seen


@pytest.mark.requirement("TERM-10")
@pytest.mark.requirement("LIM-2")
@pytest.mark.parametrize("nested", [False, True])
async def test_a_time_threshold_stops_a_tool_under_way(*, nested: bool) -> None:
    limit = TimeLimit(0.3)
    condition = limit & ~ToolCalled("other") if nested else limit
    agent = Agent(ScriptedModel([call("slow")]), [slow], termination=condition)

    began = time.monotonic()
    result = await agent.arun("go")
    took = time.monotonic() - began

    assert took < 0.4
    assert result.stop_reason == ("condition" if nested else "time_budget")
    assert [each.outcome for each in result.tool_executions] == ["canceled"]


@pytest.mark.requirement("TERM-10")
async def test_a_time_threshold_that_does_not_end_the_whole_lets_work_go_on() -> None:
    started = anyio.Event()
    gate = anyio.Event()

    @tool
    async def gated() -> str:
        """Wait for the gate."""
        started.set()
        await gate.wait()
        return "through"

    condition = TimeLimit(0.01) & ToolCalled("other")
    agent = Agent(ScriptedModel([call("gated"), "fine"]), [gated], termination=condition)

    async with anyio.create_task_group() as group:

        @group.start_soon
        async def _open() -> None:
            await started.wait()
            await anyio.sleep(0.05)
            gate.set()

        result = await agent.arun("go")

    assert (result.stop_reason, result.text) == ("complete", "fine")


@pytest.mark.requirement("LIM-2")
@pytest.mark.parametrize("limit", ["deadline", "time_budget"])
async def test_a_deadline_and_a_time_budget_stop_a_model_call(limit: str) -> None:
    model = ScriptedModel([ScriptedTurn(text="late", until=anyio.Event())])
    own, asked = (0.1, None) if limit == "time_budget" else (None, 0.1)

    with anyio.fail_after(5):
        result = await Agent(model, time_budget_seconds=own).arun("go", deadline=asked)

    assert result.stop_reason == limit


@pytest.mark.requirement("LIM-3")
async def test_the_smallest_of_all_limits_counts() -> None:
    reply = ScriptedTurn(calls=(call("add", a=1, b=1),), usage=ModelUsage(total_tokens=10))

    async def calls_made(own: int | None, asked: int | None) -> int:
        model = ScriptedModel([reply] * 10)
        await Agent(model, [add], token_budget=own, tool_loop_threshold=99).arun(
            "go", budget=Budget(tokens=asked)
        )
        return len(model.requests)

    assert await calls_made(20, 50) == 2
    assert await calls_made(50, 20) == 2
    assert await calls_made(None, 30) == 3


@pytest.mark.requirement("LIM-3")
@pytest.mark.requirement("LIM-4")
@pytest.mark.parametrize(
    ("budget", "reason"),
    [
        (Budget(tokens=0), "token_budget"),
        (Budget(cost_usd=0), "cost_budget"),
        (Budget(seconds=0), "deadline"),
    ],
)
async def test_zero_means_that_no_model_call_starts(budget: Budget, reason: str) -> None:
    model = ScriptedModel([])

    result = await Agent(model).arun("go", budget=budget)

    assert result.stop_reason == reason
    assert model.requests == []


@pytest.mark.requirement("LIM-4")
async def test_what_is_left_caps_the_next_reply() -> None:
    model = ScriptedModel(
        [ScriptedTurn(calls=(call("add", a=1, b=1),), usage=ModelUsage(total_tokens=30)), "so"]
    )

    await Agent(model, [add], max_tokens=80, token_budget=100).arun("go")

    assert [request.max_tokens for request in model.requests] == [80, 70]


@pytest.mark.requirement("LIM-6")
async def test_a_model_call_never_gets_more_time_than_is_left() -> None:
    model = ScriptedModel(["a"])

    await Agent(model, time_budget_seconds=50).arun("go", deadline=20)

    timeout = model.requests[0].timeout
    assert timeout is not None
    assert 15 < timeout <= 20


@pytest.mark.requirement("LIM-6")
async def test_a_tool_never_gets_more_time_than_is_left() -> None:
    agent = Agent(ScriptedModel([call("wait"), "x"]), [wait], tool_timeout=60)

    with anyio.fail_after(5):
        result = await agent.arun("go", deadline=0.1)

    assert result.stop_reason == "deadline"


@pytest.mark.requirement("RSN-2")
@pytest.mark.requirement("RSN-3")
async def test_a_loop_warns_first_and_stops_at_the_next_repetition() -> None:
    model = ScriptedModel([call("add", a=1, b=1)] * 5 + ["nothing more"])

    result = await Agent(model, [add]).arun("go")

    warned = ["repeat earlier ones" in request.messages[-1].content for request in model.requests]
    assert result.stop_reason == "tool_loop"
    assert warned[:5] == [False, False, False, False, True]
    assert len(model.requests) == 6
    assert not result.success


@pytest.mark.requirement("RSN-2")
async def test_two_calls_in_turn_are_a_loop_too() -> None:
    turns = [call("add", a=1, b=1), call("add", a=2, b=2)] * 4
    model = ScriptedModel([*turns, "x"])

    result = await Agent(model, [add]).arun("go")

    assert result.stop_reason == "tool_loop"
    assert result.iterations == 6


@pytest.mark.requirement("RSN-2")
async def test_paging_and_polling_with_changing_results_are_no_loop() -> None:
    state = iter(range(100))

    @tool
    async def poll() -> str:
        """Say how far it is."""
        return f"step {next(state)} of many"

    paging = ScriptedModel([*adding(8), "end"])
    polling = ScriptedModel([*[call("poll")] * 8, "end"])

    assert (await Agent(paging, [add]).arun("go")).stop_reason == "complete"
    assert (await Agent(polling, [poll]).arun("go")).stop_reason == "complete"


@pytest.mark.requirement("RSN-1")
@pytest.mark.requirement("TERM-11")
async def test_a_condition_on_confidence_switches_reflexion_on() -> None:
    model = FunctionModel(
        lambda request: ScriptedTurn(
            text="on it", calls=(call("add", a=len(request.messages), b=1),)
        )
    )

    result = await Agent(model, [add], termination=ConfidenceMet(0.9), max_iterations=40,
                         completion_mode="explicit").arun("go")  # fmt: skip

    assert result.stop_reason == "confidence_met"
    assert result.iterations == 15
    assert result.state.confidence_history[11] >= 0.85 > result.state.confidence_history[10]


@pytest.mark.requirement("RSN-1")
async def test_reflexion_stops_an_auto_run_at_its_threshold() -> None:
    model = FunctionModel(
        lambda request: ScriptedTurn(
            text="on it", calls=(call("add", a=len(request.messages), b=1),)
        )
    )

    result = await Agent(model, [add], reflexion=True).arun("go")

    assert (result.stop_reason, result.iterations) == ("confidence_met", 12)
    assert result.success


@pytest.mark.requirement("OUT-4")
async def test_explicit_mode_goes_on_after_a_plain_answer_until_a_terminal_tool() -> None:
    model = ScriptedModel(["I think so", call("task_complete", summary="It is so.")])

    result = await Agent(model, completion_mode="explicit").arun("go")

    assert (result.stop_reason, result.text) == ("terminal_tool", "It is so.")
    assert "task_complete" in model.requests[1].messages[-1].content
    assert {tool.name for tool in Agent(model, completion_mode="explicit").tools} == {
        "ask_user",
        "task_complete",
    }


@pytest.mark.requirement("OUT-4")
async def test_in_explicit_mode_a_loop_only_warns() -> None:
    model = ScriptedModel([*[call("add", a=1, b=1)] * 8, "x"])
    agent = Agent(model, [add], completion_mode="explicit", max_iterations=8)

    assert (await agent.arun("go")).stop_reason == "max_iterations"


async def test_a_successful_terminal_tool_ends_the_run_with_its_message() -> None:
    model = ScriptedModel([call("task_complete", summary="All done.")])

    result = await Agent(model, [task_complete]).arun("go")

    assert (result.stop_reason, result.text, result.success) == (
        "terminal_tool", "All done.", True,
    )  # fmt: skip


@pytest.mark.requirement("ST-9")
async def test_an_interrupted_run_is_no_success_and_its_last_event_is_the_question() -> None:
    agent = Agent(ScriptedModel([call("ask_user", question="Which?")] * 2), [ask_user])

    events = [event async for event in agent.run("go")]
    result = await agent.arun("go")

    last = events[-1]
    assert isinstance(last, InterruptEvent)
    assert last.question == "Which?"
    assert (result.stop_reason, result.success) == ("interrupted", False)
    assert result.interrupt is not None
    assert result.interrupt.message == "Which?"


async def test_a_reply_cut_inside_its_calls_runs_no_tool_and_the_model_is_told() -> None:
    cut = ScriptedTurn(calls=(call("add", a=1, b=1),), stop_reason="length")
    model = ScriptedModel([cut, "shorter"])

    result = await Agent(model, [add]).arun("go")

    assert "cut at its length limit" in model.requests[1].messages[-1].content
    assert not result.tool_executions[0].ok


async def test_a_model_that_fails_for_good_ends_the_run_with_its_code() -> None:
    model = ScriptedModel([ModelUnavailableError("down")])
    retry = ModelRetryConfig(max_retries=0)

    with pytest.raises(RunFailedError) as caught:
        await Agent(model, model_retry=retry).arun("go")

    result = caught.value.result
    assert isinstance(result, AgentResult)
    assert result.error is not None
    assert (result.error.code, result.error.retryable) == ("model_unavailable", True)


async def test_a_failed_model_call_is_repeated_and_told() -> None:
    model = ScriptedModel([ModelUnavailableError("down"), "up again"])
    retry = ModelRetryConfig(initial_delay=0)
    agent = Agent(model, model_retry=retry)

    events = [event async for event in agent.run("go")]

    assert [each.event_type for each in events].count("model_retry") == 1
    assert isinstance(events[-1], TerminateEvent)
    assert events[-1].final_message == "up again"


async def test_a_bug_in_a_model_fails_the_run_without_its_text() -> None:
    model = ScriptedModel([RuntimeError("secret detail")])

    with pytest.raises(RunFailedError) as caught:
        await Agent(model).arun("go")

    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.result, AgentResult)


async def test_what_a_provider_asks_to_keep_is_handed_back() -> None:
    first = ModelResponse(
        message=Message.assistant("", tool_calls=(call("add", a=1, b=1),)),
        provider_state={"turn": "abc"},
    )
    model = ScriptedModel([first, "x"])

    await Agent(model, [add]).arun("go")

    assert model.requests[1].provider_state == {"turn": "abc"}

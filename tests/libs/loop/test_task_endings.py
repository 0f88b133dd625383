"""How a task ends, and what its model is told and shown."""

import pytest

from weft.core import Authority, Budget, Deadline, JsonObject, Message, parts_of
from weft.loop import Agent, Task
from weft.models import ModelRequest, ModelResponse, ModelUsage
from weft.testing.models import FunctionModel, ScriptedModel, ScriptedTurn, call
from weft.tools import tool


@tool
async def plain() -> str:
    """Say something."""
    return "nothing special"


async def test_a_streaming_model_is_shown_while_it_speaks() -> None:
    model = ScriptedModel([ScriptedTurn(chunks=("to ", "be"))])

    events = [event async for event in Agent(model).start(Task(parts_of("go"), "m1"))]

    chunks = [event.to_json()["data"] for event in events if event.type == "agent.model.chunk"]
    assert "".join(each["content"] for each in chunks) == "to be"  # type: ignore[index, misc, call-overload]


async def test_an_answer_that_was_to_be_json_becomes_data_or_a_failure() -> None:
    task = Task(parts_of("go"), "m1", output_schema={"type": "object"})

    good = await Agent(ScriptedModel(['{"a": 1}'])).start(task)
    bad = await Agent(ScriptedModel(["a is 1"] * 3)).start(task)

    assert (good.status, good.data) == ("completed", {"a": 1})
    assert (bad.status, bad.reasons[0].code, bad.text) == ("failed", "output_invalid", "a is 1")


async def test_a_run_without_budget_or_time_names_what_ran_out() -> None:
    spent = await Agent(ScriptedModel([])).start(
        Task(parts_of("go"), "m1", authority=Authority(budget=Budget(calls=0)))
    )
    late = await Agent(ScriptedModel([])).start(
        Task(parts_of("go"), "m1", authority=Authority(deadline=Deadline.after(0)))
    )

    assert [each.reasons[0].code for each in (spent, late)] == [
        "budget_exhausted",
        "deadline_exceeded",
    ]


@pytest.mark.requirement("ST-9")
async def test_what_was_cut_short_is_never_completed() -> None:
    usage = ModelUsage(total_tokens=5)
    reply = ScriptedTurn(text="so far so good", calls=(call("plain"),), usage=usage)

    async def status(budget: Budget) -> str:
        agent = Agent(ScriptedModel([reply]), [plain], max_iterations=1)
        return (
            await agent.start(Task(parts_of("go"), "m1", authority=Authority(budget=budget)))
        ).status

    assert await status(Budget()) == "failed"
    assert await status(Budget(tokens=5)) == "failed"


async def test_a_model_is_told_the_role_of_its_task_whatever_the_request_says() -> None:
    told: list[JsonObject] = []

    def answer(request: ModelRequest) -> ModelResponse:
        told.append(request.metadata)
        return ModelResponse(message=Message.assistant("ok"))

    agent = Agent(FunctionModel(answer))
    sent: JsonObject = {"role": "judge", "data": "/d"}
    await agent.start(Task(parts_of("go", {"role": "x"}), "m1", role="validate", metadata=sent))
    await agent.start(Task(parts_of("go"), "m2", metadata=sent))

    assert [each["role"] for each in told] == ["validate", "judge"]
    assert told[0]["data"] == "/d"

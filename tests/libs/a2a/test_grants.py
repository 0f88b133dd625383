"""What a message says of granted tools, whoever wrote it."""

import pytest

from weft.a2a.server.grants import MOST, granted
from weft.core import JsonValue, parts_of
from weft.loop import Agent, Task
from weft.testing.models import ScriptedModel, call


@pytest.mark.parametrize(
    "listed",
    [None, "x", {"name": "x"}, [1, None, {}, {"name": ""}, {"name": 7}, {"name": "n" * 65}]],
)
def test_what_is_no_grant_gives_no_tool(listed: JsonValue) -> None:
    assert granted(listed) == ()


def test_grants_are_bounded_and_of_one_name_the_last_counts() -> None:
    many: JsonValue = [{"name": f"t{number}"} for number in range(2 * MOST)]
    twice: JsonValue = [{"name": "t", "description": 7}, {"name": "t", "description": "it"}]

    assert len(granted(many)) == MOST
    assert [tool.description for tool in granted(twice)] == ["it"]


@pytest.mark.parametrize("answer", [None, "no", {"error": "gone"}, {"ok": 1}])
async def test_a_use_that_its_caller_did_not_make_is_an_error(answer: JsonValue) -> None:
    model = ScriptedModel([call("look", task="x"), "no luck"])
    task = Task(parts_of("go"), "m", grants=granted([{"name": "look"}]))
    asked = await Agent(model).start(task)
    [interrupt] = asked.interrupts

    answered = Task(parts_of("go"), "m", grants=task.grants, answers={interrupt.id: answer})
    model = ScriptedModel([call("look", task="x"), "no luck"])
    result = await Agent(model).start(answered)

    assert interrupt.metadata == {"tool": "look", "arguments": {"task": "x"}}
    assert result.text == "no luck"
    assert model.requests[1].messages[-1].content.startswith("Error: ")

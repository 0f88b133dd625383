"""The state: branches, buffers, arithmetic, storage."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weft.core import Message, Usage
from weft.core.errors import InputError
from weft.loop import Agent, AgentState
from weft.loop.append_only import Grown
from weft.models import ModelUsage
from weft.testing.models import ScriptedModel, call
from weft.tools import tool


@tool
async def echo(text: str) -> dict[str, str]:
    """Say it again."""
    return {"text": text}


@pytest.mark.requirement("ST-1")
@given(st.lists(st.integers()), st.lists(st.integers()), st.lists(st.integers()))
def test_two_states_grown_from_one_parent_never_see_each_other(
    first: list[int], left: list[int], right: list[int]
) -> None:
    parent = Grown(first)

    one, other = parent, parent
    for value in left:
        one = one.plus(value)
    for value in right:
        other = other.plus(value)

    assert list(parent) == first
    assert list(one) == first + left
    assert list(other) == first + right
    assert len(one) == len(first) + len(left)


@pytest.mark.requirement("ST-1")
def test_messages_of_a_branch_stay_in_the_branch() -> None:
    parent = AgentState().with_message(Message.user("a"))

    left, right = parent.with_message(Message.user("b")), parent.with_message(Message.user("c"))

    assert [each.content for each in parent.messages] == ["a"]
    assert [each.content for each in left.messages] == ["a", "b"]
    assert [each.content for each in right.messages] == ["a", "c"]
    assert left.messages[-1].content == "b"
    with pytest.raises(IndexError):
        parent.messages[1]


class _Counted(list[int]):
    """A buffer that counts what is copied out of it as a whole."""

    copied = 0

    def __getitem__(self, at: Any) -> Any:  # noqa: ANN401 - what a list takes and gives
        found = super().__getitem__(at)
        if not isinstance(at, slice):
            return found
        _Counted.copied += len(found)
        return _Counted(found)


@pytest.mark.requirement("ST-2")
def test_adding_one_by_one_copies_nothing_and_a_branch_copies_its_prefix_once() -> None:
    start: Grown[int] = Grown()
    start._buffer = _Counted()
    grown = start
    versions = [grown := grown.plus(n) for n in range(1000)]

    assert _Counted.copied == 0
    assert {id(version._buffer) for version in versions} == {id(start._buffer)}

    branch = versions[499].plus(-1)
    for n in range(100):
        branch = branch.plus(n)

    assert _Counted.copied == 500


@pytest.mark.requirement("ST-3")
async def test_a_stored_state_comes_back_equal() -> None:
    model = ScriptedModel([(call("echo", text="x"), call("nothing")), "end"])

    result = await Agent(model, [echo], reflexion=True).arun("go", metadata={"a": [1, None]})

    state = result.state
    assert AgentState.from_checkpoint(state.to_checkpoint()) == state
    assert AgentState.from_checkpoint({**state.to_checkpoint(), "newer": 1}) == state
    assert state != state.with_iteration(9)


def test_what_is_no_state_is_refused() -> None:
    with pytest.raises(InputError):
        AgentState.from_checkpoint({"messages": 3})


@pytest.mark.requirement("ST-4")
@given(st.floats(0, 1), st.floats(-1, 1))
def test_only_a_gain_is_damped_by_what_is_left_to_gain(confidence: float, delta: float) -> None:
    state = AgentState().with_confidence(confidence).adjust_confidence(delta)

    expected = confidence + (delta * (1 - confidence) if delta > 0 else delta)
    assert state.confidence == pytest.approx(min(1, max(0, expected)))
    assert list(state.confidence_history) == [confidence, state.confidence]


@pytest.mark.requirement("ST-5")
async def test_token_totals_are_the_providers_else_estimated_and_marked() -> None:
    told = ModelUsage(total_tokens=9, prompt_tokens=5, completion_tokens=4)

    state = AgentState().with_token_usage(told)
    guessed = (await Agent(ScriptedModel(["hello"])).arun("go")).state

    assert (state.total_tokens_used, state.tokens_estimated) == (9, False)
    assert guessed.tokens_estimated
    assert guessed.usage.estimated
    assert guessed.completion_tokens_used == 2


@pytest.mark.requirement("ST-6")
async def test_a_result_as_a_dictionary_contains_each_message_once() -> None:
    result = await Agent(ScriptedModel(["the answer"])).arun("the question")

    whole = result.to_dict()
    state = whole.pop("state")

    assert isinstance(state, dict)
    messages = [Message.model_validate(each) for each in state["messages"]]  # type: ignore[union-attr]
    assert [each.content for each in messages[1:]] == ["the question", "the answer"]
    assert str(whole).count("the question") == 0
    assert "messages" not in whole


def test_usage_of_children_and_of_own_calls_add_up() -> None:
    own = AgentState().with_token_usage(ModelUsage(total_tokens=1, cost_usd=0.5))

    both = own.with_child_usage(Usage(total_tokens=2, cost_usd=0.25, model_calls=3, tool_calls=4))

    assert both.usage == Usage(total_tokens=3, cost_usd=0.75, model_calls=4, tool_calls=4)

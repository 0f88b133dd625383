"""What each condition holds for, says, and refuses."""

import math
from collections.abc import Callable

import pytest

from weft.core import Budget, JsonObject
from weft.core.errors import ConditionFailedError, ConfigError
from weft.termination import (
    BudgetExhausted,
    Condition,
    ConfidenceMet,
    CustomCondition,
    DeadlineReached,
    EndedCall,
    MaxIterations,
    NoToolCalls,
    Progress,
    TextMention,
    TimeLimit,
    TokenLimit,
    ToolCalled,
)


def stops(condition: Condition, now: Progress) -> list[str]:
    return sorted(reason.stop for reason in condition.reasons(now))


def call(name: str, arguments: JsonObject | None = None, *, ok: bool = True) -> Progress:
    return Progress(calls=(EndedCall.of(name, arguments or {}, ok=ok),))


@pytest.mark.parametrize(
    ("condition", "before", "after", "stop"),
    [
        (MaxIterations(3), Progress(iteration=2), Progress(iteration=3), "max_iterations"),
        (TokenLimit(3), Progress(tokens=2), Progress(tokens=3), "token_budget"),
        (TimeLimit(3), Progress(seconds=2.9), Progress(seconds=3), "time_budget"),
        (ConfidenceMet(0.5), Progress(confidence=0.4), Progress(confidence=0.5), "confidence_met"),
        (NoToolCalls(), Progress(last_had_calls=True), Progress(last_had_calls=False), "no_tools"),
        (NoToolCalls(), Progress(), Progress(last_had_calls=False), "no_tools"),
        (DeadlineReached(), Progress(), Progress(remaining_seconds=0), "deadline"),
        (DeadlineReached(), Progress(remaining_seconds=1), Progress(remaining_seconds=-1), "deadline"),
        (TextMention("ok"), Progress(last_text="no"), Progress(last_text="all OK."), "condition"),
    ],
)  # fmt: skip
def test_a_condition_holds_from_its_threshold_on(
    condition: Condition, before: Progress, after: Progress, stop: str
) -> None:
    assert stops(condition, before) == []
    assert stops(condition, after) == [stop]


@pytest.mark.parametrize(
    ("left", "expected"),
    [
        (Budget(), []),
        (Budget(tokens=1, cost_usd=0.1), []),
        (Budget(tokens=0), ["token_budget"]),
        (Budget(cost_usd=0), ["cost_budget"]),
        (Budget(tokens=0, cost_usd=0), ["cost_budget", "token_budget"]),
        (Budget(calls=0), ["token_budget"]),
    ],
)
def test_an_exhausted_dimension_names_its_own_stop_reason(
    left: Budget, expected: list[str]
) -> None:
    assert stops(BudgetExhausted(), Progress(remaining_budget=left)) == expected


@pytest.mark.parametrize(
    ("args", "made", "holds"),
    [
        (None, {"a": 1}, True),
        ({"a": 1}, {"a": 1.0, "b": 2}, True),
        ({"a": 1}, {"a": True}, False),
        ({"a": 1}, {"b": 1}, False),
        ({"a": None}, {}, False),
        ({"a": {"x": 1}}, {"a": {"x": 1, "y": 2}}, True),
        ({"a": [1]}, {"a": [1, 2]}, False),
    ],
)
def test_tool_arguments_match_as_a_subset(
    args: JsonObject | None, made: JsonObject, *, holds: bool
) -> None:
    assert stops(ToolCalled("t", args), call("t", made)) == (["terminal_tool"] if holds else [])
    assert stops(ToolCalled("t", args), call("other", made)) == []


def test_a_failed_call_counts_unless_success_is_required() -> None:
    assert stops(ToolCalled("t"), call("t", ok=False)) == ["terminal_tool"]
    assert stops(ToolCalled("t", require_success=True), call("t", ok=False)) == []
    assert stops(ToolCalled("t", require_success=True), call("t")) == ["terminal_tool"]


def test_the_arguments_of_a_condition_cannot_be_changed() -> None:
    given: JsonObject = {"a": 1}
    condition = ToolCalled("t", given)

    given["a"] = 2

    assert condition == ToolCalled("t", {"a": 1})
    with pytest.raises(TypeError):
        condition.args["a"] = 2  # type: ignore[index]


@pytest.mark.requirement("TERM-9")
@pytest.mark.parametrize(
    ("condition", "text", "holds"),
    [
        (TextMention("done"), "It was abandoned", False),
        (TextMention("done"), "It is Done.", True),
        (TextMention("done", case_sensitive=True), "It is Done.", False),
        (TextMention("all done"), "we are all done!", True),
        (TextMention("C++"[:1] + r"\+\+"), "written in c++", True),
        (TextMention(r"\d{3}"), "code 4042", True),
        (TextMention("done|finished"), "refinished", True),
        (TextMention("done!"), "done!", True),
    ],
)
def test_a_pattern_is_a_regular_expression_and_plain_words_match_whole(
    condition: TextMention, text: str, *, holds: bool
) -> None:
    assert bool(condition.reasons(Progress(last_text=text))) is holds


@pytest.mark.requirement("TERM-9")
def test_an_invalid_pattern_is_refused_at_construction() -> None:
    with pytest.raises(ConfigError, match=r"'\(' is invalid"):
        TextMention("(")


@pytest.mark.requirement("TERM-14")
@pytest.mark.parametrize(
    "make",
    [
        lambda: MaxIterations(0),
        lambda: MaxIterations(-1),
        lambda: MaxIterations(n=True),
        lambda: MaxIterations(1.5),  # type: ignore[arg-type]
        lambda: TokenLimit(-1),
        lambda: TimeLimit(-0.1),
        lambda: TimeLimit(math.nan),
        lambda: TimeLimit(math.inf),
        lambda: ConfidenceMet(1.1),
        lambda: ConfidenceMet(-0.1),
        lambda: ConfidenceMet("high"),  # type: ignore[arg-type]
        lambda: ToolCalled(""),
        lambda: ToolCalled("t", {"a": math.nan}),
        lambda: TextMention(""),
    ],
)
def test_impossible_values_are_refused(make: Callable[[], Condition]) -> None:
    with pytest.raises(ConfigError):
        make()


@pytest.mark.requirement("TERM-4")
def test_the_explanation_names_what_holds_in_written_order_with_measured_values() -> None:
    wanted = (ToolCalled("submit_po") & ConfidenceMet(0.9)) | TokenLimit(10) | MaxIterations(3)
    now = Progress(confidence=0.92, calls=call("submit_po").calls, iteration=4)

    found = wanted.reasons(now)

    assert wanted.explain(found) == (
        "ToolCalled('submit_po') and ConfidenceMet(0.92); MaxIterations(4)"
    )


@pytest.mark.requirement("TERM-4")
def test_alternatives_inside_a_conjunction_stand_in_brackets() -> None:
    wanted = (MaxIterations(1) | TokenLimit(5)) & ~TextMention("no")
    now = Progress(iteration=2, tokens=9)

    assert wanted.explain(wanted.reasons(now)) == (
        "(MaxIterations(2); TokenLimit(9)) and ~TextMention('no')"
    )


def test_a_custom_condition_may_give_its_reason() -> None:
    def cheap(now: Progress) -> tuple[bool, str]:
        return now.cost_usd < 1, "under a dollar"

    condition = CustomCondition(cheap)
    found = condition.reasons(Progress())

    assert stops(condition, Progress()) == ["condition"]
    assert condition.explain(found) == "CustomCondition('cheap: under a dollar')"


def test_a_custom_condition_that_raises_is_a_typed_error() -> None:
    def broken(_: Progress) -> bool:
        raise KeyError("secret")

    with pytest.raises(ConditionFailedError, match="'broken' raised KeyError") as caught:
        CustomCondition(broken).reasons(Progress())

    assert "secret" not in str(caught.value)
    assert caught.value.code == "condition_failed"


def test_a_coroutine_function_is_no_condition() -> None:
    async def later(_: Progress) -> bool:
        return True

    with pytest.raises(ConfigError, match="plain function"):
        CustomCondition(later)  # type: ignore[arg-type]

"""The laws of the termination algebra."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

import weft.termination
from weft.core import Budget
from weft.core.errors import ConfigError
from weft.termination import (
    STOP_ORDER,
    And,
    BudgetExhausted,
    Condition,
    ConfidenceMet,
    CustomCondition,
    DeadlineReached,
    EndedCall,
    Functions,
    MaxIterations,
    Not,
    NoToolCalls,
    Or,
    Progress,
    StopCause,
    TextMention,
    TimeLimit,
    TokenLimit,
    ToolCalled,
    next_wakeup,
    stop_reason,
)


def many_tokens(now: Progress) -> tuple[bool, str]:
    return now.tokens > 5, "many"


def is_long(now: Progress) -> bool:
    return len(now.last_text) > 3


FUNCTIONS: Functions = {"many_tokens": many_tokens, "is_long": is_long, "renamed": is_long}

small = st.integers(0, 10)
names = st.sampled_from(["search", "submit"])
arguments = st.dictionaries(st.sampled_from("ab"), st.sampled_from([1, 1.0, True, "x", None]))
leaves = st.one_of(
    st.builds(MaxIterations, st.integers(1, 10)),
    st.builds(TokenLimit, small),
    st.builds(TimeLimit, small),
    st.builds(TextMention, st.sampled_from(["done", "all done", "d.*e"]), st.booleans()),
    st.builds(ToolCalled, names, st.none() | arguments, st.booleans()),
    st.builds(ConfidenceMet, st.sampled_from([0.0, 0.5, 1.0])),
    st.just(NoToolCalls()),
    st.just(BudgetExhausted()),
    st.just(DeadlineReached()),
    st.sampled_from([CustomCondition(many_tokens), CustomCondition(is_long)]),
)
conditions = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a | b, inner, inner),
        st.builds(lambda a, b: a & b, inner, inner),
        st.builds(lambda a: ~a, inner),
    ),
    max_leaves=6,
)
progresses = st.builds(
    Progress,
    iteration=small,
    seconds=st.floats(0, 10),
    remaining_seconds=st.none() | st.floats(-5, 5),
    tokens=small,
    confidence=st.floats(0, 1),
    last_text=st.sampled_from(["", "Done", "abandoned", "all done now"]),
    last_had_calls=st.none() | st.booleans(),
    calls=st.lists(
        st.builds(lambda n, a, ok: EndedCall.of(n, a, ok=ok), names, arguments, st.booleans()),
        max_size=3,
    ).map(tuple),
    remaining_budget=st.builds(Budget, tokens=st.none() | small, cost_usd=st.none() | small),
)


@pytest.mark.requirement("TERM-1")
@given(conditions, progresses, progresses)
def test_equal_progress_gives_equal_answers_whatever_was_asked_before(
    c: Condition, now: Progress, other: Progress
) -> None:
    first = c.reasons(now)

    c.reasons(other)

    assert c.reasons(now) == first


@pytest.mark.requirement("TERM-2")
@given(conditions, conditions, progresses)
def test_a_junction_returns_the_reasons_of_all_its_sides(
    a: Condition, b: Condition, now: Progress
) -> None:
    left, right = a.reasons(now), b.reasons(now)

    assert (a | b).reasons(now) == left | right
    assert (a & b).reasons(now) == (left | right if left and right else frozenset())


@pytest.mark.requirement("TERM-2")
@pytest.mark.parametrize("answer", [True, False])
def test_both_sides_are_always_evaluated(answer: bool) -> None:  # noqa: FBT001
    asked: list[str] = []

    def left(_: Progress) -> bool:
        asked.append("left")
        return answer

    def right(_: Progress) -> bool:
        asked.append("right")
        return answer

    (CustomCondition(left) | CustomCondition(right)).reasons(Progress())
    (CustomCondition(left) & CustomCondition(right)).reasons(Progress())

    assert asked == ["left", "right"] * 2


@pytest.mark.requirement("TERM-3")
@given(conditions, conditions, progresses)
def test_operand_order_changes_nothing(a: Condition, b: Condition, now: Progress) -> None:
    assert (a | b).reasons(now) == (b | a).reasons(now)
    assert (a & b).reasons(now) == (b & a).reasons(now)


@pytest.mark.requirement("TERM-3")
@given(conditions, conditions, conditions, progresses)
def test_grouping_changes_nothing(a: Condition, b: Condition, c: Condition, now: Progress) -> None:
    assert ((a | b) | c).reasons(now) == (a | (b | c)).reasons(now)
    assert ((a & b) & c).reasons(now) == (a & (b & c)).reasons(now)


@pytest.mark.requirement("TERM-3")
@given(conditions, conditions, progresses)
def test_de_morgan_holds_for_verdicts(a: Condition, b: Condition, now: Progress) -> None:
    assert bool((~(a & b)).reasons(now)) == bool((~a | ~b).reasons(now))
    assert bool((~(a | b)).reasons(now)) == bool((~a & ~b).reasons(now))


@pytest.mark.requirement("TERM-3")
@given(conditions, progresses)
def test_negating_twice_changes_nothing(a: Condition, now: Progress) -> None:
    assert ~~a == a
    assert bool((~a).reasons(now)) != bool(a.reasons(now))


@pytest.mark.requirement("TERM-5")
@given(conditions, conditions, conditions)
def test_equality_and_hash_ignore_order_grouping_and_duplicates(
    a: Condition, b: Condition, c: Condition
) -> None:
    for one, other in [
        (a | b, b | a),
        ((a | b) | c, a | (b | c)),
        (a | b | a, b | a),
        (a & b, b & a),
        ((a & b) & c, a & (c & b)),
        (a & a, a),
        (a | a, a),
    ]:
        assert one == other
        assert hash(one) == hash(other)


@pytest.mark.requirement("TERM-5")
def test_conditions_that_differ_are_not_equal() -> None:
    a, b = MaxIterations(1), TokenLimit(1)

    assert a | b != a & b
    assert ~a != a
    assert ToolCalled("t", {"x": 1}) != ToolCalled("t", {"x": True})
    assert ToolCalled("t", {"x": 1}) == ToolCalled("t", {"x": 1.0})


@pytest.mark.requirement("TERM-6")
@given(conditions)
def test_the_repr_rebuilds_the_condition(c: Condition) -> None:
    assert eval(repr(c), {**vars(weft.termination), **FUNCTIONS}) == c  # noqa: S307


@pytest.mark.requirement("TERM-7")
@given(conditions)
def test_json_rebuilds_the_condition(c: Condition) -> None:
    assert Condition.from_json(c.to_json(), FUNCTIONS) == c


@pytest.mark.requirement("TERM-7")
def test_a_custom_condition_is_stored_by_name_and_loaded_from_given_functions_only() -> None:
    stored = CustomCondition(is_long, name="renamed").to_json()

    assert stored == {"kind": "custom", "name": "renamed"}
    with pytest.raises(ConfigError, match=r"\$\.name: no function 'renamed'"):
        Condition.from_json(stored, {"is_long": is_long})


@pytest.mark.requirement("TERM-7")
@pytest.mark.parametrize(
    ("stored", "told"),
    [
        ({"kind": "or", "of": [{"kind": "nope"}]}, r"\$\.of\[0\]\.kind: unknown condition 'nope'"),
        ({"kind": "not", "of": {"kind": "max_iterations", "m": 1}}, r"\$\.of\.m: unknown field"),
        ({"kind": "max_iterations", "n": 0}, r"^\$: MaxIterations needs"),
        ({"kind": "max_iterations"}, r"^\$: .*missing"),
        ({"kind": "and", "of": [{"kind": "token_limit", "n": -1}]}, r"^\$\.of\[0\]: TokenLimit"),
        ({"kind": "or", "of": []}, r"\$\.of: expected a list"),
        ("max_iterations", r"^\$: expected an object"),
    ],
)
def test_what_cannot_be_loaded_is_refused_with_its_path(stored: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        Condition.from_json(stored)  # type: ignore[arg-type]


@pytest.mark.requirement("TERM-8")
def test_a_condition_is_not_a_boolean() -> None:
    with pytest.raises(TypeError, match=r"&.*\|.*~"):
        bool(MaxIterations(1))


def test_joining_with_anything_else_is_a_type_error() -> None:
    with pytest.raises(TypeError):
        MaxIterations(1) | True
    with pytest.raises(TypeError):
        MaxIterations(1) & 3


def test_a_junction_of_one_condition_and_a_double_negation_are_refused() -> None:
    for wrong in (
        lambda: Or(MaxIterations(1)),
        lambda: And(MaxIterations(1), MaxIterations(1)),
        lambda: Not(Not(MaxIterations(1))),
    ):
        with pytest.raises(ConfigError):
            wrong()


@given(conditions, progresses)
def test_a_wakeup_lies_ahead_and_every_time_threshold_has_one(c: Condition, now: Progress) -> None:
    wakeup = next_wakeup(c, now)
    left = now.remaining_seconds
    ahead = [
        leaf.limit - now.seconds if isinstance(leaf, TimeLimit) else left
        for leaf in c.leaves()
        if isinstance(leaf, TimeLimit) or (isinstance(leaf, DeadlineReached) and left is not None)
    ]

    assert wakeup == min(
        (delay for delay in ahead if delay is not None and delay > 0), default=None
    )


@pytest.mark.requirement("TERM-12")
@given(st.sets(st.sampled_from(STOP_ORDER), min_size=1))
def test_the_first_reason_in_the_fixed_order_counts(stops: set[str]) -> None:
    order = [
        "terminal_tool", "complete", "confidence_met", "condition", "no_tools", "tool_loop",
        "deadline", "time_budget", "cost_budget", "token_budget", "max_iterations",
    ]  # fmt: skip
    found = frozenset(StopCause(stop, NoToolCalls()) for stop in STOP_ORDER if stop in stops)

    assert stop_reason(found) == next(stop for stop in order if stop in stops)

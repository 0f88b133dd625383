"""What earlier runs say reorders what rules let through, and changes nothing else."""

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.libs.routing.frames import FOUR, RISKY, compiler, frame
from tests.libs.routing.test_compiler import frames
from weft.core import Tally
from weft.plan import Gate, Plan
from weft.routing import (
    BUILTINS,
    GoalFrame,
    GoalRequest,
    Level,
    PolicyGate,
    RoutingExplanation,
    TaskType,
)

NAMES = [protocol.id for protocol in BUILTINS]
tallies = st.builds(
    lambda runs, share: Tally(runs, min(runs, share)), st.integers(0, 60), st.integers(0, 60)
)
books = st.dictionaries(
    st.sampled_from(TaskType), st.dictionaries(st.sampled_from(NAMES), tallies), max_size=6
)
RESEARCH = frame("research", complexity="high")
"""Four protocols survive for it: specialist_fanout, debate, handoff_chain, direct_response."""


def explained(
    wanted: GoalFrame, book: dict[TaskType, dict[str, Tally]] | None, **gate: object
) -> RoutingExplanation:
    mesh = compiler(*FOUR, RISKY, policy=PolicyGate(**gate))  # type: ignore[arg-type]
    return mesh.explain(wanted, GoalRequest(goal="g", tallies=book))


def learned(**runs: tuple[int, int]) -> RoutingExplanation:
    book = {name: Tally(*counted) for name, counted in runs.items()}
    return explained(RESEARCH, {TaskType.RESEARCH: book})


def test_the_rank_is_worth_ten_runs_and_the_explanation_shows_the_sum() -> None:
    few = learned(debate=(4, 4), specialist_fanout=(4, 2))
    more = learned(debate=(20, 20), specialist_fanout=(4, 2))

    assert (few.parts[0].selected_protocol, few.parts[0].method) == ("specialist_fanout", "learned")
    assert (more.parts[0].selected_protocol, more.parts[0].method) == ("debate", "learned")
    assert [view.to_json() for view in more.learning or ()] == [
        {"goal": "research", "domain": "general", "protocol_id": name, "prior": prior,
         "runs": runs, "successes": successes, "score": score}
        for name, prior, runs, successes, score in (
            ("specialist_fanout", 0.9, 4, 2, 0.785714), ("debate", 0.7, 20, 20, 0.9),
            ("handoff_chain", 0.5, 0, 0, 0.5), ("direct_response", 0.3, 0, 0, 0.3),
        )
    ]  # fmt: skip


def test_equal_scores_leave_the_better_rank_in_front() -> None:
    # (9 + 5) / (10 + 10) is (7 + 7) / (10 + 10).
    shown = learned(specialist_fanout=(10, 5), debate=(10, 7))

    assert {view.score for view in (shown.learning or ())[:2]} == {0.7}
    assert shown.parts[0].selected_protocol == "specialist_fanout"


def test_a_book_without_records_leaves_everything_as_rules_have_it() -> None:
    empty, off = explained(RESEARCH, {}), explained(RESEARCH, None)

    assert (empty.parts[0].method, off.parts[0].method) == ("rule_based", "rule_based")
    assert [view.runs for view in empty.learning or ()] == [0, 0, 0, 0]
    assert off.learning is None
    assert (empty.plan, empty.parts) == (off.plan, off.parts)


def test_who_names_a_protocol_gets_it_whatever_came_of_it_before() -> None:
    book = {TaskType.RESEARCH: {"specialist_fanout": Tally(60, 60), "debate": Tally(60, 0)}}
    shown = compiler(*FOUR).explain(RESEARCH, GoalRequest(protocol="debate", tallies=book))

    assert (shown.parts[0].selected_protocol, shown.parts[0].method) == ("debate", "requested")
    assert shown.learning == ()


@settings(max_examples=150, deadline=None)
@given(frames, books, st.sampled_from(["low", "medium", "high"]))
def test_records_reorder_survivors_and_touch_neither_gates_nor_denials(
    wanted: GoalFrame, book: dict[TaskType, dict[str, Tally]], most: str
) -> None:
    gate = {"max_risk": Level(most)}

    rules = explained(wanted, None, **gate)
    shown = explained(wanted, book, **gate)

    assert (rules.error or {}).get("code") == (shown.error or {}).get("code")
    for before, after in zip(rules.parts, shown.parts, strict=True):
        assert before.candidates == after.candidates
        assert before.rejected == after.rejected
        assert before.policy == after.policy
        if len(before.candidates) < 2:
            assert before.selected_protocol == after.selected_protocol
        else:
            assert after.selected_protocol in {one.protocol_id for one in before.candidates}
    # A protocol of its own gate keeps it; what policy asks for is asked whichever is chosen.
    asked = [part.policy.reason for part in rules.parts if part.policy and part.policy.reason]
    if shown.plan is not None:
        assert all(any(reason in words for words in _reasons(shown)) for reason in asked)


def _reasons(shown: RoutingExplanation) -> list[str]:
    nodes = Plan.from_json(shown.plan or {}).nodes()
    return ["; ".join(node.reasons) for _, node in nodes if isinstance(node, Gate)]


@given(books)
def test_more_successes_of_one_never_make_it_lose(book: dict[TaskType, dict[str, Tally]]) -> None:
    before = dict(book.get(TaskType.RESEARCH, {}))
    winner = explained(RESEARCH, {TaskType.RESEARCH: before}).parts[0].selected_protocol or ""
    tally = before.get(winner, Tally())
    after = {**before, winner: Tally(tally.runs + 1, tally.successes + 1)}

    again = explained(RESEARCH, {TaskType.RESEARCH: after})

    assert again.parts[0].selected_protocol == winner

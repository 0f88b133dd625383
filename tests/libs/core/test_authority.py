from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.libs.core.authorities import BUDGETS, SCOPES, SERVICES, authorities, deadlines
from weft.core import MAX_DEPTH, Authority, Budget, Clock, Deadline, Principal, Usage
from weft.core.errors import DepthExceededError

NOW = 1000.0


class Still(Clock):
    """A clock that stands."""

    def now(self) -> float:
        return NOW

    def monotonic(self) -> float:
        return NOW


USAGES = st.builds(
    Usage, total_tokens=st.integers(0, 10**6), cost_usd=st.none() | st.floats(0, 100)
)


def crossed(authority: Authority, service: str) -> Authority:
    return authority if authority.depth >= MAX_DEPTH else authority.crossed(service)


Step = Callable[[Authority], Authority]
STEPS: st.SearchStrategy[Step] = st.one_of(
    st.builds(lambda budget: lambda held: held.narrowed(budget=budget), BUDGETS),
    st.builds(lambda deadline: lambda held: held.narrowed(deadline=deadline), deadlines(NOW)),
    st.builds(lambda scopes: lambda held: held.narrowed(scopes=scopes), SCOPES),
    st.builds(
        lambda usage, calls: lambda held: held.spent(usage, calls=calls), USAGES, st.integers(0, 9)
    ),
    st.builds(lambda service: lambda held: crossed(held, service), SERVICES),
    st.just(lambda held: held.begun(Still())),
    st.just(Authority.for_call),
)


@pytest.mark.requirement("A2A-65")
@given(authorities(NOW), st.lists(STEPS, max_size=6))
def test_whatever_is_done_with_an_authority_it_never_grows(
    held: Authority, steps: list[Step]
) -> None:
    passed = held
    for step in steps:
        before, passed = passed, step(passed)

        assert before.covers(passed, Still())
    assert held.covers(passed, Still())
    assert passed.trace == held.trace


@given(authorities(NOW), authorities(NOW))
def test_two_that_cover_each_other_allow_the_same(one: Authority, other: Authority) -> None:
    if one.covers(other, Still()) and other.covers(one, Still()):
        assert one.remaining(Still()) == other.remaining(Still())
        assert (one.depth, one.act, one.root_id) == (other.depth, other.act, other.root_id)
    assert one.covers(one)


@given(authorities(NOW), BUDGETS, BUDGETS)
def test_limits_may_come_in_any_order_and_any_number_of_times(
    held: Authority, first: Budget, second: Budget
) -> None:
    both = held.narrowed(budget=first).narrowed(budget=second)

    assert both == held.narrowed(budget=second).narrowed(budget=first)
    assert both == both.narrowed(budget=first)


def test_no_limit_is_more_than_any_and_nothing_left_less_than_all() -> None:
    spent = Authority(budget=Budget(tokens=0))

    assert Authority().covers(spent)
    assert not spent.covers(Authority())
    assert spent.narrowed(budget=Budget(tokens=5)).budget.tokens == 0
    assert not Authority(deadline=Deadline(1)).covers(Authority())
    assert not Authority(root_id="a").covers(Authority(root_id="b"))
    assert not Authority(act=("a",)).covers(Authority(act=("b",)))


def test_the_right_to_call_every_agent_covers_the_right_to_call_one() -> None:
    every, one = (
        Authority(Principal(tenant="t", subject="s", scopes=frozenset({scope})))
        for scope in ("agents:*", "agents:logs")
    )

    assert every.covers(one)
    assert not one.covers(every)
    assert every.narrowed(scopes=frozenset({"agents:logs", "admin"})) == one
    assert one.narrowed(scopes=frozenset({"agents:*"})) == one
    assert not one.covers(Authority(Principal(tenant="u", subject="s")))


def test_the_eighth_service_in_a_row_passes_nothing_on() -> None:
    held = Authority(depth=MAX_DEPTH - 1).crossed("router")

    assert (held.depth, held.act) == (MAX_DEPTH, ("router",))
    with pytest.raises(DepthExceededError):
        held.crossed("logs")


def test_the_time_left_is_the_least_of_deadline_and_budget() -> None:
    held = Authority(budget=Budget(seconds=5), deadline=Deadline(NOW + 9))

    assert held.remaining(Still()) == 5
    assert held.begun(Still()).deadline == Deadline(NOW + 5)
    assert Authority().remaining(Still()) is None


@given(authorities(NOW))
def test_what_is_written_down_is_read_back(held: Authority) -> None:
    other = Authority(held.principal, deadline=held.deadline, root_id=held.root_id)

    assert other.with_terms(held.terms()) == held


def test_what_a_newer_version_wrote_is_read_as_far_as_it_is_known() -> None:
    read = Authority().with_terms({"budget": {"tokens": 5, "joules": 1}, "ring": 7})

    assert read.budget == Budget(tokens=5)

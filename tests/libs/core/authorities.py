"""Authorities of every kind, for properties."""

from hypothesis import strategies as st

from weft.core import Authority, Budget, Deadline, Principal, TraceContext

SCOPES = st.frozensets(st.sampled_from(["runs:read", "agents:*", "agents:x", "admin", "new"]))
PRINCIPALS = st.builds(
    Principal, tenant=st.just("t"), subject=st.sampled_from(["alice", "bob"]), scopes=SCOPES
)
BUDGETS = st.builds(
    Budget,
    tokens=st.none() | st.integers(0, 10**9),
    cost_usd=st.none() | st.floats(0, 1e6),
    calls=st.none() | st.integers(0, 100),
    seconds=st.none() | st.floats(0.06, 3600),
    hops=st.none() | st.integers(0, 8),
)
SERVICES = st.sampled_from(["router", "logs", "metrics"])


def deadlines(now: float, *, least: float = 0.0) -> st.SearchStrategy[Deadline]:
    return st.builds(lambda seconds: Deadline(now + seconds), st.floats(least, 3600))


def authorities(now: float = 0.0, *, deepest: int = 8) -> st.SearchStrategy[Authority]:
    """Authorities with at least 60 ms left at `now`."""
    return st.builds(
        Authority,
        principal=PRINCIPALS,
        budget=BUDGETS,
        deadline=st.none() | deadlines(now, least=0.06),
        act=st.lists(SERVICES, max_size=3).map(tuple),
        depth=st.integers(0, deepest),
        trace=st.none() | st.builds(TraceContext.begun),
        root_id=st.sampled_from(["", "a" * 32]),
    )

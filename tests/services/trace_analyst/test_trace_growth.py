"""Reading traces takes time in proportion to their spans."""

import time
from collections.abc import Callable
from functools import partial

import pytest

from incidents.traces import Span
from incidents.windows import Split
from services.trace_analyst.analysis import findings
from services.trace_analyst.trees import self_time, trees

FACTOR = 9


def span(at: int, parent: str, *, start: float, length: float = 0.5) -> Span:
    return Span("t", f"s{at}", parent, "shop", f"op{at % 7}", start, start + length, False, "f", at)  # noqa: FBT003


def siblings(n: int) -> list[Span]:
    """One request with `n` children beside each other."""
    return [span(0, "", start=0, length=n)] + [
        span(at, "s0", start=at * 0.1, length=0.3) for at in range(1, n)
    ]


def deep(n: int) -> list[Span]:
    """Requests in each of which every span calls the next."""
    return [
        span(at, "" if at % 200 == 0 else f"s{at - 1}", start=at * 0.1, length=200 - at % 200)
        for at in range(n)
    ]


def single(n: int) -> list[Span]:
    return [
        Span(f"t{at}", f"s{at}", "", "shop", "op", at * 0.1, at * 0.1 + 0.05, False, "f", at)  # noqa: FBT003
        for at in range(n)
    ]


def seconds(work: Callable[[], object]) -> float:
    """Return the CPU time of the quickest of three runs: others use this machine too."""
    spent = []
    for _ in range(3):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


def analyzed(spans: list[Span]) -> object:
    return findings(Split(spans[: len(spans) // 2], spans, None, [], 1.0))


def self_times(spans: list[Span]) -> object:
    return [self_time(node) for node in trees(spans)]


@pytest.mark.timeout(120)
@pytest.mark.parametrize("trace", [siblings, deep, single])
def test_four_times_the_spans_take_about_four_times_as_long(
    trace: Callable[[int], list[Span]],
) -> None:
    small, large = trace(3000), trace(12000)

    took = seconds(partial(analyzed, small))
    assert seconds(partial(analyzed, large)) < FACTOR * took + 0.05


@pytest.mark.timeout(120)
def test_the_self_time_of_many_siblings_grows_with_their_number() -> None:
    took = seconds(partial(self_times, siblings(8000)))

    assert seconds(partial(self_times, siblings(32000))) < FACTOR * took

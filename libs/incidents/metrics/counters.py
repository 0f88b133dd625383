"""Counters: how they are told from levels, and how fast they count."""

import re
from array import array
from collections.abc import Iterable
from itertools import pairwise
from statistics import median

from incidents.metrics.series import doubles

Samples = tuple["array[float]", "array[float]"]
"""Times and values of one series, in the order of time."""
SUFFIX = "_total"
_LEVEL = re.compile(
    r"percent|ratio|utili[sz]ation|usage|used|free|avail|size|limit|capacity|quota|memory|heap"
    r"|lag|queue|pending|waiting|backlog|depth|temperature|latency|duration|p\d\d|quantile|age"
    r"|timestamp|active|current|in_?flight|load|replicas",
    re.IGNORECASE,
)
"""What is called so may well go up for long, and is no counter for that."""
_STEPS = 10
_GROWING = 0.5
"""Of the steps of a counter that nobody calls one, so many go up, in normal times as well."""
_RESET = 0.1
"""A counter that begins anew stands far below where it was."""
_FALLING = 0.02
_GAP = 10.0
"""Over a pause of so many times the usual, what was counted says nothing of any moment."""


def counts_up(recordings: Iterable[Iterable[Samples]], name: str) -> bool:
    """Tell whether series of one name, that nobody calls a counter, do nothing but count.

    They do if they grow in most of their steps and fall only to begin anew, in each recording.
    """
    if _LEVEL.search(name):
        return False
    some = False
    for recording in recordings:
        steps = ups = 0
        for times_values in recording:
            for earlier, later in pairwise(times_values[1]):
                if later < earlier and later > _RESET * earlier:
                    return False
                steps += 1
                ups += later > earlier
        if steps >= _STEPS:
            some = True
            if ups < _GROWING * steps:
                return False
    return some


def is_level(recordings: Iterable[Iterable[Samples]]) -> bool:
    """Tell whether series that are called counters fall too often to be any."""
    steps = falls = 0
    for recording in recordings:
        for times_values in recording:
            for earlier, later in pairwise(times_values[1]):
                steps += 1
                falls += later < earlier and later > _RESET * earlier
    return falls > max(1, _FALLING * steps)


def usual_step(times: "array[float]") -> float:
    """Return how far a series' samples usually stand apart; 0 if there is no second one."""
    return median(later - earlier for earlier, later in pairwise(times)) if len(times) > 1 else 0.0


def rates(samples: Samples) -> Samples:
    """Return what was counted in each second up to each sample but the first.

    A counter that falls was reset: it counted at least what it shows now.
    """
    longest = _GAP * usual_step(samples[0])
    times, values = doubles(), doubles()
    for (begin, earlier), (end, later) in pairwise(zip(*samples, strict=True)):
        seconds = end - begin
        if 0 < seconds <= longest:
            times.append(end)
            values.append((later - earlier if later >= earlier else later) / seconds)
    return times, values

"""Samples of one metric of one service."""

from array import array
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise


def doubles() -> "array[float]":
    return array("d")


@dataclass(frozen=True, slots=True)
class Series:
    """Samples of one metric of one service, in time order; never NaN or infinite."""

    service: str
    metric: str
    files: list[str] = field(default_factory=list)
    times: "array[float]" = field(default_factory=doubles)
    values: "array[float]" = field(default_factory=doubles)

    def between(self, start: float, end: float) -> "array[float]":
        """Return the values with `start` <= time < `end`."""
        return self.values[bisect_left(self.times, start) : bisect_left(self.times, end)]


Table = Mapping[tuple[str, str], Series]
"""Series by service and metric."""


def in_order(
    times: "array[float]", values: "array[float]", *, copies: bool = True
) -> "tuple[array[float], array[float]]":
    """Return samples in the order of their times; without `copies`, equal ones once."""
    order = sorted(range(len(times)), key=values.__getitem__)
    order.sort(key=times.__getitem__)
    if not copies:
        again = {
            here
            for before, here in pairwise(order)
            if (times[before], values[before]) == (times[here], values[here])
        }
        order = [at for at in order if at not in again]
    return array("d", (times[at] for at in order)), array("d", (values[at] for at in order))

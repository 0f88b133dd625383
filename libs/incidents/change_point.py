"""When recorded data changed: one step that measurements take, seen over what they do by chance; pure.

What drifts, wanders or only spikes makes no step. Whoever finds nothing that is clear has nothing to divide by.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from incidents.windows import ChangePoint

__all__ = ["Indicator", "change_point"]

LEAST_BEFORE, LEAST_SINCE = 6, 4
"""So many moments must be measured on either side."""
_CLEAR = 6.0
"""Nats by which the clearest sign must be likelier than chance; of others, half."""
_MOST_GAIN = 20.0
_SPREADS = 4.0
"""A step goes so many spreads of what was before."""
_MOSTLY = 0.7
"""Such a part of what follows lies beyond all but a tenth of what was before."""
_LED = 0.5
"""What drifts there anyway makes less than such a part of a step."""
_FIRST, _AT_ONCE = 3, 0.5
"""Within so many moments such a part of a step is taken."""
_HOLE = 3.0
"""So many times as long as between most moments nothing was recorded."""
_ACCURACY = 1e-3
_NEAR = 3.0
"""Signs within so many of their own intervals are of one change."""
_DOMINANT = 1.5
_DEVIATION, _TENTH = 1.4826, 1.2816
"""Turn a median absolute deviation, and the distance of the upper tenth, into a standard deviation."""


@dataclass(frozen=True, slots=True)
class Indicator:
    """One thing that was measured, at intervals of one length; moments without any are left out."""

    source: str
    service: str
    what: str
    times: Sequence[float]
    """When each interval begins."""
    values: Sequence[float]
    step: float
    """How long an interval is."""
    floor: float
    """A difference that does not matter, in the values' own unit."""
    way: int = 0
    """1 where only a rise does harm, -1 where only a fall does."""
    is_harm: bool = True
    """It shows harm by itself: of others, two must agree."""


@dataclass(frozen=True, slots=True)
class _Sign:
    at: float
    gain: float
    of: Indicator


def change_point(indicators: Iterable[Indicator]) -> ChangePoint | None:
    """Return the one moment from which on things are not as before; None where none is clear."""
    measured = [one for one in indicators if len(one.values) >= LEAST_BEFORE + LEAST_SINCE]
    signs = [sign for one in measured if (sign := _sign(one, len(measured))) is not None]
    if not signs:
        return None
    order = sorted(signs, key=lambda sign: (-sign.gain, sign.at, sign.of.source, sign.of.what))
    groups: list[list[_Sign]] = []
    for sign in order:
        home = next((group for group in groups if _are_near(group[0], sign)), None)
        if home is None:
            groups.append([sign])
        else:
            home.append(sign)
    best, *others = sorted(groups, key=_support, reverse=True)
    clear = best[0].gain >= _CLEAR and _shows_harm(best)
    if not clear or any(_support(best) < _DOMINANT * _support(other) for other in others):
        return None
    first = min((sign for sign in best if 2 * sign.gain >= best[0].gain), key=lambda sign: sign.at)
    shown = f"{best[0].of.source}: {best[0].of.what}"
    return ChangePoint(at=first.at, margin=first.of.step, shown_by=shown)


def _are_near(one: _Sign, other: _Sign) -> bool:
    return abs(one.at - other.at) <= _NEAR * max(one.of.step, other.of.step)


def _support(group: Sequence[_Sign]) -> float:
    """Return what signs of different things say together: many of one thing are one."""
    best: dict[tuple[str, str], float] = {}
    for sign in group:
        key = sign.of.source, sign.of.service
        best[key] = max(best.get(key, 0.0), min(sign.gain, _MOST_GAIN))
    return sum(best.values())


def _shows_harm(group: Sequence[_Sign]) -> bool:
    if any(sign.of.is_harm for sign in group):
        return True
    # Metrics alone say so where two do, each as clearly as a harm of two.
    clear = [sign for sign in group if sign.gain >= 2 * _CLEAR]
    return len({sign.of.what for sign in clear}) > 1


def _sign(one: Indicator, compared: int) -> _Sign | None:
    """Return the clearest step of one measurement, if it is one."""
    heights = _heights(one)
    count = len(heights)
    total = sum(height * height for height in heights)
    if total <= 0:
        return None
    begin, end, explained = _steepest(heights)
    if _drifts(heights, begin, end) or not (
        _matters(one, begin, end) and _is_abrupt(one, begin, end)
    ):
        return None
    rest = max(total - explained, total * _ACCURACY)
    follows = _following(heights, begin, end)
    gain = count / 2 * math.log(total / rest) * (1 - follows) / (1 + follows)
    gain -= math.log(count * count * compared)
    return _Sign(one.times[begin], gain, one) if 2 * gain >= _CLEAR else None


def _heights(one: Indicator) -> list[float]:
    """Return the values about their mean, in steps of what one usually differs from the next by.

    Far ones count by their logarithm: a lone one is no stretch.
    """
    noise = _DEVIATION * median(abs(after - before) for before, after in pairwise(one.values))
    scale = max(noise / math.sqrt(2), one.floor)
    middle = median(one.values)
    heights = [math.asinh((value - middle) / scale) for value in one.values]
    mean = sum(heights) / len(heights)
    return [height - mean for height in heights]


def _is_abrupt(one: Indicator, begin: int, end: int) -> bool:
    """Tell whether most of the step is taken at once; what wanders takes its time.

    Across a hole in the recording nobody saw how it was taken.
    """
    usual = median(after - before for before, after in pairwise(one.times))
    if one.times[begin] - one.times[begin - 1] > _HOLE * usual:
        return False
    step = median(one.values[begin:end]) - median(one.values[:begin])
    at_once = median(one.values[begin : begin + _FIRST]) - median(
        one.values[begin - _FIRST : begin]
    )
    return at_once / step >= _AT_ONCE if step else False


def _drifts(heights: Sequence[float], begin: int, end: int) -> bool:
    """Tell whether what went on before the step leads to where it goes."""
    before = heights[:begin]
    apart = len(before) // 2
    slopes = [(after - first) / apart for first, after in zip(before, before[apart:], strict=False)]
    step = median(heights[begin:end]) - median(before)
    return abs(median(slopes)) * end / 2 >= _LED * abs(step) and median(slopes) * step > 0


def _steepest(heights: Sequence[float]) -> tuple[int, int, float]:
    """Return where the stretch begins and ends that differs most from all else, and how much."""
    sums = [0.0]
    for height in heights:
        sums.append(sums[-1] + height)
    count = len(heights)
    best = (LEAST_BEFORE, count, -1.0)
    for begin in range(LEAST_BEFORE, count - LEAST_SINCE + 1):
        for end in range(begin + LEAST_SINCE, count + 1):
            inside = end - begin
            within = sums[end] - sums[begin]
            # The heights sum to zero, so what is outside is as far on the other side.
            explained = within * within * (1 / inside + 1 / (count - inside))
            if explained > best[2]:
                best = (begin, end, explained)
    return best


def _following(heights: Sequence[float], begin: int, end: int) -> float:
    """Return how much each value follows the one before it, beside the step: such say less."""
    inside = heights[begin:end]
    outside = [*heights[:begin], *heights[end:]]
    rest = [*heights]
    for part, places in (
        (inside, range(begin, end)),
        (outside, [*range(begin), *range(end, len(heights))]),
    ):
        mean = sum(part) / len(part)
        for place in places:
            rest[place] -= mean
    whole = sum(value * value for value in rest)
    if not whole:
        return 0.0
    pairs = sum(one * other for one, other in pairwise(rest))
    return min(max(pairs / whole, 0.0), 0.95)


def _matters(one: Indicator, begin: int, end: int) -> bool:
    """Tell whether the step is far beyond what was before, for most of its time, and does harm."""
    before, since = sorted(one.values[:begin]), sorted(one.values[begin:end])
    usual = median(before)
    way = 1 if median(since) > usual else -1
    # Half of it at least is as far: two moments of four are no level.
    level = since[(len(since) - 1) // 2] if way > 0 else since[len(since) // 2]
    if one.way and way != one.way:
        return False
    tenth = before[-1 - len(before) // 10] if way > 0 else before[len(before) // 10]
    deviation = _DEVIATION * median(abs(value - usual) for value in before)
    spread = max(deviation, abs(tenth - usual) / _TENTH, one.floor)
    beyond = sum(way * (value - tenth) > 0 for value in since)
    return abs(level - usual) >= _SPREADS * spread and beyond >= _MOSTLY * len(since)

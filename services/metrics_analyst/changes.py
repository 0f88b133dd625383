"""How far each measurement is from its own past, in the steps in which that past itself strays.

A window of the incident is compared with windows of the same length of normal times, by the same
measure: so what usually happens within such a window is no change, whatever its distribution.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from incidents import Series
from services.metrics_analyst.windows import Cut
from weft.core import Window

NOTABLE = 3.0
"""So many spreads away is a departure; less is noise."""
_FEW = 3
_MOST_WINDOWS = 500
_DEVIATION = 1.4826
"""Turns a median absolute deviation into a standard deviation."""
_TAIL = 1.645
"""The 95th percentile of a normal distribution, in standard deviations."""
_RESOLUTION = 0.02
"""A change by less than this share of the value itself is within the accuracy of measuring."""
_FREEDOM = 3.0


@dataclass(frozen=True, slots=True)
class Change:
    """A metric beside its own past; `score` is in normal spreads, below 0 where it fell."""

    series: Series
    files: tuple[str, ...]
    normal_median: float
    normal_low: float
    normal_high: float
    normal_count: int
    typical: float
    """Median of the incident."""
    extreme: float
    count: int
    outside: float
    """Share of the incident's samples beyond everything usual."""
    usual: float
    """What at least half of such a window usually reaches; if it fell, stays below."""
    level: float
    """The same of the incident."""
    moved: float
    """How far it moved, both from its past and from right before the alert, whichever is less."""
    score: float
    window: Window

    @property
    def service(self) -> str:
        return self.series.service

    @property
    def metric(self) -> str:
        return self.series.metric

    @property
    def rose(self) -> bool:
        return self.score > 0

    @property
    def surprise(self) -> float:
        """How unlikely it is, in nats: tails are heavy, so a change ten times as far is not ten times."""
        return (_FREEDOM + 1) / 2 * math.log1p(self.score**2 / _FREEDOM)


Values = npt.NDArray[np.float64]


def changes(parts: Cut) -> list[Change]:
    """Compare every metric with its own past; one without any is left out."""
    found = []
    for key, series in parts.incident.items():
        past = parts.normal.get(key)
        if past is not None and len(past.values) >= _FEW and series.values:
            found.append(_compared(past, parts.lead.get(key), series))
    return found


def _compared(normal: Series, lead: Series | None, series: Series) -> Change:
    past, now = np.asarray(normal.values), np.asarray(series.values)
    before = np.asarray(lead.values) if lead is not None and lead.values else None
    rise = _move(past, before, now)
    fall = _move(-past, None if before is None else -before, -now)
    up = rise.score >= fall.score
    sign, move = (1, rise) if up else (-1, fall)
    low, high = (float(part) for part in np.quantile(past, (0.01, 0.99)))
    return Change(
        series=series,
        files=tuple(dict.fromkeys([*series.files, *normal.files])),
        normal_median=float(np.median(past)),
        normal_low=low,
        normal_high=high,
        normal_count=len(past),
        typical=float(np.median(now)),
        extreme=float(now.max() if up else now.min()),
        count=len(now),
        outside=float(((now > high) if up else (now < low)).mean()),
        usual=sign * move.usual,
        level=sign * move.level,
        moved=sign * move.moved,
        score=sign * move.score,
        window=Window(start=series.times[0], end=series.times[-1]),
    )


class _Move(NamedTuple):
    usual: float
    level: float
    moved: float
    score: float


def _move(past: Values, before: Values | None, now: Values) -> _Move:
    """Measure how far at least half of `now` rose."""
    level = float(_upper(now[None, :])[0])
    usual = _upper(_windows(past, len(now)))
    middle = float(np.median(usual))
    spread = _spread(usual, middle, level)
    moved = level - middle
    if before is not None:
        # What was so before the alert is not what the alert is about.
        shift = middle - float(np.median(past))
        moved = min(moved, level - (float(np.median(before)) + shift))
    return _Move(middle, level, max(moved, 0.0), max(moved, 0.0) / spread)


def _upper(windows: Values) -> Values:
    """Return what half of each window reaches at least: a lone spike among many does not count."""
    half = (windows.shape[1] + 1) // 2
    reached: Values = np.sort(windows, axis=1)[:, -half]
    return reached


def _windows(past: Values, length: int) -> Values:
    """Cut windows as long as the incident out of normal times; shorter ones of a short past."""
    length = max(1, min(length, len(past) // _FEW))
    windows = np.lib.stride_tricks.sliding_window_view(past, length)
    return windows[:: max(1, len(windows) // _MOST_WINDOWS)]


def _spread(usual: Values, middle: float, level: float) -> float:
    deviation = _DEVIATION * float(np.median(np.abs(usual - middle)))
    tail = (float(np.quantile(usual, 0.95)) - middle) / _TAIL
    return max(deviation, tail, _RESOLUTION * max(abs(middle), abs(level)), 1e-12)

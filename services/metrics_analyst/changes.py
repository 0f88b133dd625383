"""Which metrics of which services left their usual range, and stayed outside."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from incidents import Series
from weft.core import Window

_FEW = 3
_DEVIATION = 1.4826
"""Turns a median absolute deviation into a standard deviation."""
_NOTABLE = 4.0


@dataclass(frozen=True, slots=True)
class Change:
    """A metric that moved; `score` is in normal spreads, below 0 where it fell."""

    service: str
    metric: str
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
    score: float
    window: Window

    @property
    def rose(self) -> bool:
        return self.score > 0


Table = Mapping[tuple[str, str], Series]
Values = npt.NDArray[np.float64]


def changes(normal: Table, incident: Table) -> list[Change]:
    """Compare every metric with its own past; one without any is left out."""
    found = []
    for key, series in incident.items():
        past = normal.get(key)
        if past is None or len(past.values) < _FEW or not series.values:
            continue
        one = _compared(past, series)
        if abs(one.score) >= _NOTABLE:
            found.append(one)
    return found


def _compared(normal: Series, series: Series) -> Change:
    past, now = np.asarray(normal.values), np.asarray(series.values)
    middle = float(np.median(past))
    low, high = (float(each) for each in np.quantile(past, (0.01, 0.99)))
    spread = _spread(past, middle)
    above, below = now > high, now < low
    # About half of the samples must agree, so that a lone spike does not count as a change.
    lasting = float(np.quantile(now, 0.6 if above.sum() >= below.sum() else 0.4))
    outside = above if lasting >= middle else below
    return Change(
        service=series.service,
        metric=series.metric,
        files=tuple(dict.fromkeys([*series.files, *normal.files])),
        normal_median=middle,
        normal_low=low,
        normal_high=high,
        normal_count=len(past),
        typical=float(np.median(now)),
        extreme=float(now.max() if lasting >= middle else now.min()),
        count=len(now),
        outside=float(outside.mean()),
        score=(lasting - middle) / spread,
        window=Window(start=series.times[0], end=series.times[-1]),
    )


def _spread(past: Values, middle: float) -> float:
    """Be robust where most values are equal: then the rare ones tell how far it strays."""
    deviation = _DEVIATION * float(np.median(np.abs(past - middle)))
    high = float(np.quantile(past, 0.95)) - middle
    low = middle - float(np.quantile(past, 0.05))
    return max(deviation, high / 2, low / 2, 0.05 * abs(middle), 1e-9)

"""When two claims say the same, and when they cannot both be right."""

import math
from collections.abc import Iterable, Sequence
from decimal import Decimal

from pydantic import JsonValue

from weft.core import Claim
from weft.report.grounding import Made

TOLERANCE = 0.05
"""Numbers this close, relative to the larger one, are the same measurement."""


def agrees(first: Claim, second: Claim) -> bool:
    """Tell whether both hold at once and say the same."""
    return (
        first.polarity == second.polarity
        and _overlap(first, second)
        and _same_value(first.value, second.value)
    )


def contradicts(first: Claim, second: Claim) -> bool:
    """Tell whether both speak of the same time and one must be wrong."""
    if not _overlap(first, second):
        return False
    if first.polarity != second.polarity:
        return _same_value(first.value, second.value)
    return not _same_value(first.value, second.value)


def sides(group: Sequence[Made]) -> list[list[Made]]:
    """Split the claims of one finding into those that agree; equal for any order of `group`."""
    if len(group) == 1:
        return [list(group)]
    agreeing: list[list[Made]] = []
    for made in sorted(group, key=_place):
        home = next((side for side in agreeing if agrees(side[0].claim, made.claim)), None)
        if home is None:
            agreeing.append([made])
        else:
            home.append(made)
    return [sorted(side, key=lambda made: made.order) for side in agreeing]


def score(side: Iterable[Made]) -> float:
    """Return the sum, over the peers of `side`, of each one's strongest claim."""
    best: dict[str, float] = {}
    for made in side:
        best[made.peer] = max(best.get(made.peer, 0.0), made.force)
    return round(sum(sorted(best.values())), 6)


def _place(made: Made) -> tuple[bool, bool, float, bool, float, float]:
    claim = made.claim
    number = _number(claim.value)
    # What fits every side of its polarity is placed last.
    return (
        not claim.polarity,
        number is None and not isinstance(claim.value, bool),
        0.0 if number is None else number,
        claim.value is True,
        claim.window.start if claim.window else -math.inf,
        claim.window.end if claim.window else -math.inf,
    )


def _overlap(first: Claim, second: Claim) -> bool:
    if first.window is None or second.window is None:
        return True
    return first.window.start <= second.window.end and second.window.start <= first.window.end


def _same_value(first: JsonValue, second: JsonValue) -> bool:
    """Compare measurements and yes-or-no; other values only name what was seen."""
    if isinstance(first, bool) and isinstance(second, bool):
        return first == second
    one, other = _number(first), _number(second)
    return one is None or other is None or _close(one, other)


def _close(one: float, other: float) -> bool:
    apart, smaller = abs(one - other), min(abs(one), abs(other))
    if apart <= TOLERANCE * max(abs(one), abs(other)):
        return True
    step = max(_precision(one), _precision(other))
    return apart * 2 <= step < smaller


def _precision(number: float) -> float:
    """Return the weight of the last digit that was written down."""
    exponent = Decimal(repr(number)).as_tuple().exponent
    return float(Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0))


def _number(value: JsonValue) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None

"""What earlier runs say for each protocol that survives: an order among them, and nothing else.

Where a protocol stands by rules is worth ten runs, so that a few outcomes move little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from weft.core import NO_TALLY, Tally

__all__ = ["Score", "best_of", "scores_of"]

PRIOR_RUNS = 10
"""So many runs the rules' rank is worth."""


@dataclass(frozen=True, slots=True)
class Score:
    """How likely a protocol does the work, by its rank and by what came of it before."""

    protocol_id: str
    place: int
    """By the rules' rank, from 0."""
    tally: Tally

    @property
    def prior(self) -> float:
        """What the rank alone says."""
        return self._tenths / 10

    @property
    def score(self) -> float:
        # Of whole numbers, so that equal scores are equal.
        tally = self.tally
        return (self._tenths + tally.successes) / (PRIOR_RUNS + tally.runs)

    @property
    def _tenths(self) -> int:
        return max(1, 9 - 2 * self.place)


def scores_of(ranked: Sequence[str], tallies: Mapping[str, Tally]) -> tuple[Score, ...]:
    """Return the score of each protocol; `ranked` is the rules' order, the best first."""
    return tuple(
        Score(name, place, tallies.get(name, NO_TALLY)) for place, name in enumerate(ranked)
    )


def best_of(scores: Sequence[Score]) -> Score:
    """Return the highest; of equal ones that of the better rank."""
    return max(scores, key=lambda score: (score.score, -score.place))

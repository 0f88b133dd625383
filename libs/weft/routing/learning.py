"""What earlier runs say about protocols: it reorders survivors and touches nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from weft.routing.frame import TaskType
from weft.routing.select import Candidate, Selection

PRIOR_RUNS = 10
"""How many runs the rules' own order is worth."""
FIRST_PRIOR = 0.9
PRIOR_STEP = 0.2
LEAST_PRIOR = 0.1


@dataclass(frozen=True, slots=True)
class OutcomeKey:
    """What outcomes are kept apart by, beside the tenant whose book it is."""

    goal: TaskType
    domain: str
    protocol: str


@dataclass(frozen=True, slots=True)
class OutcomeTally:
    """How often it was tried, and how often it did well.

    Outages, denials, refusals and cancellations are no runs; a success is a completed run without
    failed verdict or bad rating.
    """

    runs: int = 0
    successes: int = 0


@dataclass(frozen=True, slots=True)
class Learned:
    """One survivor with what its place in the new order rests on."""

    candidate: Candidate
    prior: float
    runs: int
    successes: int
    score: float


@dataclass(frozen=True, slots=True)
class OutcomeBook:
    """One tenant's outcomes."""

    records: Mapping[OutcomeKey, OutcomeTally] = field(default_factory=dict)

    def order(
        self, survivors: Sequence[Candidate], goal: TaskType, domain: str
    ) -> tuple[Learned, ...]:
        """Return the survivors by score, equal ones by rank."""
        learned = []
        for rank, candidate in enumerate(survivors):
            kept = self.records.get(OutcomeKey(goal, domain, candidate.protocol.id), OutcomeTally())
            prior = max(LEAST_PRIOR, round(FIRST_PRIOR - PRIOR_STEP * rank, 1))
            score = (PRIOR_RUNS * prior + kept.successes) / (PRIOR_RUNS + kept.runs)
            learned.append(Learned(candidate, prior, kept.runs, kept.successes, score))
        return tuple(sorted(learned, key=lambda each: -each.score))


def preferred(
    chosen: Selection, book: OutcomeBook | None, goal: TaskType, domain: str
) -> tuple[Selection, tuple[Learned, ...]]:
    """Let earlier outcomes reorder the survivors, if there is a choice and a book."""
    if book is None or chosen.method != "rule_based":
        return chosen, ()
    ordered = book.order(chosen.candidates, goal, domain)
    candidates = tuple(each.candidate for each in ordered)
    best = candidates[0].protocol
    return replace(chosen, protocol=best, method="learned", candidates=candidates), ordered

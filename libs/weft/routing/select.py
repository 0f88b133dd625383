"""Which protocol does a part: a pure function of frame, view, registry and request."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from weft.core import Tally
from weft.routing.errors import (
    NoCapabilityError,
    NoMatchingProtocolError,
    Rejected,
    UnknownProtocolError,
)
from weft.routing.frame import Level, TaskType
from weft.routing.learning import Score, best_of, scores_of
from weft.routing.protocols import Protocol, ProtocolRegistry

Method = Literal[
    "single_candidate", "rule_based", "requested", "learned", "llm_picked", "rule_based_fallback"
]


@dataclass(frozen=True, slots=True)
class Pick:
    """What a model chose among the survivors, and why; what is none of them leaves it to the rules."""

    protocol: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Advice:
    """What decides beside the rank: a protocol by its name, a model's choice, earlier outcomes."""

    requested: str | None = None
    pick: Pick | None = None
    tallies: Mapping[str, Tally] | None = None
    """What came of each protocol before; None where nobody keeps that."""


NO_ADVICE = Advice()


@dataclass(frozen=True, slots=True)
class Candidate:
    """A protocol that could do the part, and what its rank rests on."""

    protocol: Protocol
    complexity_distance: int
    is_canonical: bool

    @property
    def rank(self) -> tuple[int, int, int, int, int, str]:
        protocol = self.protocol
        return (
            self.complexity_distance,
            0 if self.is_canonical else 1,
            protocol.cost.rank,
            len(protocol.handles),
            protocol.latency.rank,
            protocol.id,
        )


@dataclass(frozen=True, slots=True)
class Selection:
    """The chosen protocol, its rivals by rank, and the rest with their reasons."""

    protocol: Protocol
    method: Method
    candidates: tuple[Candidate, ...]
    rejected: tuple[Rejected, ...]
    picker_rationale: str = ""
    """Why a model chose it, or why none did; empty where none was asked."""
    scores: tuple[Score, ...] = ()
    """What earlier runs say of the candidates, in their order; empty where nobody was asked."""

    @property
    def runners_up(self) -> tuple[str, ...]:
        others = (candidate.protocol.id for candidate in self.candidates)
        return tuple(name for name in others if name != self.protocol.id)


@dataclass(frozen=True, slots=True)
class Offered:
    """What selection looks at: how many capabilities are eligible, and what is available."""

    eligible: int
    available: frozenset[str]


def select(
    registry: ProtocolRegistry,
    goal: TaskType,
    complexity: Level,
    offered: Offered,
    *,
    advice: Advice = NO_ADVICE,
) -> Selection:
    """Return the best protocol for `goal`; of several survivors the one that `advice` is for.

    Raises:
        UnknownProtocolError: There is no protocol of the requested name.
        NoMatchingProtocolError: None survives.
        NoCapabilityError: None survives, because nothing can do the work.
    """
    if advice.requested is not None:
        return _requested(registry, goal, complexity, offered, advice.requested)
    rejected: list[Rejected] = []
    survivors = []
    for protocol in registry.all():
        reason = _rejection(protocol, goal, offered)
        if reason is None:
            survivors.append(_candidate(protocol, goal, complexity))
        else:
            rejected.append(reason)
    if not survivors:
        raise _dead_end(goal, rejected)
    survivors.sort(key=lambda candidate: candidate.rank)
    all_of_them = (tuple(survivors), tuple(rejected))
    if len(survivors) == 1:
        return Selection(survivors[0].protocol, "single_candidate", *all_of_them)
    return _advised(Selection(survivors[0].protocol, "rule_based", *all_of_them), advice)


def _advised(by_rules: Selection, advice: Advice) -> Selection:
    """Return the choice among several survivors: earlier outcomes order them, a model picks."""
    protocols = {candidate.protocol.id: candidate.protocol for candidate in by_rules.candidates}
    chosen, pick = by_rules, advice.pick
    if advice.tallies is not None:
        scores = scores_of(list(protocols), advice.tallies)
        method: Method = "learned" if any(score.tally.runs for score in scores) else "rule_based"
        best = protocols[best_of(scores).protocol_id]
        chosen = replace(by_rules, protocol=best, method=method, scores=scores)
    if pick is None:
        return chosen
    if pick.protocol not in protocols:
        why = f"there is no {pick.protocol!r} to choose" if pick.protocol else pick.why
        return replace(chosen, method="rule_based_fallback", picker_rationale=why)
    return replace(
        chosen, protocol=protocols[pick.protocol], method="llm_picked", picker_rationale=pick.why
    )


def _requested(
    registry: ProtocolRegistry, goal: TaskType, complexity: Level, offered: Offered, name: str
) -> Selection:
    protocol = registry.get(name)
    if protocol is None:
        raise UnknownProtocolError(name, [protocol.id for protocol in registry.all()])
    lacking = _lacking(protocol, offered)
    if lacking is not None:
        raise _dead_end(goal, [Rejected(name, "capabilities", lacking)])
    return Selection(protocol, "requested", (_candidate(protocol, goal, complexity),), ())


def _candidate(protocol: Protocol, goal: TaskType, complexity: Level) -> Candidate:
    distance = abs(protocol.cost.rank - complexity.rank)
    return Candidate(protocol, distance, goal in protocol.primary_for)


def _rejection(protocol: Protocol, goal: TaskType, offered: Offered) -> Rejected | None:
    if goal not in protocol.handles:
        return Rejected(protocol.id, "goal", f"it does not handle {goal}")
    lacking = _lacking(protocol, offered)
    return None if lacking is None else Rejected(protocol.id, "capabilities", lacking)


def _lacking(protocol: Protocol, offered: Offered) -> str | None:
    missing = sorted(protocol.requires_capabilities - offered.available)
    if missing:
        return f"it needs {', '.join(missing)}"
    if offered.eligible < protocol.min_capabilities:
        return f"it needs {protocol.min_capabilities} eligible capabilities, {offered.eligible} are"
    return None


def _dead_end(goal: TaskType, rejected: Iterable[Rejected]) -> NoMatchingProtocolError:
    listed: Mapping[str, Rejected] = {rejection.protocol_id: rejection for rejection in rejected}
    able = any(rejection.gate == "capabilities" for rejection in listed.values())
    kind = NoCapabilityError if able else NoMatchingProtocolError
    return kind(goal, tuple(listed.values()))

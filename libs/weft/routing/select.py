"""Which protocol does a part: a pure function of frame, view, registry and request."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from weft.routing.errors import (
    NoCapabilityError,
    NoMatchingProtocolError,
    Rejected,
    UnknownProtocolError,
)
from weft.routing.frame import Level, TaskType
from weft.routing.protocols import Protocol, ProtocolRegistry

Method = Literal["single_candidate", "rule_based", "requested", "llm_picked", "rule_based_fallback"]


@dataclass(frozen=True, slots=True)
class Pick:
    """What a model chose among the survivors, and why; what is none of them leaves it to the rules."""

    protocol: str = ""
    why: str = ""


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
    requested: str | None = None,
    pick: Pick | None = None,
) -> Selection:
    """Return the best protocol for `goal`; of several survivors the one that `pick` names.

    Raises:
        UnknownProtocolError: There is no protocol named `requested`.
        NoMatchingProtocolError: None survives.
        NoCapabilityError: None survives, because nothing can do the work.
    """
    if requested is not None:
        return _requested(registry, goal, complexity, offered, requested)
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
    best, all_of_them = survivors[0].protocol, (tuple(survivors), tuple(rejected))
    if len(survivors) == 1:
        return Selection(best, "single_candidate", *all_of_them)
    if pick is None:
        return Selection(best, "rule_based", *all_of_them)
    picked = next((one.protocol for one in survivors if one.protocol.id == pick.protocol), None)
    if picked is None:
        why = f"there is no {pick.protocol!r} to choose" if pick.protocol else pick.why
        return Selection(best, "rule_based_fallback", *all_of_them, picker_rationale=why)
    return Selection(picked, "llm_picked", *all_of_them, picker_rationale=pick.why)


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

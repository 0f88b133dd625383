"""Why a frame becomes the plan it becomes, for people and for tests."""

from collections.abc import Iterator

from weft.core import JsonObject, Path, Record
from weft.plan import Call, Judge, Price, price
from weft.routing.capabilities import CapabilityIndex
from weft.routing.extract import Extraction
from weft.routing.frame import GoalFrame, TaskType
from weft.routing.policy import PolicyVerdict
from weft.routing.routed import Routed, RoutedPart
from weft.routing.select import Selection

__all__ = ["explanation_of"]


class CandidateView(Record):
    """A protocol that could have done it."""

    protocol_id: str
    rank: int
    complexity_distance: int
    is_canonical: bool
    cost: str
    handles_count: int


class RejectedView(Record):
    """A protocol that could not, and at which gate it fell out."""

    protocol_id: str
    gate: str
    reason: str


class ModifierView(Record):
    """Something added to a part, or worth knowing of it."""

    kind: str
    reasons: tuple[str, ...]


class PartView(Record):
    """One goal's way to its protocol."""

    goal: TaskType
    risk: str
    selected_protocol: str | None = None
    method: str | None = None
    candidates: tuple[CandidateView, ...] = ()
    rejected: tuple[RejectedView, ...] = ()
    modifiers: tuple[ModifierView, ...] = ()
    policy: PolicyVerdict | None = None


class PeerView(Record):
    """Who would do a step."""

    path: Path
    peer: str
    why: str


class ExtractionView(Record):
    """How the frame came about."""

    method: str
    floor: str
    warnings: tuple[str, ...] = ()


class LearningView(Record):
    """What earlier runs say of a protocol for a part, beside where rules rank it."""

    goal: TaskType
    domain: str
    protocol_id: str
    prior: float
    runs: int
    successes: int
    score: float


class RoutingExplanation(Record):
    """Everything that led to a plan, or to the error that stands instead of one."""

    goal: str
    goal_frame: GoalFrame
    extraction: ExtractionView | None = None
    parts: tuple[PartView, ...] = ()
    available_capabilities: tuple[str, ...] = ()
    unknown_capabilities: tuple[str, ...] = ()
    left_out: dict[str, str]
    peers: tuple[PeerView, ...] = ()
    warnings: tuple[str, ...] = ()
    plan: JsonObject | None = None
    price: Price | None = None
    """What no run of the plan exceeds."""
    picker_rationale: str = ""
    """Why a model chose as it did, or why none did; empty where none was asked."""
    learning: tuple[LearningView, ...] | None = None
    """Of each part that several protocols could do; None where outcomes are not kept."""
    error: dict[str, str] | None = None
    """Code and message, where nothing would run."""
    revisions: dict[str, int]
    """Of the catalogue as this replica counts it, of what the caller may call and of the policy that
    holds for them. The last two are equal wherever these are: with them a run does what is said here.
    """


def explanation_of(
    routed: Routed, index: CapabilityIndex, extraction: Extraction | None = None
) -> RoutingExplanation:
    """Return the explanation of what was decided; `extraction` is how its frame came about."""
    error = routed.error
    return RoutingExplanation(
        goal=routed.request.goal,
        goal_frame=routed.frame,
        extraction=None if extraction is None else _extraction(extraction),
        parts=tuple(map(_part, routed.parts)),
        available_capabilities=index.ids(),
        unknown_capabilities=routed.unknown,
        left_out=dict(routed.left_out),
        peers=_peers(routed, index),
        warnings=(*routed.warnings, *index.problems),
        plan=None if routed.plan is None else routed.plan_json,
        price=None if routed.plan is None else price(routed.plan),
        error=None if error is None else {"code": error.code, "message": str(error)},
        picker_rationale=_picker_rationale(routed),
        learning=None if routed.request.tallies is None else tuple(_learning(routed)),
        revisions={
            "catalog": index.revision,
            "capabilities": index.content_revision,
            "policy": routed.policy_revision,
        },
    )


def _extraction(extraction: Extraction) -> ExtractionView:
    return ExtractionView(
        method=extraction.method, floor=extraction.floor.value, warnings=extraction.warnings
    )


def _part(part: RoutedPart) -> PartView:
    selection = part.selection
    return PartView(
        goal=part.goal,
        risk=part.risk.value,
        selected_protocol=None if selection is None else selection.protocol.id,
        method=None if selection is None else selection.method,
        candidates=() if selection is None else _candidates(selection),
        rejected=tuple(
            RejectedView(
                protocol_id=rejection.protocol_id, gate=rejection.gate, reason=rejection.reason
            )
            for rejection in part.rejected
        ),
        modifiers=tuple(ModifierView(kind=m.kind, reasons=m.reasons) for m in part.modifiers),
        policy=part.verdict,
    )


def _candidates(selection: Selection) -> tuple[CandidateView, ...]:
    return tuple(
        CandidateView(
            protocol_id=candidate.protocol.id,
            rank=place,
            complexity_distance=candidate.complexity_distance,
            is_canonical=candidate.is_canonical,
            cost=candidate.protocol.cost.value,
            handles_count=len(candidate.protocol.handles),
        )
        for place, candidate in enumerate(selection.candidates, start=1)
    )


def _picker_rationale(routed: Routed) -> str:
    reasons = [
        (part.goal, part.selection.picker_rationale)
        for part in routed.parts
        if part.selection is not None and part.selection.picker_rationale
    ]
    if len(reasons) == 1:
        return reasons[0][1]
    return "; ".join(f"{goal}: {why}" for goal, why in reasons)


def _learning(routed: Routed) -> Iterator[LearningView]:
    for part in routed.parts:
        for score in part.selection.scores if part.selection is not None else ():
            yield LearningView(
                goal=part.goal,
                domain=routed.frame.domain,
                protocol_id=score.protocol_id,
                prior=score.prior,
                runs=score.tally.runs,
                successes=score.tally.successes,
                score=round(score.score, 6),
            )


def _peers(routed: Routed, index: CapabilityIndex) -> tuple[PeerView, ...]:
    if routed.plan is None:
        return ()
    peers = []
    for path, node in routed.plan.nodes():
        if isinstance(node, Call):
            peers.append(_peer(path, node, index))
        elif isinstance(node, Judge):
            peers.append(_role(path, node.role, index))
    return tuple(peers)


def _peer(path: Path, call: Call, index: CapabilityIndex) -> PeerView:
    if call.peer is not None:
        return PeerView(path=path, peer=call.peer, why="named")
    if call.capability is None:
        return _role(path, call.role or "", index)
    names = [
        name
        for capability in index.lookup([call.capability]).capabilities
        for name in capability.providers
    ]
    why = f"offers {call.capability}"
    return PeerView(path=path, peer=", ".join(names) or "local", why=why)


def _role(path: Path, role: str, index: CapabilityIndex) -> PeerView:
    names = sorted({name for capability in index.for_role(role) for name in capability.providers})
    if not names:
        return PeerView(path=path, peer="built-in", why=f"no card offers role:{role}")
    return PeerView(path=path, peer=", ".join(names), why=f"offers role:{role}")

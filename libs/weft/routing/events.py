"""What routing tells before the first step."""

from collections.abc import Iterator
from typing import Literal

from weft.core import JsonObject, unchecked
from weft.events import Data, Event
from weft.plan import PlanCompiled
from weft.plan.events import Compiled
from weft.routing.extract import Extraction
from weft.routing.routed import Routed, RoutedPart
from weft.routing.select import Selection

__all__ = ["Failing", "Ruling"]


class Framed(Data):
    """The goal in typed fields, and how it was read."""

    frame: JsonObject
    method: str = "caller"
    floor: str = "low"
    warnings: tuple[str, ...] = ()


class FrameExtracted(Event, frozen=True):
    """The request was understood as this goal."""

    type: Literal["router.frame.extracted"] = "router.frame.extracted"
    data: Framed


class Failing(Data):
    """Code and message."""

    error: dict[str, str]


class FrameFailed(Event, frozen=True):
    """No frame could be made of the request."""

    type: Literal["router.frame.failed"] = "router.frame.failed"
    data: Failing


class ProtocolChoice(Data):
    """The protocol of one part, and why it is this one."""

    protocol_id: str
    protocol_description: str
    primary_goal: str
    is_canonical: bool
    cost: str
    latency: str
    risk_max: str
    method: str
    rationale: str = ""


class ProtocolSelected(Event, frozen=True):
    """A part of the goal got its protocol."""

    type: Literal["router.protocol.selected"] = "router.protocol.selected"
    data: ProtocolChoice


class Unmatched(Data):
    """The goal nothing fits."""

    primary_goal: str
    risk: str
    error: dict[str, str]


class ProtocolNoMatch(Event, frozen=True):
    """No protocol can do a part of the goal."""

    type: Literal["router.protocol.no_match"] = "router.protocol.no_match"
    data: Unmatched


class Ruling(Data):
    """What policy says of a part."""

    protocol_id: str
    allow: bool
    require_approval: bool
    reason: str
    frame_risk: str


class PolicyDecided(Event, frozen=True):
    """Policy was asked about a part."""

    type: Literal["router.policy.verdict"] = "router.policy.verdict"
    data: Ruling


class Built(Data):
    """What will be executed."""

    protocol_id: str
    runnable_type: str = "plan"
    capability_count: int


class RunnableCompiled(Event, frozen=True):
    """The goal became a plan."""

    type: Literal["router.runnable.compiled"] = "router.runnable.compiled"
    data: Built


def events_of(routed: Routed, extraction: Extraction | None = None) -> tuple[Event, ...]:
    """Return what is to be in the log before the first step, in order."""
    return tuple(_told(routed, extraction))


def _told(routed: Routed, extraction: Extraction | None) -> Iterator[Event]:
    framed = Framed(frame=routed.frame.to_json())
    if extraction is not None:
        framed = framed.model_copy(
            update={
                "method": extraction.method,
                "floor": extraction.floor.value,
                "warnings": (*extraction.warnings, *routed.warnings),
            }
        )
    yield FrameExtracted(data=framed)
    for part in routed.parts:
        yield from _of_part(part)
    error, parts = routed.error, routed.parts
    if error is not None and (not parts or parts[-1].selection is None):
        shown = {"code": error.code, "message": str(error)}
        goal = parts[-1].goal if parts else routed.frame.primary_goal
        yield ProtocolNoMatch(
            data=Unmatched(primary_goal=goal, risk=routed.frame.risk, error=shown)
        )
    if routed.plan is not None:
        yield from _compiled(routed)


def _of_part(part: RoutedPart) -> Iterator[Event]:
    if part.selection is None:
        return
    protocol, best = part.selection.protocol, part.selection.candidates
    chosen = next(candidate for candidate in best if candidate.protocol.id == protocol.id)
    yield ProtocolSelected(
        data=ProtocolChoice(
            protocol_id=protocol.id,
            protocol_description=protocol.description,
            primary_goal=part.goal,
            is_canonical=chosen.is_canonical,
            cost=protocol.cost,
            latency=protocol.latency,
            risk_max=protocol.risk_max,
            method=part.selection.method,
            rationale=part.selection.picker_rationale
            or _learned(part.selection)
            or _rationale(chosen.complexity_distance, canonical=chosen.is_canonical),
        )
    )
    if part.verdict is not None:
        verdict = part.verdict
        yield PolicyDecided(
            data=Ruling(
                protocol_id=protocol.id,
                allow=verdict.allow,
                require_approval=verdict.require_approval,
                reason=verdict.reason,
                frame_risk=part.risk,
            )
        )


def _learned(selection: Selection) -> str:
    """Say what earlier runs have to do with the choice; "" if nothing."""
    if selection.method != "learned":
        return ""
    score = next(s for s in selection.scores if s.protocol_id == selection.protocol.id)
    tally = score.tally
    went = f"{tally.successes} of its {tally.runs} earlier runs of this kind went well"
    return f"{went}; with what rules say of it, its score {score.score:.2f} is the highest"


def _rationale(distance: int, *, canonical: bool) -> str:
    fits = (
        "its cost fits the goal's complexity"
        if distance == 0
        else (f"its cost is {distance} off the goal's complexity, and nothing is nearer")
    )
    return f"{fits}; it is the usual choice" if canonical else fits


def _compiled(routed: Routed) -> Iterator[Event]:
    plan = routed.plan
    if plan is None:
        return
    nodes = list(plan.nodes())
    used = {node.capability for _, node in nodes if node.kind == "call" and node.capability}
    yield RunnableCompiled(data=Built(protocol_id=plan.protocol or "", capability_count=len(used)))
    yield PlanCompiled(data=unchecked(Compiled, plan=routed.plan_json, step_count=len(nodes)))

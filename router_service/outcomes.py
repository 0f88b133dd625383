"""What a run says of the protocols that it used: for the book, in the commit that ends the run."""

from collections.abc import Iterable, Mapping, Sequence

from router_service.routes import Chosen
from weft.checkpoint import BookEntry, StepWrite
from weft.core import JsonObject, Path, Reason, Result, StrictRecord
from weft.core.error_table import LOOKS
from weft.plan import ABSTAIN, Judge, Plan
from weft.report import NO_DATA

NOT_ITS_FAULT = frozenset(
    {
        "approval_refused", "approval_expired", "interrupt_expired", "delegate_refused", "credentials",
        "no_capability", "no_applicable_tool", NO_DATA,
        "model_failed", "model_auth", "all_models_failed",
    }
)  # fmt: skip
"""Refusals of people and peers, and outages; beside what the table of errors says is away or denied."""
_AWAY_OR_DENIED = frozenset({401, 403, 429, 503})
LOST_TOGETHER = "fan_out_failed"


class PlannedPart(StrictRecord):
    """One goal of a plan, and where its protocol's steps stand."""

    goal: str
    domain: str
    protocol: str
    path: Path


def planned_parts(chosen: Chosen) -> tuple[PlannedPart, ...]:
    """Return the parts of a chosen plan."""
    routed, plan = chosen.routed, chosen.plan
    if routed is None or plan is None:
        return ()
    root = plan.root.id
    return tuple(
        PlannedPart(
            goal=part.goal,
            domain=routed.frame.domain,
            protocol=part.selection.protocol.id,
            path=(root,) if part.node.id == root else (root, part.node.id),
        )
        for part in routed.parts
        if part.node is not None and part.selection is not None
    )


def entries_of(
    parts: Sequence[PlannedPart],
    plan: Plan,
    result: Result,
    *,
    steps: Mapping[Path, JsonObject],
    last: Iterable[StepWrite] = (),
) -> tuple[BookEntry, ...]:
    """Return what counts of `result`: each part that ended, unless it ended by no fault of its own.

    `steps` are the run's recorded ones, and `last` those that are written with its end.
    """
    if result.status not in ("completed", "failed"):
        return ()
    failed_verdicts = _failed_verdicts(plan, {**steps, **{s.path: s.outcome for s in last}})
    entries = []
    for part in parts:
        success = _success(part, result, alone=len(parts) == 1)
        if success is None:
            continue
        passed = not any(_below(path, part.path) for path in failed_verdicts)
        entries.append(BookEntry(part.goal, part.domain, part.protocol, success and passed))
    return tuple(entries)


def _success(part: PlannedPart, result: Result, *, alone: bool) -> bool | None:
    """Tell whether the part did what it was for; None where that says nothing of its protocol."""
    status = result.status if alone else _section_status(part, result)
    if status == "completed":
        return True
    reasons = [why for why in result.reasons if alone or _below(why.path, part.path)]
    return None if status != "failed" or _faultless(reasons or result.reasons) else False


def _section_status(part: PlannedPart, result: Result) -> str:
    data = result.data if isinstance(result.data, dict) else {}
    sections = data.get("sections")
    for section in sections if isinstance(sections, list) else ():
        if isinstance(section, dict) and section.get("id") == part.path[-1]:
            return str(section.get("status"))
    # What ended before there was a section says nothing of this one.
    return ""


def _faultless(reasons: Sequence[Reason]) -> bool:
    """Tell whether a failure came from outside: an outage, a denial, a refusal, a cancel."""
    first, *others = reasons or [Reason(code="", message="")]
    if first.code == LOST_TOGETHER:
        return bool(others) and all(_from_outside(why.code) for why in others)
    return _from_outside(first.code)


def _from_outside(code: str) -> bool:
    look = LOOKS.get(code)
    if code in NOT_ITS_FAULT or look is None:
        return code in NOT_ITS_FAULT
    return look.http in _AWAY_OR_DENIED or look.grpc == "CANCELLED"


def _failed_verdicts(plan: Plan, steps: Mapping[Path, JsonObject]) -> frozenset[Path]:
    """Return the validators whose last verdict lets nothing pass."""
    judges = {
        path: node.choices[0]
        for path, node in plan.nodes()
        if isinstance(node, Judge) and node.role == "validate"
    }
    choices: dict[Path, str] = {}
    for path, outcome in steps.items():
        place, verdict = _without_passes(path), outcome.get("verdict")
        if place in judges and isinstance(verdict, dict):
            choices[place] = str(verdict.get("choice"))
    return frozenset(
        path for path, choice in choices.items() if choice not in (judges[path], ABSTAIN)
    )


def _without_passes(path: Path) -> Path:
    return tuple(name.partition("#")[0] for name in path)


def _below(path: Path, part: Path) -> bool:
    return _without_passes(path)[: len(part)] == part

"""Who is asked again because sources contradict each other, and what their second word replaces."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from weft.core import JsonObject, JsonValue, Part, Result
from weft.plan.model import Call, Node, Parallel
from weft.report import Branch, stated

AGAIN = "Sources contradict each other in this. Look at it once more, and say what you can show:"


@dataclass(frozen=True, slots=True)
class Contested:
    """What is asked again, and of whom."""

    node: Parallel
    """The branches that spoke of it."""
    question: Result
    findings: frozenset[str]
    """The ids of the contradicted findings."""


def contested(node: Parallel, branches: Sequence[Branch], report: Result) -> Contested | None:
    """Return what to ask again; None where nothing is contested, or nobody would say anything new.

    What rules said they would say again.
    """
    disputes = _contradictions(report.data)
    ids = frozenset(str(dispute.get("finding")) for dispute in disputes)
    spoke = {
        branch.id.partition("#")[0] for branch in branches if _may_think_again(branch.result, ids)
    }
    steps = tuple(_again(step) for step in node.branches if step.id in spoke)
    calls = tuple(step for step in steps if step is not None)
    if not calls:
        return None
    lines = [line for dispute in disputes for line in _lines(dispute)]
    question = Result(status="completed", text="\n".join(lines))
    again = node.model_copy(update={"branches": calls, "tolerate": len(calls)})
    return Contested(again, question, ids)


def without(branch: Branch, findings: frozenset[str]) -> Branch | None:
    """Return the branch without what it said of `findings`, since it has spoken anew.

    None is left of one that said nothing else.
    """
    kept = tuple(claim for claim in stated(branch.result) if claim.finding_id not in findings)
    if not kept and not branch.coverage:
        return None
    # What is left are the claims: its words and its data say the others, too.
    parts = tuple(part for part in branch.result.parts if not _says_claims(part))
    result = branch.result.model_copy(update={"claims": kept, "parts": parts})
    return Branch(branch.id, branch.peer, result)


def _says_claims(part: Part) -> bool:
    return part.kind == "text" or (isinstance(part.data, dict) and "claims" in part.data)


def _may_think_again(result: Result, findings: frozenset[str]) -> bool:
    if not result.ok or result.generated_by == "rules":
        return False
    return any(claim.finding_id in findings for claim in stated(result))


def _again(step: Node) -> Node | None:
    if not isinstance(step, Call):
        return None
    return step.model_copy(update={"prompt": f"{step.prompt}\n\n{AGAIN}{{feedback}}"})


def _lines(dispute: JsonObject) -> Iterable[str]:
    about = f"{dispute.get('subject')} {dispute.get('predicate')}".strip()
    for side in _objects(dispute.get("sides")):
        said_by = side.get("supporters")
        names = ", ".join(map(str, said_by)) if isinstance(said_by, list) else ""
        yield f"- {about}: {side.get('statement')} ({names})"


def _contradictions(report: JsonValue) -> list[JsonObject]:
    return _objects(report.get("contradictions")) if isinstance(report, dict) else []


def _objects(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

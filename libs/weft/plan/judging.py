"""A verdict on earlier work, and a report over it."""

import string
from collections.abc import Sequence

from weft.core import NO_USAGE, JsonObject, JsonValue, Reason, Result, Verdict
from weft.plan.calls import UNREADABLE, PeerCall, perform
from weft.plan.flow import ABSTAIN
from weft.plan.joins import report_over
from weft.plan.model import Judge, Node, Synthesize
from weft.plan.peers import Target
from weft.plan.placeholders import fenced, shown
from weft.plan.prompts import criteria_of
from weft.plan.walk import At, Walk
from weft.report.grounding import Branch

NOT_VALIDATED = "not validated"
_AROUND = string.whitespace + "\"'*_`"
"""What a model puts around its verdict; before it also list marks, behind it a full stop."""


async def run_judge(walk: Walk, node: Node, at: At) -> Result:
    if not isinstance(node, Judge):
        raise TypeError(f"not a judge: {node.kind}")
    work = at.scope.find(node.of)
    if work is None:
        why = Reason(code="no_branch", message=f"step {node.of!r} did not run", path=at.path)
        return Result(status="failed", reasons=(why,))
    choices = tuple(dict.fromkeys((*node.choices, ABSTAIN)))
    call = PeerCall(
        kind="judge",
        path=at.path,
        target=Target(
            role=node.role,
            domain=str((walk.plan.frame or {}).get("domain", "general")),
            authors=at.scope.peers_of(node.of),
        ),
        prompt=_question(walk, node, work, choices),
        output_schema=_schema(choices),
        read=lambda result: _read(result, choices, at),
    )
    judged = await perform(walk, call, at)
    if not judged.ok or node.role == "judge":
        return judged
    return work.model_copy(update={"verdict": judged.verdict, "usage": judged.usage})


def _question(walk: Walk, node: Judge, work: Result, choices: Sequence[str]) -> str:
    criteria = node.criteria or criteria_of(walk)
    lines = [f"Goal: {walk.plan.goal}", "", "Judge this work:", fenced(node.of, shown(work)), ""]
    if criteria:
        lines += ["Criteria:", *(f"- {criterion}" for criterion in criteria), ""]
    lines.append(f"Choose one of: {', '.join(choices)}; and say why.")
    lines.append("In words, that is the choice on the first line, a colon and your reason.")
    lines.append(f"Choose {ABSTAIN} if you cannot tell.")
    return "\n".join(lines)


def _schema(choices: Sequence[str]) -> JsonObject:
    names: list[JsonValue] = list(choices)
    return {
        "type": "object",
        "properties": {
            "choice": {"type": "string", "enum": names},
            "reasons": {"type": "string"},
            "per_criterion": {"type": "object", "additionalProperties": {"type": "string"}},
        },
        "required": ["choice"],
        "additionalProperties": False,
    }


def _read(result: Result, choices: Sequence[str], at: At) -> Result:
    verdict = verdict_of(result, choices)
    kept = result.reasons if result.ok else ()
    if verdict is not None:
        text = result.text or ": ".join(filter(None, (verdict.choice, verdict.reasons)))
        read = {
            "verdict": verdict,
            "status": "completed",
            "reasons": kept,
            "partial": result.ok and result.partial,
        }
        return result.with_text(text).model_copy(update=read)
    why = Reason(
        code=UNREADABLE,
        message=f"the answer is none of {', '.join(choices)}",
        path=at.path,
        # Who was sent back for the form of his answer was asked more than once already.
        retryable=result.ok,
    )
    return Result(status="failed", reasons=(why,), usage=result.usage)


def verdict_of(result: Result, choices: Sequence[str]) -> Verdict | None:
    """Read a verdict from the answer's data, else from its first line; None if it has none."""
    if result.verdict is not None and _choice(result.verdict.choice, choices):
        return result.verdict
    if isinstance(result.data, dict):
        choice = _choice(result.data.get("choice"), choices)
        return None if choice is None else _verdict(choice, result.data)
    lines = [line for line in result.text.splitlines() if line.strip()]
    # Rules say first that no language model was used; their verdict follows.
    for line in lines if result.generated_by == "rules" else lines[:1]:
        if line.strip().casefold().startswith(NOT_VALIDATED):
            return Verdict(choice=ABSTAIN, reasons=line.strip())
        said, _, reasons = line.partition(":")
        choice = _choice(said.lstrip(_AROUND + "#>-").rstrip(_AROUND + "."), choices)
        if choice:
            return Verdict(choice=choice, reasons=reasons.strip())
    return None


def _choice(said: JsonValue, choices: Sequence[str]) -> str | None:
    if not isinstance(said, str):
        return None
    return next(
        (choice for choice in choices if choice.casefold() == said.strip().casefold()), None
    )


def _verdict(choice: str, data: JsonObject) -> Verdict:
    reasons, criteria = data.get("reasons"), data.get("per_criterion")
    return Verdict(
        choice=choice,
        reasons=reasons if isinstance(reasons, str) else "",
        per_criterion={
            name: str(said)
            for name, said in (criteria if isinstance(criteria, dict) else {}).items()
        },
    )


async def run_synthesize(walk: Walk, node: Node, at: At) -> Result:
    if not isinstance(node, Synthesize):
        raise TypeError(f"not a synthesis: {node.kind}")
    works = [(step, at.scope.find(step)) for step in node.of]
    only = works[0][1] if len(works) == 1 else None
    if only is not None and not only.claims:
        # There is nothing to bring together: whoever claims nothing says what it said.
        return only.model_copy(update={"usage": NO_USAGE})
    branches = [
        Branch(step, ", ".join(sorted(at.scope.peers_of(step))) or step, result)
        for step, result in works
        if result is not None
    ]
    return report_over(branches, goal=walk.plan.goal)

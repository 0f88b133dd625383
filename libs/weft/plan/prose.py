"""A report in a language model's words, behind those of the rules: only what its findings carry."""

from collections.abc import Collection
from dataclasses import replace

from weft.core import JsonObject, JsonValue, Part, Path, Reason, Result, dumps
from weft.loop import HOW_TO_CITE, MODEL_REPLACED, CheckedAnswer, Citable, held_against
from weft.plan.calls import PeerCall, perform
from weft.plan.model import Parallel
from weft.plan.peers import Target
from weft.plan.placeholders import fenced
from weft.plan.walk import At, Walk
from weft.report import Explanation

WORDS = "words"
"""The step's place below the node whose report it puts into words."""
HEADING = "In a language model's words:"
MOST_FINDINGS, MOST_CLAIMS = 12, 4
ASKED = "Explain what was found, most important first, in at most eight sentences, to who asked it."


def are_words(path: Path, steps: Collection[Path]) -> bool:
    """Tell whether a model's words stand there, and no step of the plan that is called so."""
    place = tuple(name.partition("#")[0] for name in path)
    return place[-1:] == (WORDS,) and place not in steps


async def worded(walk: Walk, node: Parallel, at: At, result: Result) -> Result:
    """Return the result with a model's explanation, where the node asks for one and gets one.

    What the model fails at costs its words alone: rules have said everything already.
    """
    report = result.data
    if node.synthesize != "model" or not result.ok or not isinstance(report, dict):
        return result
    findings = _findings(report)
    if not findings:
        return result
    domain = str((walk.plan.frame or {}).get("domain", "general"))
    call = PeerCall(
        kind="synthesize",
        path=(*at.path, WORDS),
        target=Target(role="synthesize", domain=domain),
        prompt=_prompt(walk.plan.goal, report, findings),
        retries=0,
    )
    said, checked = await _said(walk, call, at, report)
    if said.status in {"canceled", "interrupted"}:
        return said
    usage = result.usage + said.usage
    reasons = (*result.reasons, *_why_silent(said))
    result = result.model_copy(update={"usage": usage, "reasons": reasons})
    if checked is None:
        return result
    words = _explained(checked)
    text = "\n\n".join(filter(None, (result.text, words)))
    explanation = Explanation(
        text=checked.text if checked.kept else "", cites=checked.cites, removed=checked.removed
    )
    whole: JsonObject = {**report, "explanation": explanation.to_json()}
    rest = tuple(part for part in result.parts if part.kind != "text" and part.data is not report)
    parts = (Part(text=text), Part.model_construct(data=whole), *rest)
    return result.model_copy(update={"parts": parts})


async def _said(
    walk: Walk, call: PeerCall, at: At, report: JsonObject
) -> tuple[Result, CheckedAnswer | None]:
    """Return a model's words with what findings carry of them; None where it has none.

    Of a report that is to be written anew they are asked for once more, if any were removed.
    """
    citable = _citable(_findings(report))
    said = await perform(walk, call, at)
    if not _is_a_models(said):
        return said, None
    checked = held_against(said.text, citable)
    if report.get("decision") != "regenerate" or not checked.removed:
        return said, checked
    why = f"{checked.note} Write anew, and cite for each sentence a finding that carries it."
    prompt = f"{call.prompt}\n\n{why}" + fenced("your first words", said.text)
    path = (*call.path[:-1], f"{WORDS}#2")
    again = await perform(walk, replace(call, path=path, prompt=prompt), at)
    usage = said.usage + again.usage
    if again.status in {"canceled", "interrupted"}:
        return again.model_copy(update={"usage": usage}), None
    if _is_a_models(again):
        second = held_against(again.text, citable)
        checked = second if second.kept >= checked.kept else checked
    return said.model_copy(update={"usage": usage}), checked


def _is_a_models(said: Result) -> bool:
    return said.ok and said.generated_by != "rules"


def _findings(report: JsonObject) -> list[JsonObject]:
    listed = report.get("findings")
    return [item for item in listed if isinstance(item, dict)] if isinstance(listed, list) else []


def _prompt(goal: str, report: JsonObject, findings: list[JsonObject]) -> str:
    shown = [_shown(finding) for finding in findings[:MOST_FINDINGS]]
    rest: JsonObject = {
        "gaps": report.get("gaps"),
        "coverage": [_brief(source) for source in _items(report.get("coverage"))],
    }
    lines = [f"Goal: {goal}", ASKED, HOW_TO_CITE]
    material = "\n".join(dumps(value).decode() for value in (*shown, rest))
    return "\n\n".join(lines) + fenced("the report", material)


def _shown(finding: JsonObject) -> JsonObject:
    claims = [claim.get("text") for claim in _items(finding.get("claims"))[:MOST_CLAIMS]]
    names = ("id", "kind", "subject", "statement", "supporters", "score", "contradicted")
    return {**{name: finding.get(name) for name in names}, "claims": claims}


def _brief(coverage: JsonObject) -> JsonObject:
    names = ("source", "verdict", "reason", "window", "compared")
    return {name: coverage.get(name) for name in names}


def _items(value: JsonValue) -> list[JsonObject]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _citable(findings: list[JsonObject]) -> dict[str, Citable]:
    return {
        str(finding.get("id")): Citable(
            str(finding.get("subject") or ""),
            dumps(finding).decode(),
            (str(finding.get("statement") or ""),),
        )
        for finding in findings
    }


def _explained(checked: CheckedAnswer) -> str:
    if not checked.kept:
        return checked.note
    return "\n".join(filter(None, (HEADING, checked.text, checked.note)))


def _why_silent(said: Result) -> tuple[Reason, ...]:
    if not said.ok:
        return said.reasons
    return tuple(reason for reason in said.reasons if reason.code == MODEL_REPLACED)

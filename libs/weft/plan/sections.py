"""One result out of several goals: a section for each, whatever became of the others."""

from collections.abc import Sequence as Many

from weft.core import JsonValue, Result, parts_of
from weft.plan.model import Node, Sequence

SKIPPED = Result(status="skipped")


def in_sections(node: Sequence, ended: Many[Result]) -> Result:
    """Return the last result with all sections in text and data; what did not run is skipped."""
    last = ended[-1]
    missing = len(node.steps) - len(ended)
    results = [*ended, *[SKIPPED] * missing]
    sections: list[JsonValue] = [
        _section(step, result) for step, result in zip(node.steps, results, strict=True)
    ]
    texts = [
        f"{_title(step)}\n\n{_told(result)}"
        for step, result in zip(node.steps, results, strict=True)
    ]
    kept = not last.ok and any(result.ok for result in ended)
    return last.model_copy(
        update={
            "parts": parts_of("\n\n".join(texts), {"sections": sections}),
            "partial": last.partial or kept,
            "reasons": tuple(reason for result in ended for reason in result.reasons),
        }
    )


def _section(step: Node, result: Result) -> JsonValue:
    return {
        "id": step.id,
        "title": _title(step),
        "status": result.status,
        "text": result.text,
        "data": result.data,
    }


def _told(result: Result) -> str:
    if result.text:
        return result.text
    why = f": {result.reasons[0].message}" if result.reasons else ""
    return f"({result.status}{why})"


def _title(step: Node) -> str:
    return step.title or step.id.replace("_", " ").capitalize()

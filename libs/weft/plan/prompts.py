"""The prompt of a step, with what it may see put in."""

from weft.core import SUSPECTS, JsonObject, Result, dumps
from weft.plan.placeholders import fenced, names, render, shown
from weft.plan.walk import At, Walk


def prompt_of(walk: Walk, template: str, at: At) -> str:
    """Return `template` with its placeholders replaced; what is absent becomes nothing."""
    return render(template, lambda name: _value(walk, name, at)).strip()


def suspects_in(template: str, at: At) -> JsonObject:
    """Return whom the reports that `template` shows suspect: words alone are hard to act on."""
    for name in names(template):
        head, _, step = name.partition(".")
        shown_result = at.scope.find(step) if head == "step" else None
        data = None if shown_result is None else shown_result.data
        if isinstance(data, dict) and data.get(SUSPECTS):
            return {SUSPECTS: data[SUSPECTS]}
    return {}


def criteria_of(walk: Walk) -> tuple[str, ...]:
    criteria = (walk.plan.frame or {}).get("success_criteria")
    return tuple(str(criterion) for criterion in criteria) if isinstance(criteria, list) else ()


def _value(walk: Walk, name: str, at: At) -> str:
    head, _, rest = name.partition(".")
    match head:
        case "step":
            value = _of(rest, at.scope.find(rest))
        case "frame":
            member = (walk.plan.frame or {}).get(rest)
            value = member if isinstance(member, str) else dumps(member).decode()
        case "input" | "previous_output":
            value = _of(at.input_step, at.input)
        case "feedback":
            value = _feedback(at.feedback)
        case "criteria":
            value = "\n".join(f"- {criterion}" for criterion in criteria_of(walk))
        case "iteration":
            value = str(at.iteration)
        case _:
            value = walk.plan.goal
    return value


def _of(step: str, result: Result | None) -> str:
    return "" if result is None else fenced(step, shown(result))


def _feedback(last: Result | None) -> str:
    """Return what the judge of the last pass said, else what the pass brought forth."""
    if last is None:
        return ""
    if last.verdict is None:
        return _of("the last attempt", last)
    lines = [last.verdict.reasons or last.verdict.choice]
    lines += [f"- {name}: {said}" for name, said in last.verdict.per_criterion.items()]
    return fenced("the review of the last attempt", "\n".join(lines))

"""Steps one after the other, passes of a loop, and choices."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from weft.core import NO_USAGE, Reason, Result
from weft.plan.conditions import Facts, holds, seen_by
from weft.plan.events import StepEnd, StepSkipped
from weft.plan.model import Choose, Loop, Node, Sequence
from weft.plan.sections import in_sections
from weft.plan.walk import At, Scope, Walk

STOPPED = frozenset({"failed", "interrupted", "canceled"})
ABSTAIN = "abstain"


async def run_sequence(walk: Walk, node: Node, at: At) -> Result:
    if not isinstance(node, Sequence):
        raise TypeError(f"not a sequence: {node.kind}")
    inner, usage, partial_result = Scope(at.scope), NO_USAGE, False
    result, seen, source = Result(status="skipped"), at.input, at.input_step
    ended: list[Result] = []
    for step in node.steps:
        here = replace(at, scope=inner, input=seen, input_step=source)
        result = await walk.run(step, here)
        usage, partial_result = usage + result.usage, partial_result or result.partial
        ended.append(result)
        if result.status in STOPPED:
            result = result if node.sections else _kept(result, seen)
            break
        seen, source = result, step.id
    at.scope.adopt(inner, node.id)
    if node.sections and result.status != "interrupted":
        result = in_sections(node, ended)
        _skip(walk, at, node.steps[len(ended) :])
    return result.model_copy(update={"usage": usage, "partial": partial_result or result.partial})


def _skip(walk: Walk, at: At, steps: tuple[Node, ...]) -> None:
    """Say of steps behind a failure that they will not run."""
    for step in steps:
        data = StepEnd(kind=step.kind)
        walk.journal.emit(StepSkipped(path=(*at.path, step.id), data=data))


def _kept(result: Result, earlier: Result | None) -> Result:
    """Keep what earlier steps brought, where the one that stopped brought nothing."""
    if earlier is None or not result.blank or not earlier.text:
        return result
    return result.model_copy(update={"parts": earlier.parts, "partial": True})


async def run_loop(walk: Walk, node: Node, at: At) -> Result:
    if not isinstance(node, Loop):
        raise TypeError(f"not a loop: {node.kind}")
    usage, last, here = NO_USAGE, None, at
    *outer, name = at.path
    for number in range(1, node.max + 1):
        inner = Scope(at.scope)
        path = (*outer, f"{name}#{number}")
        here = replace(at, path=path, scope=inner, feedback=last, iteration=number)
        last = await walk.run(node.body, here)
        usage = usage + last.usage
        at.scope.adopt(inner, node.id)
        if last.status in STOPPED:
            if last.status == "failed":
                walk.tell_failure(node.kind, here.path, last)
            return last.model_copy(update={"usage": usage})
        if node.until is not None and holds(node.until, facts(walk, inner)):
            return _ended(last, here).model_copy(update={"usage": usage})
    ended = _exhausted(node, Result(status="skipped") if last is None else last, here)
    if ended.status == "failed":
        walk.tell_failure(node.kind, here.path, ended)
    return ended.model_copy(update={"usage": usage})


def _ended(last: Result, at: At) -> Result:
    """A judge that abstained lets the work through, but not as validated."""
    if last.verdict is None or last.verdict.choice != ABSTAIN:
        return last
    why = Reason(code="not_validated", message="validated: false", path=at.path)
    return last.model_copy(update={"partial": True, "reasons": (*last.reasons, why)})


def _exhausted(node: Loop, last: Result, at: At) -> Result:
    if node.on_exhausted == "return" and last.ok:
        return last.model_copy(update={"partial": True})
    judged = last.verdict is not None
    why = Reason(
        code="validation_failed" if judged else "loop_exhausted",
        message=_why_exhausted(node, last),
        path=at.path,
    )
    return last.model_copy(
        update={"status": "failed", "partial": True, "reasons": (why, *last.reasons)}
    )


def _why_exhausted(node: Loop, last: Result) -> str:
    if last.verdict is None:
        return f"{node.max} passes without reaching the end"
    said = f": {last.verdict.reasons}" if last.verdict.reasons else ""
    return f"not accepted after {node.max} attempts: {last.verdict.choice}{said}"


async def run_choose(walk: Walk, node: Node, at: At) -> Result:
    if not isinstance(node, Choose):
        raise TypeError(f"not a choice: {node.kind}")
    seen = facts(walk, at.scope)
    branches = [case.then for case in node.cases if holds(case.when, seen)]
    chosen = branches[0] if branches else node.default
    if chosen is None:
        named = "" if node.title is None else f"{node.title}: "
        values = [value for case in node.cases for value in seen_by(case.when, seen)]
        because = f" ({'; '.join(values)})" if values else ""
        message = f"{named}no case holds and there is no default{because}"
        why = Reason(code="no_branch", message=message, path=at.path)
        return Result(status="failed", reasons=(why,))
    inner = Scope(at.scope)
    result = await walk.run(chosen, at.inside(inner))
    at.scope.adopt(inner, node.id)
    return result


def facts(walk: Walk, scope: Scope) -> Facts:
    bound: dict[str, Callable[[], bool]] = {
        name: partial(predicate, scope) for name, predicate in walk.predicates.items()
    }
    return Facts(scope.find, bound)

"""`weft explain`: what would be done about a goal, and why, without doing it."""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal

from weft.cli.text import one_line
from weft.core import JsonObject, JsonValue
from weft.plan import Plan
from weft.plan.drawing import ascii as tree
from weft.plan.drawing import explain as steps
from weft.plan.drawing import mermaid

Drawing = Literal["steps", "tree", "mermaid"]
_DRAWN: Mapping[Drawing, Callable[[Plan], str]] = MappingProxyType(
    {"steps": steps, "tree": tree, "mermaid": mermaid}
)

_PRICED = ("calls", "seconds", "tokens", "cost_usd")


def drawn(explanation: JsonObject, drawing: Drawing) -> str:
    """Return the plan of an explanation as a picture; "" where there is none."""
    plan = explanation.get("plan")
    return _DRAWN[drawing](Plan.from_json(plan)) if isinstance(plan, dict) else ""


def why(explanation: JsonObject) -> list[str]:
    """Return what led to the plan, or to the error that stands instead of one, a line each."""
    return [one_line(line) for line in _lines(explanation)]


def _lines(explanation: JsonObject) -> Iterator[str]:
    yield from _of_frame(explanation)
    for part in _objects(explanation.get("parts")):
        yield from _of_part(part)
    yield from _advice(explanation)
    yield from _in_view(explanation)
    for warning in _warnings(explanation):
        yield f"note: {warning}"
    price = explanation.get("price")
    if isinstance(price, dict):
        yield "at most: " + ", ".join(f"{name} {price.get(name)}" for name in _PRICED)
    revisions = explanation.get("revisions")
    if isinstance(revisions, dict) and revisions:
        yield "as of: " + ", ".join(f"{name} {number}" for name, number in revisions.items())
    error = explanation.get("error")
    if isinstance(error, dict):
        yield f"{error.get('code')}: {error.get('message')}"


def _of_frame(explanation: JsonObject) -> Iterator[str]:
    """Say what was understood, and by whom."""
    frame, extraction = explanation.get("goal_frame"), explanation.get("extraction")
    if not isinstance(frame, dict):
        return
    kept = {name: value for name, value in frame.items() if value not in (False, [], None)}
    yield "goal: " + ", ".join(f"{name} {_words(value)}" for name, value in kept.items())
    if isinstance(extraction, dict):
        yield f"read by: {extraction.get('method')}; at least risk {extraction.get('floor')}"


def _of_part(part: JsonObject) -> Iterator[str]:
    """Say which protocol a goal's part has, which it might have, and which it cannot."""
    selected = part.get("selected_protocol")
    yield f"{part.get('goal')}: {selected} ({part.get('method')})"
    candidates = _objects(part.get("candidates"))
    others = [str(one["protocol_id"]) for one in candidates if one.get("protocol_id") != selected]
    if others:
        yield f"also possible: {', '.join(others)} (--protocol chooses)"
        for one in candidates:
            usual = ", the usual one" if one.get("is_canonical") else ""
            yield (
                f"rank {one.get('rank')}: {one.get('protocol_id')}: cost {one.get('cost')},"
                f" {one.get('complexity_distance')} off the complexity{usual},"
                f" handles {one.get('handles_count')} goals"
            )
    for rejection in _objects(part.get("rejected")):
        if rejection.get("gate") != "goal":
            yield f"not {rejection.get('protocol_id')}: {rejection.get('reason')}"
    policy = part.get("policy")
    if isinstance(policy, dict) and policy.get("reason"):
        allowed = "needs a yes" if policy.get("allow") else "denied"
        yield f"policy: {allowed}: {policy['reason']}"
    for modifier in _objects(part.get("modifiers")):
        reasons = modifier.get("reasons")
        words = "; ".join(map(str, reasons)) if isinstance(reasons, list) else ""
        yield f"{modifier.get('kind')}: {words}"


def _advice(explanation: JsonObject) -> Iterator[str]:
    """Say what a model chose, and what earlier runs say."""
    if explanation.get("picker_rationale"):
        yield f"picker: {explanation['picker_rationale']}"
    for score in _objects(explanation.get("learning")):
        yield (
            f"learned: {score.get('goal')} in {score.get('domain')}: {score.get('protocol_id')}:"
            f" prior {score.get('prior')}, runs {score.get('runs')},"
            f" successes {score.get('successes')}, score {score.get('score')}"
        )


def _in_view(explanation: JsonObject) -> Iterator[str]:
    """Say who would do the steps, and what there is beside them."""
    for peer in _objects(explanation.get("peers")):
        path = peer.get("path")
        place = "/".join(map(str, path)) if isinstance(path, list) else path
        yield f"peer: {place}: {peer.get('peer')}: {peer.get('why')}"
    left_out = explanation.get("left_out")
    for name, reason in left_out.items() if isinstance(left_out, dict) else ():
        yield f"left out: {name}: {reason}"
    for name, words in (("available", "in view"), ("unknown", "unknown")):
        listed = explanation.get(f"{name}_capabilities")
        if isinstance(listed, list) and listed:
            yield f"{words}: {_words(listed)}"


def _words(value: JsonValue) -> str:
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _warnings(explanation: JsonObject) -> Iterator[JsonValue]:
    """Yield what is worth knowing of how the goal was read, and of the cards in view."""
    extraction = explanation.get("extraction")
    for place in (extraction, explanation):
        listed = place.get("warnings") if isinstance(place, dict) else None
        yield from listed if isinstance(listed, list) else ()


def _objects(listed: JsonValue) -> list[JsonObject]:
    return (
        [entry for entry in listed if isinstance(entry, dict)] if isinstance(listed, list) else []
    )

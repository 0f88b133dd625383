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


def drawn(explanation: JsonObject, drawing: Drawing) -> str:
    """Return the plan of an explanation as a picture; "" where there is none."""
    plan = explanation.get("plan")
    return _DRAWN[drawing](Plan.from_json(plan)) if isinstance(plan, dict) else ""


def why(explanation: JsonObject) -> list[str]:
    """Return what led to the plan, or to the error that stands instead of one, a line each."""
    return [one_line(line) for line in _lines(explanation)]


def _lines(explanation: JsonObject) -> Iterator[str]:
    for part in _objects(explanation.get("parts")):
        yield from _of_part(part)
    left_out = explanation.get("left_out")
    for name, reason in left_out.items() if isinstance(left_out, dict) else ():
        yield f"left out: {name}: {reason}"
    for warning in _warnings(explanation):
        yield f"note: {warning}"
    price = explanation.get("price")
    if isinstance(price, dict):
        yield f"at most: calls {price.get('calls')}, seconds {price.get('seconds')}"
    error = explanation.get("error")
    if isinstance(error, dict):
        yield f"{error.get('code')}: {error.get('message')}"


def _of_part(part: JsonObject) -> Iterator[str]:
    """Say which protocol a goal's part has, which it might have, and which it cannot."""
    selected = part.get("selected_protocol")
    yield f"{part.get('goal')}: {selected} ({part.get('method')})"
    names = [str(candidate.get("protocol_id")) for candidate in _objects(part.get("candidates"))]
    others = [name for name in names if name != selected]
    if others:
        yield f"also possible: {', '.join(others)} (--protocol chooses)"
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

"""What tools found, as claims with the results they rest on."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from weft.core import Artifact, Claim, JsonValue, Reason, dumps
from weft.events import preview
from weft.tools import ToolExecution


@dataclass(frozen=True, slots=True)
class Findings:
    """Claims, the tool results they refer to, and what was dropped."""

    claims: tuple[Claim, ...] = ()
    artifacts: tuple[Artifact, ...] = ()
    reasons: tuple[Reason, ...] = ()
    fruitless: bool = False
    """There are no claims although the tools state claims, or because every tool call failed."""


def findings(executions: Iterable[ToolExecution]) -> Findings:
    """Collect the `claims` of structured results; one that is no claim is dropped and counted.

    What a tool says a second time, called once more, is said already.
    """
    claims: list[Claim] = []
    reasons: list[Reason] = []
    by_call: dict[str, ToolExecution] = {}
    said: set[tuple[str, bytes]] = set()
    fruitless = True
    for execution in executions:
        by_call[execution.tool_call_id] = execution
        stated = _stated(execution.structured)
        fruitless = fruitless and (execution.outcome != "ok" or stated is not None)
        dropped = 0
        for item in stated or ():
            key = (execution.name, dumps(item))
            if key in said:
                continue
            said.add(key)
            claim = _claim(item, execution.tool_call_id)
            if claim is None:
                dropped += 1
            else:
                claims.append(claim)
        if dropped:
            problem = f"{dropped} invalid claims of {execution.name} were dropped"
            reasons.append(Reason(code="claims_dropped", message=problem))
    reasons += _failures([*by_call.values()])
    cited = {ref.partition("#")[0] for claim in claims for ref in claim.evidence_refs}
    artifacts = tuple(
        Artifact(id=call_id, name=execution.name, data=execution.structured)
        for call_id, execution in by_call.items()
        if call_id in cited or (_covers(execution.structured) and not _repeats(execution, by_call))
    )
    fruitless = fruitless and bool(by_call) and not claims
    return Findings(tuple(claims), artifacts, tuple(reasons), fruitless)


def _failures(executions: Sequence[ToolExecution]) -> list[Reason]:
    """Return why tools that never worked did not: what they would have said is missing."""
    latest = {execution.name: execution for execution in executions}
    worked = {execution.name for execution in executions if execution.ok}
    return [
        Reason(code="tool_failed", message=f"{name}: {preview(execution.error or '')}")
        for name, execution in latest.items()
        if name not in worked
    ]


def _covers(structured: JsonValue) -> bool:
    """Tell whether a result says what was read: that is kept, whatever was found."""
    return isinstance(structured, dict) and isinstance(structured.get("coverage"), dict)


def _repeats(execution: ToolExecution, by_call: Mapping[str, ToolExecution]) -> bool:
    """Tell whether an earlier call of the tool says the same of what was read."""
    coverage = _coverage_of(execution)
    earlier = itertools.takewhile(lambda other: other is not execution, by_call.values())
    return any(
        other.name == execution.name and _coverage_of(other) == coverage for other in earlier
    )


def _coverage_of(execution: ToolExecution) -> JsonValue:
    structured = execution.structured
    return structured.get("coverage") if isinstance(structured, dict) else None


def _stated(structured: JsonValue) -> list[JsonValue] | None:
    """Return what the result states, or None where its tool does not speak in claims."""
    stated = structured.get("claims") if isinstance(structured, dict) else None
    return stated if isinstance(stated, list) else None


def _claim(item: JsonValue, call_id: str) -> Claim | None:
    try:
        claim = Claim.model_validate(item)
    except ValidationError:
        return None
    refs = tuple(f"{call_id}{ref}" if ref[:1] == "#" else ref for ref in claim.evidence_refs)
    return claim.model_copy(update={"evidence_refs": refs})

"""How sure a run may be of itself: confidence grows with new evidence, and shrinks with trouble.

Pure arithmetic over what tools returned; no model is asked.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from weft.core import JsonValue
from weft.core.errors import ConfigError

__all__ = [
    "GUIDANCE",
    "IterationCall",
    "IterationEvidence",
    "ReflexionConfig",
    "adjusted",
    "reflect_on",
]

Assessment = Literal["on_track", "new_findings", "stuck", "loop_detected"]

SUCCESS_GAIN = 0.15
FAILURE_LOSS = 0.2
LOOP_LOSS = 0.3
NO_CALLS_GAIN = 0.05
NEW_FINDINGS = 0.5
SHINGLE_WORDS = 3

GUIDANCE: dict[Assessment, str] = {
    "on_track": "",
    "new_findings": "",
    "stuck": "Most of the last calls failed. Read their errors and try another way.",
    "loop_detected": (
        "The last calls repeat earlier ones and bring nothing new. Use what is known already: "
        "call something else, or answer."
    ),
}


@dataclass(frozen=True, slots=True)
class ReflexionConfig:
    """Switches reflexion on; in "auto" mode the run stops once `threshold` is reached."""

    threshold: float = 0.85

    def __post_init__(self) -> None:
        if not (math.isfinite(self.threshold) and 0 <= self.threshold <= 1):
            raise ConfigError(f"reflexion threshold must be from 0 to 1, got {self.threshold!r}")


@dataclass(frozen=True, slots=True)
class IterationCall:
    """One call of an iteration, as reflexion sees it."""

    ok: bool
    novelty: float


@dataclass(frozen=True, slots=True)
class Reflection:
    """What an iteration was worth."""

    assessment: Assessment
    confidence: float
    delta: float
    novelty: float
    guidance: str


class IterationEvidence:
    """The units of all results of a run so far."""

    def __init__(self) -> None:
        self._seen: set[str] = set()

    def novelty(self, content: str, structured: JsonValue = None) -> float:
        """Return the share of the result's units not seen before, and remember them."""
        units = set(_units(content, structured))
        if not units:
            return 0.0
        fresh = units - self._seen
        self._seen |= fresh
        return len(fresh) / len(units)


def reflect_on(
    confidence: float, outcomes: Sequence[IterationCall], *, looping: bool
) -> Reflection:
    """Return what the calls of one iteration do to `confidence`."""
    changed = confidence
    failures = sum(not outcome.ok for outcome in outcomes)
    for outcome in outcomes:
        if outcome.ok:
            changed = adjusted(changed, SUCCESS_GAIN * outcome.novelty)
    if not outcomes:
        changed = adjusted(changed, NO_CALLS_GAIN)
    changed = adjusted(changed, -FAILURE_LOSS * failures - (LOOP_LOSS if looping else 0.0))
    novelty = max((outcome.novelty for outcome in outcomes if outcome.ok), default=0.0)
    assessment = _assessment(outcomes, failures, novelty, looping=looping)
    delta = changed - confidence
    return Reflection(assessment, changed, delta, novelty, GUIDANCE[assessment])


def adjusted(confidence: float, delta: float) -> float:
    """Return `confidence` changed by `delta`, a gain damped by what is left to gain."""
    gain = delta * (1 - confidence) if delta > 0 else delta
    return min(1.0, max(0.0, confidence + gain))


def _assessment(
    outcomes: Sequence[IterationCall], failures: int, novelty: float, *, looping: bool
) -> Assessment:
    if looping:
        return "loop_detected"
    if failures > len(outcomes) - failures:
        return "stuck"
    return "new_findings" if novelty >= NEW_FINDINGS else "on_track"


def _units(content: str, structured: JsonValue) -> Iterator[str]:
    if structured is not None:
        yield from _leaves(structured, "")
        return
    words = content.split()
    if len(words) < SHINGLE_WORDS:
        yield from [" ".join(words)] if words else []
        return
    for at in range(len(words) - SHINGLE_WORDS + 1):
        yield " ".join(words[at : at + SHINGLE_WORDS])


def _leaves(value: JsonValue, path: str) -> Iterator[str]:
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from _leaves(inner, f"{path}/{name}")
    elif isinstance(value, list):
        for at, inner in enumerate(value):
            yield from _leaves(inner, f"{path}/{at}")
    else:
        yield f"{path}={value!r}"

"""What an iteration was worth: confidence, repetition, and what the model is told of both."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from weft.core import Message
from weft.loop.events import AgentReflected, Assessed
from weft.loop.state import AgentState
from weft.loop.think import Tell
from weft.reasoning.reflexion import GUIDANCE, IterationCall, IterationEvidence, reflect_on
from weft.termination import EndedCall
from weft.tools import ToolExecution


@dataclass(frozen=True, slots=True)
class Reflected:
    """The state after reflection."""

    state: AgentState
    loops_on: bool = False
    """The run repeats itself though the model was warned."""


@dataclass(slots=True)
class Memory:
    """What one run has called and learned so far; it only grows."""

    threshold: int
    """How many iterations without anything new make a loop."""
    with_reflexion: bool
    calls: tuple[EndedCall, ...] = ()
    _known: set[tuple[str, str]] = field(default_factory=set)
    _evidence: IterationEvidence = field(default_factory=IterationEvidence)
    _results: list[ToolExecution] = field(default_factory=list)
    """Results whose evidence nobody has needed yet."""
    _repeats: int = 0
    _warned: bool = False

    def add(self, executions: Sequence[ToolExecution]) -> "Observed":
        """Take in an iteration's calls and return what is to be said of them."""
        calls = [
            EndedCall.of(execution.name, execution.arguments, ok=execution.ok)
            for execution in executions
        ]
        self.calls += tuple(calls)
        keys = {(call.name, call.arguments) for call in calls}
        repeated = bool(keys) and keys <= self._known
        self._known |= keys
        novelties = self._novelties(executions, needed=repeated or self.with_reflexion)
        self._repeats = self._repeats + 1 if repeated and not any(novelties) else 0
        looping = self._repeats >= self.threshold
        loops_on, self._warned = looping and self._warned, self._warned or looping
        outcomes = [
            IterationCall(execution.ok, novelty)
            for execution, novelty in zip(executions, novelties, strict=True)
        ]
        return Observed(tuple(outcomes), looping=looping, loops_on=loops_on)

    def _novelties(self, executions: Sequence[ToolExecution], *, needed: bool) -> list[float]:
        """Taking results apart costs time: it is put off until a call repeats an earlier one."""
        if not needed:
            self._results += executions
            return [0.0] * len(executions)
        for result in self._results:
            self._evidence.novelty(result.content, result.structured)
        self._results.clear()
        return [self._evidence.novelty(result.content, result.structured) for result in executions]


@dataclass(frozen=True, slots=True)
class Observed:
    """An iteration's calls in the light of the earlier ones."""

    outcomes: tuple[IterationCall, ...]
    looping: bool
    loops_on: bool


def reflect(
    state: AgentState, executions: Sequence[ToolExecution], memory: Memory, tell: Tell
) -> Reflected:
    """Return the state with its new confidence, and guidance where the model needs some."""
    seen = memory.add(executions)
    guidance = GUIDANCE["loop_detected"] if seen.looping and not seen.loops_on else ""
    if memory.with_reflexion:
        reflection = reflect_on(state.confidence, seen.outcomes, looping=seen.looping)
        state = state.with_confidence(reflection.confidence)
        guidance = guidance or (reflection.guidance if reflection.assessment == "stuck" else "")
        tell(
            AgentReflected(
                data=Assessed(
                    iteration=state.iteration,
                    assessment=reflection.assessment,
                    confidence_delta=reflection.delta,
                    new_confidence=reflection.confidence,
                    novelty=reflection.novelty,
                    guidance=guidance,
                )
            )
        )
    if guidance:
        state = state.with_message(Message.system(guidance))
    return Reflected(state, seen.loops_on)

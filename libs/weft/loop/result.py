"""What an agent hands back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeVar

from weft.core import Claim, Interrupt, JsonObject, JsonValue, Message, Reason, Result
from weft.core.result import ResultStatus
from weft.loop.output import ParsedOutput
from weft.loop.state import AgentState, ReasoningStep
from weft.loop.terminate import OUT_OF_RESOURCES, Stop
from weft.loop.tool_claims import Findings, findings
from weft.models.base import GeneratedBy
from weft.termination import StopReason
from weft.tools import ToolExecution

T = TypeVar("T")

OUTPUT_INVALID = "output_invalid"
CODES: Mapping[StopReason, str] = {
    "deadline": "deadline_exceeded",
    "token_budget": "budget_exhausted",
    "cost_budget": "budget_exhausted",
}
"""Stop reasons that have another name everywhere else in the mesh."""


@dataclass(frozen=True, slots=True)
class RunError:
    """Why a run failed; free of stack traces and secrets."""

    code: str
    message: str
    retryable: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecutionMetrics:
    """What a run took, children included."""

    iterations: int
    tool_calls: int
    tool_errors: int
    total_tokens: int
    prompt_tokens: int
    completion_tokens: int
    cache_read_tokens: int
    cache_creation_tokens: int
    cost_usd: float | None
    duration_ms: float
    reflexion_evaluations: int = 0

    @property
    def tools_success_rate(self) -> float:
        """Return the share of calls that succeeded; 1 without calls."""
        return 1 - self.tool_errors / self.tool_calls if self.tool_calls else 1.0

    @property
    def tokens_per_iteration(self) -> float:
        return self.total_tokens / self.iterations if self.iterations else 0.0


@dataclass(frozen=True, kw_only=True)
class AgentResult:
    """How a run ended, and with what."""

    message: str
    state: AgentState
    stop: Stop
    run_id: str
    thread_id: str | None = None
    generated_by: GeneratedBy = "model"
    output: ParsedOutput | None = None
    """The answer in the form that was asked for; None where none was, or none came."""
    replaced: Reason | None = None
    """Why rules answered in place of a model that was asked; None where nobody had to."""
    started_at: float = 0.0
    completed_at: float = 0.0
    duration_ms: float = 0.0

    @property
    def text(self) -> str:
        return self.message

    @property
    def stop_reason(self) -> StopReason:
        return self.stop.reason

    @property
    def stop_explanation(self) -> str:
        return self.stop.explanation

    @property
    def success(self) -> bool:
        return self.stop.success and bool(self.message)

    @property
    def error(self) -> RunError | None:
        error = self.stop.error
        if error is None:
            return None
        return RunError(error.code, error.message, self.stop.retryable)

    @property
    def interrupt(self) -> Interrupt | None:
        return next(iter(self.stop.interrupts), None)

    @property
    def parsed(self) -> object:
        """Return the answer in the type of `output_schema`; None if it has not that form."""
        return None if self.output is None else self.output.value

    @property
    def parse_error(self) -> str | None:
        """Return why the answer has not the form that was asked for."""
        error = self.stop.error
        return error.message if error is not None and error.code == OUTPUT_INVALID else None

    def parsed_as(self, kind: type[T]) -> T:
        """Return the parsed answer.

        Raises:
            ValueError: Nothing was parsed; it says why.
            TypeError: It is of another type.
        """
        if self.output is None:
            why = self.parse_error or f"no answer was parsed; the run ended with {self.stop_reason}"
            raise ValueError(why)
        if not isinstance(self.parsed, kind):
            other = type(self.parsed).__name__
            raise TypeError(f"the answer is a {other}, not a {kind.__name__}")
        return self.parsed

    @cached_property
    def findings(self) -> Findings:
        """Return the claims of the run's tools with what they rest on."""
        return findings(self.state.tool_executions)

    @property
    def claims(self) -> tuple[Claim, ...]:
        return self.findings.claims

    @property
    def metrics(self) -> ExecutionMetrics:
        state = self.state
        return ExecutionMetrics(
            iterations=state.iteration,
            tool_calls=state.tool_calls,
            tool_errors=sum(not execution.ok for execution in state.tool_executions),
            total_tokens=state.total_tokens_used,
            prompt_tokens=state.prompt_tokens_used,
            completion_tokens=state.completion_tokens_used,
            cache_read_tokens=state.cache_read_tokens_used,
            cache_creation_tokens=state.cache_creation_tokens_used,
            cost_usd=state.cost_usd_used,
            duration_ms=self.duration_ms,
            reflexion_evaluations=len(state.confidence_history),
        )

    @property
    def confidence(self) -> float:
        return self.state.confidence

    @property
    def iterations(self) -> int:
        return self.state.iteration

    @property
    def messages(self) -> Sequence[Message]:
        return self.state.messages

    @property
    def tool_executions(self) -> Sequence[ToolExecution]:
        return self.state.tool_executions

    @property
    def reasoning_steps(self) -> Sequence[ReasoningStep]:
        return self.state.reasoning_steps

    @property
    def last_assistant_message(self) -> Message | None:
        return self.state.last_assistant_message

    def to_dict(self) -> JsonObject:
        """Return plain JSON; each message stands in it once, inside the state."""
        error = self.error
        return {
            "run_id": self.run_id,
            "thread_id": self.thread_id,
            "message": self.message,
            "stop_reason": self.stop_reason,
            "stop_explanation": self.stop_explanation,
            "success": self.success,
            "error": None if error is None else {"code": error.code, "message": error.message},
            "interrupt": None if self.interrupt is None else self.interrupt.to_json(),
            "claims": [claim.to_json() for claim in self.claims],
            "parsed": None if self.output is None else self.output.data,
            "parse_error": self.parse_error,
            "generated_by": self.generated_by,
            "started_at": self.started_at,
            "completed_at": self.completed_at,
            "duration_ms": self.duration_ms,
            "state": self.state.to_checkpoint(),
        }


def as_peer_result(result: AgentResult) -> Result:
    """Return the same in the words of peers; what is no success has at least one reason."""
    status = _status(result)
    data: JsonValue = None
    findings = result.findings
    reasons = findings.reasons if result.replaced is None else (result.replaced, *findings.reasons)
    if status != "completed":
        reasons = (_why(result), *reasons)
    elif result.output is not None:
        data = result.output.data
    elif findings.fruitless:
        # Said aloud, so that nobody takes the words around it for a finding.
        data = {"claims": []}
    return Result(
        status=status,
        text=result.message,
        data=data,
        artifacts=findings.artifacts,
        claims=findings.claims,
        usage=result.state.usage,
        reasons=reasons,
        partial=status == "failed" and bool(result.message or findings.claims),
        interrupts=result.stop.interrupts,
        generated_by=result.generated_by,
        stop_reason=result.stop_reason,
    )


def _status(result: AgentResult) -> ResultStatus:
    if result.stop_reason == "interrupted":
        return "interrupted"
    if result.stop_reason == "canceled":
        return "canceled"
    return "completed" if result.success else "failed"


def _why(result: AgentResult) -> Reason:
    error = result.error
    if error is not None:
        return Reason(code=error.code, message=error.message, retryable=error.retryable)
    explanation = result.stop_explanation or f"the agent stopped: {result.stop_reason}"
    if result.stop_reason in OUT_OF_RESOURCES:
        explanation = f"nothing was left for another call: {explanation}"
    return Reason(code=CODES.get(result.stop_reason, result.stop_reason), message=explanation)

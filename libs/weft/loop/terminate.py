"""When a run stops, and why: builds `Progress`, evaluates the conditions, picks the reason."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

from weft.core import Interrupt, Message
from weft.core.contained import contained_call
from weft.core.errors import CanceledError, FencedError, StoreUnavailableError, WeftError
from weft.events import ErrorData
from weft.loop.config import AgentConfig
from weft.loop.events import AgentInterrupted, AgentTerminated, InterruptData, Termination
from weft.loop.state import AgentState
from weft.runs import Journal
from weft.termination import (
    GO_ON,
    SUCCESSES,
    BudgetExhausted,
    Condition,
    ConfidenceMet,
    CustomCondition,
    DeadlineReached,
    MaxIterations,
    Or,
    Progress,
    StopCause,
    StopReason,
    TimeLimit,
    ToolCalled,
    stop_reason,
)
from weft.tools import Tool
from weft.tools.builtin import TERMINAL
from weft.tools.threads import in_thread

OUT_OF_RESOURCES: frozenset[StopReason] = frozenset(
    {"token_budget", "cost_budget", "time_budget", "deadline"}
)
LIMITS = BudgetExhausted() | DeadlineReached()
"""What a model call must not start under."""


@dataclass(frozen=True, slots=True)
class Stop:
    """Why a run ended."""

    reason: StopReason
    explanation: str = ""
    error: ErrorData | None = None
    retryable: bool = False
    interrupts: tuple[Interrupt, ...] = ()
    cause: WeftError | None = None

    @property
    def success(self) -> bool:
        return self.reason in SUCCESSES

    def lost_to(self, journal: Journal) -> WeftError | None:
        """Return the error after which a durable run belongs to its next owner."""
        gone = isinstance(self.cause, FencedError | StoreUnavailableError)
        return self.cause if gone and journal.held is not None else None


@dataclass(frozen=True, slots=True)
class Moment(Progress):
    """Progress as the built-in rules see it."""

    loops_on: bool = False
    """The run repeats itself though it was warned."""


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Answered(Condition):
    """Holds once the model answered instead of calling tools."""

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        answered = progress.last_had_calls is False and bool(progress.last_text)
        return frozenset({StopCause("complete", self)}) if answered else GO_ON


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class ToolLoop(Condition):
    """Holds once the model repeats itself though it was warned."""

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        looping = isinstance(progress, Moment) and progress.loops_on
        return frozenset({StopCause("tool_loop", self)}) if looping else GO_ON


def ends_run(tool: Tool, config: AgentConfig) -> bool:
    """Tell whether a success of `tool` is the end."""
    return tool.name in config.terminal_tools or TERMINAL in tool.labels


def reminder(names: Sequence[str]) -> Message:
    """Return what a model is told that answers where only a call of one of `names` ends its task."""
    return Message.system(
        "The task ends only with a call of " + " or ".join(names) + ". Go on, or make it."
    )


def stop_condition(config: AgentConfig, tools: Iterable[Tool]) -> Condition:
    """Return the user's condition, then the built-in rules, as one."""
    rules: list[Condition] = [] if config.termination is None else [config.termination]
    rules += [
        ToolCalled(tool.name, require_success=True) for tool in tools if ends_run(tool, config)
    ]
    if config.completion_mode == "auto":
        rules += [Answered(), ToolLoop()]
        if config.reflexion_config is not None:
            rules.append(ConfidenceMet(config.reflexion_config.threshold))
    if config.time_budget_seconds is not None:
        rules.append(TimeLimit(config.time_budget_seconds))
    return Or(*rules, MaxIterations(config.max_iterations), LIMITS)


async def terminate(condition: Condition, progress: Progress) -> Stop | None:
    """Return why the run stops now; None if it goes on. Custom conditions run in a thread."""
    try:
        if any(isinstance(leaf, CustomCondition) for leaf in condition.leaves()):
            causes = await in_thread(partial(contained_call, partial(condition.reasons, progress)))
        else:
            causes = condition.reasons(progress)
    except WeftError as error:
        return failed(error)
    return stopped(condition, causes)


def stopped(condition: Condition, causes: frozenset[StopCause]) -> Stop | None:
    """Return the stop that `causes` stands for."""
    return Stop(stop_reason(causes), condition.explain(causes)) if causes else None


def failed(error: WeftError) -> Stop:
    """Return the stop of a run that an error ended."""
    if isinstance(error, CanceledError):
        return Stop("canceled", str(error))
    data = ErrorData(code=error.code, message=str(error))
    return Stop("error", str(error), error=data, retryable=error.retryable, cause=error)


def terminal_event(state: AgentState, stop: Stop, message: str) -> AgentTerminated:
    usage = state.usage
    return AgentTerminated(
        data=Termination(
            reason=stop.reason,
            explanation=stop.explanation,
            iterations_used=state.iteration,
            final_confidence=state.confidence,
            total_tool_calls=state.tool_calls,
            final_message=message,
            usage=usage,
            total_tokens=usage.total_tokens,
            error=stop.error,
        )
    )


def interrupt_event(interrupt: Interrupt) -> AgentInterrupted:
    return AgentInterrupted(
        data=InterruptData(
            interrupt_id=interrupt.id,
            reason=interrupt.reason,
            question=interrupt.message,
            options=interrupt.options,
            response_schema=interrupt.response_schema,
            tool_call_id=interrupt.tool_call_id,
        )
    )

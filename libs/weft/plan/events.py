"""What a plan's steps tell."""

from typing import Literal

from weft.core import NO_USAGE, JsonObject, Reason, Usage
from weft.events import Data, Event

__all__ = ["Compiled"]


class Compiled(Data):
    """The plan, and how many nodes it has."""

    plan: JsonObject
    step_count: int


class PlanCompiled(Event, frozen=True):
    """The run's plan stands; nothing of it has started."""

    type: Literal["plan.compiled"] = "plan.compiled"
    data: Compiled


class StepStart(Data):
    """Who is asked, for which time, under which message id."""

    kind: str
    peer: str | None = None
    attempt: int = 1
    task_id: str | None = None


class StepStarted(Event, frozen=True):
    """A peer is asked."""

    type: Literal["plan.step.started"] = "plan.step.started"
    data: StepStart


class StepRetry(Data):
    """Which attempt comes next, and why."""

    kind: str
    peer: str | None = None
    attempt: int
    delay_seconds: float = 0.0
    reason: str = ""


class StepRetried(Event, frozen=True):
    """An attempt failed and another one follows."""

    type: Literal["plan.step.retried"] = "plan.step.retried"
    data: StepRetry


class StepOutcome(Data):
    """What came of it, and what it took."""

    kind: str
    peer: str | None = None
    attempt: int = 1
    output_preview: str = ""
    usage: Usage = NO_USAGE
    duration_ms: float = 0.0
    partial: bool = False


class StepFinished(Event, frozen=True):
    """A step completed; it never runs again."""

    type: Literal["plan.step.finished"] = "plan.step.finished"
    data: StepOutcome


class StepEnd(Data):
    """Why there is no result, and what was spent on it."""

    kind: str
    peer: str | None = None
    attempt: int = 1
    reasons: tuple[Reason, ...] = ()
    usage: Usage = NO_USAGE
    duration_ms: float = 0.0


class StepFailed(Event, frozen=True):
    """A step failed for good."""

    type: Literal["plan.step.failed"] = "plan.step.failed"
    data: StepEnd


class StepSkipped(Event, frozen=True):
    """A step was not needed, or what it needs is missing."""

    type: Literal["plan.step.skipped"] = "plan.step.skipped"
    data: StepEnd


class StepCanceled(Event, frozen=True):
    """A step was stopped before its end."""

    type: Literal["plan.step.canceled"] = "plan.step.canceled"
    data: StepEnd

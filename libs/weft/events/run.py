"""What the store and the engine tell of a run as a whole."""

from typing import Literal

from pydantic import JsonValue

from weft.core import NO_USAGE, Budget, JsonObject, Record, Usage
from weft.events.base import Data, Event


class ErrorData(Record):
    """Why a run failed, for its owner's eyes."""

    code: str
    message: str


class Output(Record):
    """What a run answered."""

    text: str = ""
    data: JsonValue = None


class Acceptance(Data):
    """What was asked, by whom, within which limits."""

    input_preview: str = ""
    input: JsonValue = None
    subject: str
    agent: str | None = None
    protocol: str | None = None
    deadline_s: float | None = None
    budget: Budget | None = None
    on_conflict: str | None = None


class RunAccepted(Event, frozen=True):
    """A run is durable; from now on it belongs to the mesh."""

    type: Literal["run.accepted"] = "run.accepted"
    data: Acceptance


class Ownership(Data):
    """Who holds the run, under which epoch."""

    owner: str
    epoch: int


class RunStarted(Event, frozen=True):
    """The run's first owner took it."""

    type: Literal["run.started"] = "run.started"
    data: Ownership


class Recovery(Data):
    """Who took a run over, from whom, and how much is not done again."""

    owner: str
    epoch: int
    previous_owner: str
    steps_done: int


class RunRecovered(Event, frozen=True):
    """A dead owner's run goes on with a new one."""

    type: Literal["run.recovered"] = "run.recovered"
    data: Recovery


class Resumption(Data):
    """Why the run goes on, and with whom."""

    cause: Literal["answered", "recovered", "released"]
    owner: str
    epoch: int
    interrupt_ids: tuple[str, ...] = ()


class RunResumed(Event, frozen=True):
    """The run goes on after a wait or with another owner."""

    type: Literal["run.resumed"] = "run.resumed"
    data: Resumption


class Interruption(Data):
    """Which questions are open."""

    interrupt_ids: tuple[str, ...]


class RunInterrupted(Event, frozen=True):
    """The run waits for somebody outside; nobody holds it."""

    type: Literal["run.interrupted"] = "run.interrupted"
    data: Interruption


class Canceling(Data):
    """Who asked for the end, why, and the grace in seconds."""

    requested_by: str
    reason: str
    grace_s: float


class RunCanceling(Event, frozen=True):
    """Somebody asked the run to stop; no new effect starts."""

    type: Literal["run.canceling"] = "run.canceling"
    data: Canceling


class Completion(Data):
    """The answer, and what it took."""

    output: Output
    output_preview: str = ""
    stop_reason: str | None = None
    usage: Usage = NO_USAGE
    duration_ms: float = 0.0


class RunCompleted(Event, frozen=True):
    """The run ended with success."""

    type: Literal["run.completed"] = "run.completed"
    data: Completion


class RunFailure(Data):
    """The error, what was achieved, and what it took."""

    error: ErrorData
    stop_reason: str | None = None
    output: Output | None = None
    output_preview: str = ""
    usage: Usage = NO_USAGE
    duration_ms: float = 0.0


class RunFailed(Event, frozen=True):
    """The run ended without success; partial work stays in `output`."""

    type: Literal["run.failed"] = "run.failed"
    data: RunFailure


class Cancellation(Data):
    """What was done, and what is unknown."""

    report: JsonObject
    usage: Usage = NO_USAGE
    duration_ms: float = 0.0


class RunCanceled(Event, frozen=True):
    """The run was stopped; the report says what was done, and what is unknown."""

    type: Literal["run.canceled"] = "run.canceled"
    data: Cancellation


class Expiry(Data):
    """What ran out."""

    cause: Literal["deadline", "interrupt", "queue"]
    usage: Usage = NO_USAGE
    duration_ms: float = 0.0


class RunExpired(Event, frozen=True):
    """The run's time was over before it ended."""

    type: Literal["run.expired"] = "run.expired"
    data: Expiry

"""What the store tells of questions to people, and of threads that were deleted."""

from typing import Literal

from weft.core import JsonObject
from weft.events.base import Data, Event


class InterruptRequest(Data):
    """A question as it was put, and until when it can be answered."""

    interrupt_id: str
    reason: str
    message: str = ""
    response_schema: JsonObject | None = None
    options: tuple[str, ...] = ()
    url: str | None = None
    approver_scope: str | None = None
    expires_at: str | None = None
    tool_call_id: str | None = None


class InterruptRequested(Event, frozen=True):
    """The run put a question to somebody outside."""

    type: Literal["interrupt.requested"] = "interrupt.requested"
    data: InterruptRequest


class Resolution(Data):
    """Who answered what, or that nobody needs to any more."""

    interrupt_id: str
    status: Literal["resolved", "canceled"]
    resolved_by: str
    payload_preview: str = ""


class InterruptResolved(Event, frozen=True):
    """A question was answered, or closed because its run was told to stop."""

    type: Literal["interrupt.resolved"] = "interrupt.resolved"
    data: Resolution


class Lapse(Data):
    """Which question's time was over."""

    interrupt_id: str


class InterruptExpired(Event, frozen=True):
    """Nobody answered in time."""

    type: Literal["interrupt.expired"] = "interrupt.expired"
    data: Lapse


class Deletion(Data):
    """Which thread is gone."""

    thread_id: str


class ThreadDeleted(Event, frozen=True):
    """The run ended in a thread that had been deleted meanwhile; nothing of it is kept."""

    type: Literal["thread.deleted"] = "thread.deleted"
    data: Deletion

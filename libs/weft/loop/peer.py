"""A peer: anything that takes a task and yields events and a result."""

from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from weft.core import Authority, JsonObject, JsonValue, Message, Parts, Path, Result, text_of
from weft.events import Event
from weft.runs import Journal
from weft.tools import Tool


@dataclass(frozen=True, slots=True)
class Task:
    """What a peer is asked to do, and with what authority."""

    parts: Parts
    """What is said: text, and what comes with it."""
    message_id: str
    """Equal for every transport retry of one attempt, so a peer can deduplicate."""
    authority: Authority = field(default_factory=Authority)
    metadata: JsonObject = field(default_factory=dict)
    history: tuple[Message, ...] = ()
    """Earlier turns of the thread, where the caller hands them on."""
    capability: str | None = None
    """Which of its skills the peer is asked for: `<service>/<skill>` by a caller, the skill's own
    id where it arrives. A peer that serves several tells them apart by it."""
    role: str | None = None
    grants: tuple[Tool, ...] = ()
    """Tools of the caller's that the peer may use beside its own."""
    output_schema: JsonObject | None = None
    path: Path = ()
    """Where in the caller's run the task stands; a peer's own events do not repeat it."""
    thread_id: str | None = None
    answers: JsonObject = field(default_factory=dict)
    """Answers to the peer's open interrupts, by interrupt id: the task goes on instead of anew.

    One that came as a message of several parts, or with a file, is `{"parts": [...]}`."""
    journal: Journal | None = None
    """Set when the task is a durable run of this process: the peer writes here, claims nothing
    and ends nothing."""

    @property
    def prompt(self) -> str:
        """What is said in words."""
        return text_of(self.parts)

    @property
    def arguments(self) -> JsonObject:
        """The members of all objects among the parts; of two with one name the later."""
        arguments: JsonObject = {}
        for part in self.parts:
            if isinstance(part.data, dict):
                arguments.update(part.data)
        return arguments


class PeerRun(Protocol):
    """A task under way: iterate over its events, await its result, or cancel it.

    Awaiting without iterating discards the events. Iterating to the end, then awaiting, returns
    at once. A failure is a `Result`, never an exception; cancelling the awaiting task cancels the
    work.
    """

    def __aiter__(self) -> AsyncIterator[Event]: ...

    def __await__(self) -> Generator[object, None, Result]: ...

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        """Ask for the end and return the report of outcomes, as far as it is known."""
        ...


class Peer(Protocol):
    """An agent here, a remote agent, a pattern or a whole mesh: callers never know which."""

    @property
    def name(self) -> str: ...

    def start(self, task: Task) -> PeerRun: ...


@runtime_checkable
class Replayable(Peer, Protocol):
    """A peer that can walk a task again over what is recorded of it."""

    def replay(self, task: Task) -> PeerRun:
        """Return a walk of `task` over its journal, a `ReplayJournal`; nobody and nothing is called."""
        ...

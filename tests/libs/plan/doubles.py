"""A journal and peers that keep their contracts within the process."""

from collections.abc import AsyncIterator, Awaitable, Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field

import anyio

from weft.catalog import Capability
from weft.core import JsonObject, JsonValue, Path, Principal, Result, RunId
from weft.core.protocol_errors import PeerUnavailableError
from weft.events import Event
from weft.loop import Task
from weft.plan import Interpreter, PickedPeer, StepPatience, Target
from weft.runs import LocalJournal

RUN_ID = RunId("0123456789abcdef0123456789abcdef")
Answer = Result | Callable[[Task], Result | Awaitable[Result]]


class Journal(LocalJournal):
    """Remembers what was recorded one by one, and every event."""

    def __init__(self, steps: Mapping[Path, JsonObject] | None = None) -> None:
        self.events: list[Event] = []
        super().__init__(run_id=RUN_ID, tell=self.events.append)
        self._steps.update(steps or {})
        self.commits: list[Path] = []

    async def record(
        self, path: Path, outcome: JsonObject, events: Sequence[Event] = ()
    ) -> JsonObject:
        self.commits.append(path)
        # A commit takes a moment, in which other branches go on.
        await anyio.lowlevel.checkpoint()
        return await super().record(path, outcome, events)

    def types(self) -> list[str]:
        return [event.type for event in self.events]


@dataclass
class FakeRun:
    task: Task
    answer: Answer
    events: Sequence[Event] = ()
    canceled: str | None = None

    async def __aiter__(self) -> AsyncIterator[Event]:
        for event in self.events:
            yield event

    def __await__(self) -> Generator[object, None, Result]:
        return self._result().__await__()

    async def _result(self) -> Result:
        if isinstance(self.answer, Result):
            return self.answer
        found = self.answer(self.task)
        return found if isinstance(found, Result) else await found

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        # To tell a peer takes a moment.
        await anyio.lowlevel.checkpoint()
        self.canceled = reason
        return {"status": "canceled", "grace_s": grace_s}


@dataclass
class FakePeer:
    """Gives its answers in turn, the last one for ever."""

    name: str
    answers: list[Answer]
    events: Sequence[Event] = ()
    tasks: list[Task] = field(default_factory=list)
    runs: list[FakeRun] = field(default_factory=list)

    def start(self, task: Task) -> FakeRun:
        answer = self.answers[min(len(self.tasks), len(self.answers) - 1)]
        self.tasks.append(task)
        run = FakeRun(task, answer, self.events)
        self.runs.append(run)
        return run


def interpreter(peers: "Peers", journal: LocalJournal, **options: object) -> Interpreter:
    """Return an interpreter that does not wait between attempts."""
    return Interpreter(peers, journal, pace=StepPatience(0, 0), **options)  # type: ignore[arg-type]


class Peers:
    """A peer per capability, role or name."""

    def __init__(self, **peers: FakePeer | Answer) -> None:
        self.by_name = {
            name: peer if isinstance(peer, FakePeer) else FakePeer(name, [peer])
            for name, peer in peers.items()
        }
        self.targets: list[Target] = []
        self.principals: list[Principal] = []
        self.safe = False
        """Whether every peer is free of effects."""
        self.offered: dict[str, Capability] = {}
        """What is said of capabilities that calls are granted."""

    def pick(self, target: Target, principal: Principal) -> PickedPeer:
        self.targets.append(target)
        self.principals.append(principal)
        wanted = str(target.peer or target.capability or target.role)
        peer = self.by_name.get(wanted)
        if peer is None:
            raise PeerUnavailableError(f"nobody offers {wanted!r}")
        return PickedPeer(peer, effects="none" if self.safe else "unknown")

    def describe(self, capability: str, principal: Principal) -> Capability | None:
        self.principals.append(principal)
        return self.offered.get(capability)

    def bound(self, target: Target) -> bool:
        return target.peer in self.by_name

    def __getitem__(self, name: str) -> FakePeer:
        return self.by_name[name]


def done(text: str = "ok", **fields: object) -> Result:
    return Result.model_validate({"status": "completed", "text": text, **fields})


def failed(code: str = "peer_failed", *, retryable: bool = False) -> Result:
    return Result.failed(code, f"it is {code}", retryable=retryable)

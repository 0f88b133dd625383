"""The contracts of a durable database: runs with their steps and events, and threads.

Every backend passes `weft.testing.RunStoreContract` and `weft.testing.CheckpointerContract`; a
rule that is not tested there is not part of these interfaces. Reads and client calls take a
principal: what is absent and what is another's raise the same `NotFoundError`. Every write may be
repeated with equal effect, because the acknowledgement of a commit can be lost.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from weft.checkpoint.backlog import Backlog
from weft.checkpoint.book import BookEntry
from weft.checkpoint.inbound import Answers, Inbound, Received
from weft.checkpoint.steps import Recorded, StepWrite
from weft.core import (
    NO_USAGE,
    SYSTEM_CLOCK,
    Authority,
    Deadline,
    Interrupt,
    JsonObject,
    Path,
    Principal,
    RunId,
    TraceContext,
    Usage,
)
from weft.events import Envelope, Event

RunStatus = Literal[
    "queued", "running", "interrupted", "canceling", "completed", "failed", "canceled", "expired"
]
TerminalStatus = Literal["completed", "failed", "canceled", "expired"]
OnBusy = Literal["reject", "enqueue", "overtake", "alongside", "interrupt", "rollback", "take_over"]
"""What a new run does about the open runs of its thread: `enqueue` waits for all of them,
`overtake` for those at work but not for one that waits for a person, `alongside` for none;
`reject` waits behind one whose lease ended; `take_over`, for owners that nobody else recovers for,
ends such a run of the same operation as failed (`owner_lost`)."""
Durability = Literal["strong", "weak", "none"]
TERMINAL: frozenset[str] = frozenset({"completed", "failed", "canceled", "expired"})
LEASE_SECONDS = 3.0


@dataclass(frozen=True, slots=True)
class Held:
    """A run's claim: every write of an owner carries it and fails once it is stale."""

    run_id: RunId
    epoch: int


@dataclass(frozen=True, slots=True)
class ThreadKey:
    """A conversation; the same `thread_id` of two subjects names two threads."""

    tenant: str
    subject: str
    thread_id: str


@dataclass(frozen=True, slots=True)
class NewRun:
    """A request about to become durable."""

    run_id: RunId
    authority: Authority
    """Of whoever asks; its deadline becomes one of the database's clock."""
    operation: str
    """What the key is unique within, such as `run` or `a2a.send`."""
    idem_key: str
    body_hash: str
    """SHA-256 of the validated request: the same key with another hash is refused."""
    thread_id: str
    request: JsonObject
    accepted: Event
    """The `run.accepted` event."""


@dataclass(frozen=True, slots=True)
class Run:
    """A run as last committed."""

    run_id: RunId
    tenant: str
    subject: str
    scopes: frozenset[str]
    operation: str
    thread_id: str
    request: JsonObject
    status: RunStatus
    epoch: int
    owner: str | None
    last_seq: int
    root_id: str
    terms: JsonObject = field(default_factory=dict)
    """What of its authority no other field says, as `Authority.terms` wrote it."""
    trace_id: str | None = None
    interrupts: tuple[Interrupt, ...] = ()
    cancel: JsonObject | None = None
    """Who asked for the end, why, when, and the grace in seconds."""
    result: JsonObject | None = None
    """A `Result`, from the terminal status on."""
    error: JsonObject | None = None
    remaining_s: float | None = None
    """Seconds to the deadline when it was read, by the database's clock."""
    read_at: float = field(default_factory=SYSTEM_CLOCK.monotonic, compare=False)
    """The same moment by the clock of this process."""
    created_at: float = 0.0
    """Seconds since the Unix epoch, by the database's clock, like the two below."""
    started_at: float | None = None
    updated_at: float = 0.0
    pruned: bool = False
    """It ended so long ago that only this row of it is kept."""

    @property
    def terminal(self) -> bool:
        return self.status in TERMINAL

    @property
    def principal(self) -> Principal:
        return Principal(tenant=self.tenant, subject=self.subject, scopes=self.scopes)

    @property
    def trace(self) -> TraceContext | None:
        header = self.terms.get("traceparent")
        return TraceContext.read(header) if isinstance(header, str) else None

    def authority(self) -> Authority:
        """Return what whoever works for the run may do."""
        left = self.remaining_s
        held = Authority(
            principal=self.principal,
            deadline=None if left is None else Deadline(self.read_at + left),
            root_id=self.root_id,
        )
        return held.with_terms(self.terms)


class LogState(NamedTuple):
    """How far a run's log is."""

    last_seq: int
    """The number of its last event."""
    settled: bool
    """Whether the run has ended, or waits for a person."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A run that is now ours, with what its earlier owners finished."""

    held: Held
    run: Run
    steps: Mapping[Path, JsonObject]
    events: tuple[Envelope, ...] = ()
    """What the claim itself told (`run.started`, or `run.recovered` and `run.resumed`), and then
    what its prepared step did."""
    thread_version: int | None = None
    """That of its thread, 0 for none yet; None of a run that was claimed as it was accepted."""


Prepare = Callable[[Run], StepWrite | None]
"""Makes a run's first step from the run alone, or nothing. It must be pure: it is called inside the
commit of the claim, on any thread, and may be called again."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The run of a request; `replayed` when its key had made it before."""

    run: Run
    replayed: bool
    events: tuple[Envelope, ...] = ()
    claimed: Claimed | None = None
    """Set when the accepting process asked to own it and the run was new."""


@dataclass(frozen=True, slots=True)
class Turn:
    """Messages that enter a thread in the commit that ends their run."""

    key: ThreadKey
    entries: tuple[bytes, ...]
    expected: int
    """The thread's version they build on."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ends; `events` precede the terminal event, which the caller provides last."""

    status: TerminalStatus
    result: JsonObject
    error: JsonObject | None = None
    steps: tuple[StepWrite, ...] = ()
    """Written in the same commit, and refused unless each stored outcome is the one given."""
    turn: Turn | None = None
    events: tuple[Event, ...] = ()
    recorded: Mapping[Path, JsonObject] = field(default_factory=dict)
    """Steps that are stored already: what of the result stands there is not kept again."""
    book: tuple[BookEntry, ...] = ()
    """What it says of protocols, where outcomes are kept."""


@dataclass(frozen=True, slots=True)
class Renewal:
    """What a renewal found."""

    lost: frozenset[RunId]
    canceling: Mapping[RunId, JsonObject] = field(default_factory=dict)
    """Held runs that somebody asked to stop, with `Run.cancel`."""


class RunStore(ABC):
    """Keeps runs with their steps, events and owners."""

    @property
    @abstractmethod
    def durability(self) -> Durability:
        """What survives: `strong` keeps every acknowledged write through a power loss."""

    @abstractmethod
    async def accept(
        self,
        new: NewRun,
        *,
        on_busy: OnBusy,
        owner: str | None = None,
        prepare: Prepare | None = None,
    ) -> Accepted:
        """Commit `new` with event 1, or return the run its key made before.

        With `owner` (and a run that need not wait for its thread) the same commit claims it, as
        `claim` does.

        Raises:
            IdempotencyKeyReusedError: The key belongs to something else.
            ThreadBusyError: `reject` or `take_over`, and a run of the thread lives.
            ThreadInterruptedError: The thread's run waits for a person, and the new one would
                wait for it.
            QueueFullError: `enqueue` or `overtake`, and 16 runs wait for the thread.
            StoreFullError: There is no room.
        """

    @abstractmethod
    async def claim(
        self,
        owner: str,
        operations: Collection[str],
        *,
        limit: int,
        prepare: Prepare | None = None,
        run_id: RunId | None = None,
    ) -> list[Claimed]:
        """Take up to `limit` claimable runs: queued ones, and those whose lease ended.

        Runs of other `operations` are another owner's, who may share the database. With `run_id` no
        other run is taken, nor looked at. What `prepare` makes of a run without a step is written
        with the claim; a step that no database keeps is not.

        A run past its deadline is ended as `expired` (`canceled` when it was canceling) and one
        that lost five leases without a new step as `failed` with code `poison`, here.
        """

    @abstractmethod
    async def renew(self, held: Sequence[Held]) -> Renewal:
        """Extend the leases by `LEASE_SECONDS` from now, by the database's clock."""

    @abstractmethod
    async def release(self, held: Held) -> None:
        """End the lease; the run is claimable at once.

        Raises:
            FencedError: The claim is stale.
        """

    @abstractmethod
    async def append(self, held: Held, batch: int, events: Sequence[Event]) -> tuple[Envelope, ...]:
        """Add `events` with the next numbers; `batch` is the epoch's last one plus 1, from 1.

        The same batch again writes nothing and returns ().

        Raises:
            FencedError: The claim is stale, or the run has ended.
            BatchGapError: A batch was skipped.
        """

    @abstractmethod
    async def record_step(self, held: Held, step: StepWrite) -> Recorded:
        """Insert the step's outcome with its events, or adopt what is there.

        Raises:
            FencedError: The claim is stale, or the run has ended.
        """

    @abstractmethod
    async def finish(self, held: Held, ending: Ending) -> tuple[Envelope, ...]:
        """End the run; its last event is the last one it will ever have.

        Repeated with the same claim it returns () and changes nothing. From `canceling` only
        `canceled` is taken.

        Raises:
            FencedError: The claim is stale, or a step's stored outcome differs.
            StaleThreadError: The turn builds on another version.
            CanceledError: The run is canceling and the ending is not `canceled`.
        """

    @abstractmethod
    async def park(
        self,
        held: Held,
        interrupts: Sequence[Interrupt],
        events: Sequence[Event],
        *,
        spent: Usage = NO_USAGE,
    ) -> tuple[Envelope, ...]:
        """Leave the run `interrupted`: no owner, no lease; its result says what it `spent` so far.

        Behind `events` the store tells each question (`interrupt.requested`), and at last that the
        run waits (`run.interrupted`).

        Raises:
            FencedError: The claim is stale.
        """

    @abstractmethod
    async def resume(
        self,
        principal: Principal,
        run_id: RunId,
        answers: Answers,
        message: Inbound | None = None,
        *,
        colleague: bool = False,
    ) -> Run:
        """Answer interrupts once each; with none left open the run is `queued` again.

        A `colleague` answers for a run of another subject of the tenant: one that does not wait, or
        never put each of these questions, is absent to it.

        An answer is kept as the step `("interrupt", <id>)`, and told as `interrupt.resolved`; the
        entry of a message as the next step `entry_path`. The same `message` again changes nothing,
        whatever the run has come to since.

        Raises:
            NotFoundError: No such run of this principal.
            InputError: An answer is none that its question takes.
            IdempotencyKeyReusedError: The message's key was used for something else.
            RunNotInterruptedError: It waits for nothing.
            InterruptNotFoundError: It has no such interrupt.
            InterruptAnsweredError: Another answer came first.
            InterruptExpiredError: Its time is over.
        """

    @abstractmethod
    async def cancel(
        self, principal: Principal, run_id: RunId, *, reason: str, grace_s: float
    ) -> Run:
        """Record that the run shall stop; a queued one ends at once, an ended one is unchanged.

        Raises:
            NotFoundError: No such run of this principal.
        """

    @abstractmethod
    async def read(self, principal: Principal, run_id: RunId) -> Run:
        """Return the run.

        Raises:
            NotFoundError: No such run of this principal.
        """

    @abstractmethod
    async def find(self, principal: Principal, operation: str, idem_key: str) -> Run | None:
        """Return the run that this key made, or None."""

    @abstractmethod
    async def received(self, principal: Principal, operation: str, key: str) -> Received | None:
        """Return what is kept of the message to a run of `operation` under `key`, or None."""

    @abstractmethod
    async def events(
        self, principal: Principal, run_id: RunId, *, after: int = 0, limit: int = 1000
    ) -> tuple[Envelope, ...]:
        """Return committed events behind number `after`, in order.

        Raises:
            NotFoundError: No such run of this principal.
            EventsExpiredError: They were pruned.
        """

    @abstractmethod
    async def steps(self, principal: Principal, run_id: RunId) -> Mapping[Path, JsonObject]:
        """Return the outcomes of finished steps.

        Raises:
            NotFoundError: No such run of this principal.
        """

    @abstractmethod
    async def step(self, principal: Principal, run_id: RunId, path: Path) -> JsonObject | None:
        """Return the outcome of one finished step, or None while there is none.

        Raises:
            NotFoundError: No such run of this principal.
        """

    @abstractmethod
    async def thread_runs(self, key: ThreadKey, *, limit: int = 100) -> tuple[Run, ...]:
        """Return the thread's runs, newest first."""

    @abstractmethod
    async def log_states(self, run_ids: Sequence[RunId]) -> Mapping[RunId, LogState]:
        """Return how far the log of each run is, whosever it is, of those that exist."""

    @abstractmethod
    async def backlog(self, operation: str) -> Backlog:
        """Return how many runs of `operation` wait and are under way, whoever asked for them."""


@dataclass(frozen=True, slots=True)
class Thread:
    """A thread's entries, oldest first."""

    version: int
    """The number of entries; 0 is a thread without history."""
    entries: tuple[bytes, ...]
    created_at: float = 0.0
    updated_at: float = 0.0


@dataclass(frozen=True, slots=True)
class Erasing:
    """A deleted run of which its peers may still hold something."""

    run_id: RunId
    tenant: str
    subject: str
    peers: tuple[str, ...]
    """Who was given a part of it; whoever they called knows the run's id too."""
    over: bool = True
    """Whether it ended: until then its owner may not have heard, and give parts of it away."""
    position: int = field(default=0, compare=False)
    """Its place among all runs of the store, by which one reads on behind it."""


class ThreadStore(ABC):
    """Keeps threads, each inside its tenant and subject."""

    @abstractmethod
    async def load(self, key: ThreadKey) -> Thread | None:
        """Return the newest version, or None if it has no history."""

    @abstractmethod
    async def append(
        self, key: ThreadKey, entries: Sequence[bytes], *, expected: int, fence: Held
    ) -> int:
        """Add `entries` on top of version `expected` (0 for a new thread), return the new version.

        Raises:
            StaleThreadError: `expected` is not the newest version.
            FencedError: The claim is stale.
        """

    @abstractmethod
    async def delete(self, key: ThreadKey, *, cancel: bool = False) -> bool:
        """Erase messages, run logs and recorded contents; tell whether there was anything.

        Raises:
            ThreadBusyError: A run of the thread lives and `cancel` is not set.
        """

    @abstractmethod
    async def erasing(
        self, key: ThreadKey | None = None, *, limit: int, after: int = 0
    ) -> tuple[Erasing, ...]:
        """Return deleted runs, of one thread or of all, that peers were not yet rid of.

        Those of all come oldest first, behind the position `after`.
        """

    @abstractmethod
    async def erased(self, run_ids: Sequence[RunId]) -> None:
        """Take note that every peer is rid of these runs."""

    @abstractmethod
    async def rooted(self, principal: Principal, root_ids: Sequence[str]) -> tuple[ThreadKey, ...]:
        """Return the principal's threads in which something was done for these mesh-wide runs."""

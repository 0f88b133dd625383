"""What a transactional backend stores: rows and the statements on them, without any decision.

The rules in `weft.checkpoint.rules` decide, inside one transaction of the backend; whatever raises
there leaves no row changed.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

from weft.checkpoint.base import LEASE_SECONDS, Held, RunStatus, ThreadKey
from weft.checkpoint.text import EventRow

CLOCK_SLACK = 0.25
"""Seconds that a lease may seem to end too late before it counts as left behind by the clock."""


NONE, AT_WORK, ALL = 0, 1, 2


class RunRow(NamedTuple):
    """A run with its request; fields from `status` on change."""

    position: int
    """The order of acceptance; 0 lets the database choose."""
    run_id: str
    tenant: str
    subject: str
    scopes: str
    operation: str
    idem_key: str
    body_hash: str
    thread_id: str
    root_id: str
    trace_id: str | None
    created: float
    waits: int
    """For which older open runs of its thread it waits: for `ALL`, for those `AT_WORK`, or `NONE`,
    and then none waits for it."""
    request: str
    authority: str
    """What of it stands in no other column, as JSON."""
    status: RunStatus
    epoch: int
    owner: str | None
    lease_until: float
    deadline: float | None
    rest: float | None
    """Seconds to the deadline, while the run waits for an answer."""
    interrupts: str
    expires_at: float | None
    """When the first open interrupt's time is over."""
    cancel: str | None
    lost_leases: int
    last_seq: int
    last_batch: int
    result: str | None
    error: str | None
    erased: int
    """1 once its thread was deleted: nobody reads it and nothing it says is kept."""
    started: float | None
    updated: float

    @property
    def key(self) -> ThreadKey:
        return ThreadKey(self.tenant, self.subject, self.thread_id)

    def waits_for(self, other: "RunRow") -> bool:
        """Tell whether `other`, an open run of the same thread, stands in its way."""
        if NONE in (self.waits, other.waits):
            return False
        return self.waits == ALL or other.status != "interrupted"

    def leased(self, now: float) -> bool:
        """Tell whether somebody owns the run; a lease left ahead by the clock is over."""
        if self.status not in ("running", "canceling") or self.owner is None:
            return False
        return now < self.lease_until <= now + LEASE_SECONDS + CLOCK_SLACK


class WorkRow(NamedTuple):
    """How many runs of one principal have one status."""

    tenant: str
    subject: str
    status: RunStatus
    runs: int
    since: float
    """When the first of them came to it."""


class Advance(NamedTuple):
    """A fenced and numbered run."""

    last_seq: int
    updated: float
    tenant: str
    thread_id: str
    trace_id: str | None
    erased: int


class EffectRow(NamedTuple):
    """One attempt at an effect."""

    key: str
    attempt: int
    tenant: str
    scope: str
    scope_id: str
    tool: str
    args_hash: str
    arguments: str
    path: str
    nonce: str
    run_id: str
    epoch: int
    state: str
    """`intended`, `unknown`, `done` or `not_done`."""
    outcome: str | None
    recorded_at: float


class MessageRow(NamedTuple):
    """A client's message to a run, without what it said."""

    tenant: str
    subject: str
    operation: str
    key: str
    run_id: str
    body_hash: str
    received: float


class ThreadRow(NamedTuple):
    """A thread without its entries."""

    number: int
    version: int
    created: float
    updated: float


class Tables(ABC):
    """The rows of one database inside one transaction."""

    @abstractmethod
    def now(self) -> float:
        """Return seconds since the Unix epoch by the database's clock, fixed while it lasts."""

    @abstractmethod
    def run(self, run_id: str) -> RunRow | None: ...

    @abstractmethod
    def run_by_key(
        self, tenant: str, subject: str, operation: str, idem_key: str
    ) -> RunRow | None: ...

    @abstractmethod
    def open_runs(self, key: ThreadKey) -> list[RunRow]:
        """Return the thread's runs that have not ended, oldest first."""

    @abstractmethod
    def thread_runs(self, key: ThreadKey, limit: int) -> list[RunRow]:
        """Return the thread's runs, newest first; a negative limit is none."""

    @abstractmethod
    def rooted_runs(self, tenant: str, subject: str, root_id: str) -> list[RunRow]:
        """Return the principal's runs that work for the mesh-wide run `root_id`."""

    @abstractmethod
    def erasing_runs(self, limit: int) -> list[RunRow]:
        """Return runs that were erased here and not yet everywhere, oldest first."""

    @abstractmethod
    def accepted(self) -> int:
        """Return how many runs were ever inserted."""

    @abstractmethod
    def working(self, operation: str) -> list[WorkRow]:
        """Count the operation's queued, running and canceling runs by principal and status."""

    @abstractmethod
    def last_seqs(self, run_ids: Sequence[str]) -> list[tuple[str, int]]:
        """Return (run_id, last_seq) of those that exist."""

    @abstractmethod
    def claimable(self, operations: frozenset[str], now: float) -> RunRow | None:
        """Return a run of one of the operations that may be claimed or must be closed.

        A lost or ended lease comes before what is queued, oldest first; a queued run must have no
        older open run in its thread that it waits for; an interrupted one is due when its
        interrupt has expired.
        """

    @abstractmethod
    def insert_run(self, row: RunRow) -> None: ...

    @abstractmethod
    def save_run(self, row: RunRow) -> None:
        """Write the fields that change."""

    @abstractmethod
    def advance(self, held: Held, count: int, *, step: bool) -> Advance | None:
        """Number `count` events, or return None if the claim is stale; a step clears lost leases."""

    @abstractmethod
    def advance_batch(self, held: Held, count: int, batch: int) -> Advance | None:
        """As `advance`, for the batch that comes next; None as well if another one does."""

    @abstractmethod
    def renew(self, held: Held, until: float) -> tuple[str, str | None] | None:
        """Move the lease's end and return (status, cancel), or None if the claim is stale."""

    @abstractmethod
    def message(self, tenant: str, subject: str, operation: str, key: str) -> MessageRow | None: ...

    @abstractmethod
    def add_message(self, row: MessageRow) -> None: ...

    @abstractmethod
    def add_events(self, rows: Sequence[EventRow]) -> None:
        """Insert events of one run."""

    @abstractmethod
    def events(self, run_id: str, after: int, limit: int) -> list[EventRow]: ...

    @abstractmethod
    def add_step(self, run_id: str, path: str, outcome: str) -> bool:
        """Insert the step; False if there is one."""

    @abstractmethod
    def step(self, run_id: str, path: str) -> str | None: ...

    @abstractmethod
    def steps(self, run_id: str) -> list[tuple[str, str]]:
        """Return (path, outcome) of each step, in the order they were recorded."""

    @abstractmethod
    def erase_run(self, run_id: str) -> None:
        """Delete its request, steps, events and recorded effect contents; keys stay."""

    @abstractmethod
    def thread(self, key: ThreadKey) -> ThreadRow | None: ...

    @abstractmethod
    def add_entries(
        self, key: ThreadKey, entries: Sequence[bytes], *, after: int, run_id: str
    ) -> None:
        """Append to the thread, which is made if there is none."""

    @abstractmethod
    def entries(self, key: ThreadKey, after: int = 0) -> list[tuple[str, bytes]]:
        """Return (run_id, entry), oldest first."""

    @abstractmethod
    def delete_thread(self, key: ThreadKey) -> bool: ...

    @abstractmethod
    def effect(self, key: str) -> EffectRow | None:
        """Return the newest attempt."""

    @abstractmethod
    def attempt(self, key: str, attempt: int) -> EffectRow | None: ...

    @abstractmethod
    def put_effect(self, row: EffectRow) -> None:
        """Insert the attempt, or replace it."""

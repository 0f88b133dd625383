"""The rows that a database keeps: tuples of text and numbers, without any decision."""

from typing import NamedTuple

from weft.checkpoint.base import LEASE_SECONDS, TERMINAL, RunStatus, ThreadKey

CLOCK_SLACK = 0.25
"""Seconds that a lease may seem to end too late before it counts as left behind by the clock."""


NONE, AT_WORK, ALL = 0, 1, 2
WHOLE, ERASED_HERE, ERASED, PRUNED = 0, 1, 2, 3
"""What is left of a run: everything; nothing in this database; nothing with any peer that was given a
part of it either; its row alone, because it is old."""


class RequestKey(NamedTuple):
    """What a client's request is known by: it makes one run, or is one message to a run."""

    tenant: str
    subject: str
    operation: str
    key: str


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
    """`ERASED_HERE` or `ERASED` once its thread was deleted: nobody reads it and nothing it says is
    kept; `PRUNED` once its contents were too old to keep."""
    started: float | None
    updated: float

    @property
    def key(self) -> ThreadKey:
        return ThreadKey(self.tenant, self.subject, self.thread_id)

    @property
    def request_key(self) -> RequestKey:
        return RequestKey(self.tenant, self.subject, self.operation, self.idem_key)

    @property
    def open(self) -> bool:
        return self.status not in TERMINAL

    @property
    def gone(self) -> bool:
        """Tell whether somebody deleted it: nobody reads it any more."""
        return self.erased in (ERASED_HERE, ERASED)

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


class Numbered(NamedTuple):
    """A run whose claim held, and whose newest events have their numbers."""

    last_seq: int
    updated: float
    tenant: str
    subject: str
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

    @property
    def request_key(self) -> RequestKey:
        return RequestKey(self.tenant, self.subject, self.operation, self.key)


class OutcomeRow(NamedTuple):
    """What a part of a run came to."""

    position: int
    """Of its run."""
    goal: str
    cell: str
    success: int
    bad: int
    """1 once its run was rated so."""


class ThreadRow(NamedTuple):
    """A thread without its entries."""

    number: int
    version: int
    created: float
    updated: float


class ListedThread(NamedTuple):
    """A thread as its runs tell of it."""

    position: int
    """Of its first run: where it stands in lists, whatever is added to it."""
    subject: str
    thread_id: str
    created: float
    updated: float


class Door(NamedTuple):
    """What decides whether a request makes a run, and whether that waits."""

    now: float
    run: RunRow | None
    """The run that the key made before."""
    message: bool
    """The key was used for a message to a run."""
    open_runs: tuple[RunRow, ...]
    """Those of the thread, oldest first."""


class Claimable(NamedTuple):
    """A run that may be claimed, and when it was looked for: the transaction's `Now`, if its first."""

    now: float
    run: RunRow


class Attempts(NamedTuple):
    """A held run and what the ledger has under a key."""

    now: float
    status: RunStatus
    erased: int
    attempts: tuple[EffectRow, ...]
    """Oldest first."""

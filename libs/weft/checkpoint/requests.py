"""Everything that a rule may ask of a database.

A read with `lock` holds what it returned, or the place where nothing was, until the commit: two
transactions that read it so come one after the other. Whole rows are written (`SaveRun`) only of
runs that were read with a lock or made by the same script; every other write is fenced in its own
statement. A database with one writer at a time need do nothing for that.
"""

from collections.abc import Sequence

from weft.checkpoint.base import Held, RunStatus, ThreadKey
from weft.checkpoint.script import Request, request
from weft.checkpoint.tables import (
    Attempts,
    Claimable,
    Door,
    EffectRow,
    ListedThread,
    MessageRow,
    Numbered,
    RequestKey,
    RunRow,
    ThreadRow,
    WorkRow,
)
from weft.checkpoint.text import EventRow
from weft.core import Tally


@request
class Now(Request[float]):
    """Seconds since the Unix epoch by the database's clock, the same for the whole script."""


@request
class ReadDoor(Request[Door]):
    """What stands under the key and in the thread; locks both places for new runs and messages."""

    key: RequestKey
    thread: ThreadKey


@request
class ReadRun(Request[RunRow | None]):
    """Read the run of this id."""

    run_id: str
    lock: bool = False


@request
class ReadRunByKey(Request[RunRow | None]):
    """Read the run that a request made; `lock` keeps others from using its key."""

    key: RequestKey
    lock: bool = False


@request
class ReadOpenRuns(Request[tuple[RunRow, ...]]):
    """Read the thread's runs that have not ended, oldest first; `lock` keeps new ones away."""

    thread: ThreadKey
    lock: bool = False


@request
class ReadThreadRuns(Request[tuple[RunRow, ...]]):
    """Read the thread's runs, newest first; None is no limit."""

    thread: ThreadKey
    limit: int | None
    lock: bool = False


@request
class ReadRootedRuns(Request[tuple[RunRow, ...]]):
    """Read the principal's runs that work for the mesh-wide run `root_id`."""

    tenant: str
    subject: str
    root_id: str


@request
class ReadErasingRuns(Request[tuple[RunRow, ...]]):
    """Read runs behind position `after` that were erased here and not yet everywhere, in order."""

    limit: int
    after: int


@request
class ReadRuns(Request[tuple[RunRow, ...]]):
    """Read the tenant's runs that nobody deleted, newest first, of which each condition holds.

    None is no condition; `before` is the position that the page before this one ended at.
    """

    tenant: str
    subject: str | None
    limit: int
    before: int | None = None
    status: RunStatus | None = None
    thread_id: str | None = None
    since: float | None = None


@request
class ReadThreads(Request[tuple[ListedThread, ...]]):
    """Read threads with runs that are whole, last begun first; of one subject, or of the tenant."""

    tenant: str
    subject: str | None
    limit: int
    before: int | None = None


@request
class ReadOldRuns(Request[tuple[RunRow, ...]]):
    """Read and lock whole runs that ended before the moment; locked ones are left out."""

    before: float
    limit: int


@request
class ReadOldThreads(Request[tuple[ThreadKey, ...]]):
    """Read threads with entries in which nothing happened since the moment and nothing is open."""

    before: float
    limit: int


@request
class ReadBareRuns(Request[tuple[str, ...]]):
    """Read the ids of runs of which only the row is left, in threads as `ReadOldThreads` has them."""

    before: float
    limit: int


@request
class ReadClaimable(Request[Claimable | None]):
    """Read and lock a run of one of the operations that may be claimed or must be closed.

    A lost or ended lease comes before what is queued, oldest first; a queued run must have no
    older open run in its thread that it waits for; an interrupted one is due when its interrupt
    has expired. A run that somebody else has locked may be left out.
    """

    operations: frozenset[str]


@request
class CountAccepted(Request[int]):
    """Count the runs that were ever inserted."""


@request
class CountWork(Request[tuple[WorkRow, ...]]):
    """Count the operation's queued, running and canceling runs by principal and status."""

    operation: str


@request
class ReadLogStates(Request[tuple[tuple[str, int, RunStatus], ...]]):
    """Read (run_id, last_seq, status) of those that exist."""

    run_ids: tuple[str, ...]


@request
class InsertRun(Request[None]):
    """Insert the run with its request; its position is the next one."""

    row: RunRow


@request
class SaveRun(Request[None]):
    """Write the fields that change."""

    row: RunRow


@request
class NumberEvents(Request[Numbered | None]):
    """Number `count` events, or answer None if the claim is stale; a step clears lost leases."""

    held: Held
    count: int
    step: bool = False


@request
class NumberBatch(Request[Numbered | None]):
    """As `NumberEvents`, for the batch that comes next; None as well if another one does."""

    held: Held
    count: int
    batch: int


@request
class FinishRun(Request[Numbered | None]):
    """End the run and number its last events.

    Answers None, and changes nothing, if the claim is stale, if the run is canceling and shall end
    otherwise, or if it was erased.
    """

    held: Held
    status: RunStatus
    result: str
    error: str | None
    count: int


@request
class RenewLeases(Request[tuple[tuple[str, str | None], ...]]):
    """Move the leases' ends; answers (run_id, cancel) of the claims that hold."""

    helds: tuple[Held, ...]
    seconds: float


@request
class ReadMessage(Request[MessageRow | None]):
    """Read what is kept of a message to a run."""

    key: RequestKey


@request
class AddMessage(Request[None]):
    """Keep that a message came."""

    row: MessageRow


@request
class AddEvents(Request[None]):
    """Insert events of one run."""

    rows: Sequence[EventRow]


@request
class ReadEvents(Request[tuple[EventRow, ...]]):
    """Read at most `limit` events behind number `after`, in order."""

    run_id: str
    after: int
    limit: int


@request
class AddStep(Request[bool]):
    """Insert the step; False if there is one, or if the claim is stale."""

    held: Held
    path: str
    outcome: str


@request
class AddAnswer(Request[bool]):
    """Insert a step on behalf of no owner; False if there is one."""

    run_id: str
    path: str
    outcome: str


@request
class ReadStep(Request[str | None]):
    """Read the outcome of one step."""

    run_id: str
    path: str


@request
class ReadSteps(Request[tuple[tuple[str, str], ...]]):
    """Read (path, outcome) of each step, in the order they were recorded."""

    run_id: str


@request
class EraseRun(Request[None]):
    """Delete its request, steps, events, outcomes and recorded effect contents; keys stay."""

    run_id: str


@request
class PruneRun(Request[None]):
    """Delete its request, steps and events; what the ledger says of its effects stays."""

    run_id: str


@request
class ForgetRun(Request[None]):
    """Delete its row, keys and outcomes, and of its effects those whose outcome is known."""

    run_id: str


@request
class AddOutcome(Request[None]):
    """Insert what a part of the run came to; `cell` is what it is counted under."""

    run_id: str
    goal: str
    cell: str
    success: int


@request
class ReadTally(Request[Tally]):
    """Count the newest `limit` outcomes under `cell`; one that was rated bad is no success."""

    cell: str
    limit: int


@request
class RateRun(Request[bool]):
    """Say of all the run's outcomes whether they were bad; False if there are none."""

    run_id: str
    bad: int


@request
class ReadThread(Request[ThreadRow | None]):
    """Read the thread without its entries."""

    thread: ThreadKey


@request
class AddEntries(Request[bool]):
    """Append to the thread, which is made for its first entries; False if it has another version."""

    thread: ThreadKey
    entries: tuple[bytes, ...]
    expected: int
    run_id: str


@request
class ReadEntries(Request[tuple[tuple[str, bytes], ...]]):
    """Read (run_id, entry), oldest first."""

    thread: ThreadKey
    after: int = 0


@request
class DeleteThread(Request[bool]):
    """Delete the thread with its entries; False if there is none."""

    thread: ThreadKey


@request
class ReadAttempts(Request[Attempts | None]):
    """Read and lock the held run and all attempts under the key; None if the claim is stale."""

    held: Held
    key: str


@request
class ReadEffect(Request[EffectRow | None]):
    """Read the newest attempt."""

    key: str


@request
class PutEffect(Request[None]):
    """Insert the attempt, or replace it."""

    row: EffectRow

"""The contracts over any database that runs a rule inside one transaction."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import partial
from typing import TypeVar

import anyio.to_thread

from weft.checkpoint.backlog import Backlog
from weft.checkpoint.base import (
    Accepted,
    Claimed,
    Durability,
    Ending,
    Erasing,
    Held,
    LogState,
    NewRun,
    OnBusy,
    Prepare,
    Renewal,
    Run,
    RunStore,
    Thread,
    ThreadKey,
    ThreadStore,
)
from weft.checkpoint.book import OutcomeBook
from weft.checkpoint.checkpointer import Checkpointer
from weft.checkpoint.effects import EffectCall, EffectOutcome, EffectStore, Intent
from weft.checkpoint.folding import takes_long
from weft.checkpoint.inbound import Answers, Inbound, Received
from weft.checkpoint.index import Page, Pruned, RunFilter, RunIndex, ThreadSummary
from weft.checkpoint.rules import (
    admission,
    book,
    ledger,
    listing,
    log,
    ownership,
    pruning,
    reading,
    responses,
    threads,
)
from weft.checkpoint.rules import ending as ending_rules
from weft.checkpoint.rules.claimant import Claimant
from weft.checkpoint.script import Script
from weft.checkpoint.steps import Recorded, StepWrite
from weft.checkpoint.text import checked, encode, encode_events
from weft.core import NO_USAGE, Interrupt, JsonObject, Path, Principal, RunId, Tally, Usage
from weft.events import Envelope, Event

T = TypeVar("T")


class Database(ABC):
    """Plays scripts in transactions: all that one wrote is kept, or, if it raises, nothing.

    What a script read with a lock, nobody else changes before its end. A transaction that cannot be
    kept is played again, which is why scripts come as functions that make them.
    """

    @property
    @abstractmethod
    def durability(self) -> Durability: ...

    @abstractmethod
    async def write(self, script: Callable[[], Script[T]]) -> T:
        """Return what the script came to once it is durable; it may share its commit."""

    @abstractmethod
    async def read(self, script: Callable[[], Script[T]]) -> T:
        """Return what the script found in one snapshot, without waiting for a commit."""

    @abstractmethod
    async def aclose(self) -> None: ...


class DatabaseRuns(RunStore):
    """Runs in a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    @property
    def durability(self) -> Durability:
        return self._database.durability

    async def accept(
        self,
        new: NewRun,
        *,
        on_busy: OnBusy,
        owner: str | None = None,
        prepare: Prepare | None = None,
    ) -> Accepted:
        principal, deadline = new.authority.principal, new.authority.deadline
        timeout_s = None if deadline is None else deadline.remaining()
        checked(principal.tenant, principal.subject, new.operation, new.idem_key, new.thread_id)
        row, texts = admission.fresh(new), encode_events([new.accepted])
        claimant = None if owner is None else Claimant(owner, frozenset({new.operation}), prepare)
        return await self._database.write(
            partial(
                admission.accept,
                row,
                texts,
                timeout_s=timeout_s,
                on_busy=on_busy,
                claimant=claimant,
            )
        )

    async def claim(
        self,
        owner: str,
        operations: Collection[str],
        *,
        limit: int,
        prepare: Prepare | None = None,
        run_id: RunId | None = None,
    ) -> list[Claimed]:
        if run_id is not None:
            checked(run_id)
        claimant = Claimant(owner, frozenset(operations), prepare)
        return await self._database.write(
            partial(ownership.claim, claimant=claimant, limit=limit, run_id=run_id)
        )

    async def renew(self, held: Sequence[Held]) -> Renewal:
        return await self._database.write(partial(ownership.renew, tuple(held)))

    async def release(self, held: Held) -> None:
        await self._database.write(partial(ownership.release, held=held))

    async def append(self, held: Held, batch: int, events: Sequence[Event]) -> tuple[Envelope, ...]:
        log.refuse_terminal([event.type for event in events])
        texts = encode_events(events)
        return await self._database.write(partial(log.append, held, batch, texts))

    async def record_step(self, held: Held, step: StepWrite) -> Recorded:
        log.refuse_terminal([event.type for event in step.events])
        text = log.StepText(encode(step.path), step.outcome, encode_events(step.events))
        return await self._database.write(partial(log.record_step, held, text))

    async def finish(self, held: Held, ending: Ending) -> tuple[Envelope, ...]:
        text = await _ending_text(ending)
        return await self._database.write(partial(log.finish, held, text))

    async def park(
        self,
        held: Held,
        interrupts: Sequence[Interrupt],
        events: Sequence[Event],
        *,
        spent: Usage = NO_USAGE,
    ) -> tuple[Envelope, ...]:
        log.refuse_terminal([event.type for event in events])
        texts = encode_events(events)
        parking = partial(ownership.park, held, interrupts, texts, spent=spent)
        return await self._database.write(parking)

    async def resume(
        self,
        principal: Principal,
        run_id: RunId,
        answers: Answers,
        message: Inbound | None = None,
        *,
        colleague: bool = False,
    ) -> Run:
        checked(run_id, *answers)
        if message is not None:
            checked(message.key)
        return await self._database.write(
            partial(responses.resume, principal, run_id, answers, message, colleague=colleague)
        )

    async def cancel(
        self, principal: Principal, run_id: RunId, *, reason: str, grace_s: float
    ) -> Run:
        checked(run_id)
        return await self._database.write(
            partial(ending_rules.cancel, principal, run_id, reason=reason, grace_s=grace_s)
        )

    async def read(self, principal: Principal, run_id: RunId) -> Run:
        checked(run_id)
        return await self._database.read(partial(reading.read, principal, run_id))

    async def find(self, principal: Principal, operation: str, idem_key: str) -> Run | None:
        checked(operation, idem_key)
        return await self._database.read(partial(reading.find, principal, operation, idem_key))

    async def received(self, principal: Principal, operation: str, key: str) -> Received | None:
        checked(operation, key)
        return await self._database.read(partial(reading.received, principal, operation, key))

    async def events(
        self, principal: Principal, run_id: RunId, *, after: int = 0, limit: int = 1000
    ) -> tuple[Envelope, ...]:
        checked(run_id)
        return await self._database.read(
            partial(reading.events, principal, run_id, after=after, limit=limit)
        )

    async def steps(self, principal: Principal, run_id: RunId) -> Mapping[Path, JsonObject]:
        checked(run_id)
        return await self._database.read(partial(reading.steps, principal, run_id))

    async def step(self, principal: Principal, run_id: RunId, path: Path) -> JsonObject | None:
        checked(run_id)
        return await self._database.read(partial(reading.step, principal, run_id, path))

    async def thread_runs(self, key: ThreadKey, *, limit: int = 100) -> tuple[Run, ...]:
        checked(key.tenant, key.subject, key.thread_id)
        return await self._database.read(partial(reading.thread_runs, key, limit))

    async def log_states(self, run_ids: Sequence[RunId]) -> Mapping[RunId, LogState]:
        checked(*run_ids)
        return await self._database.read(partial(reading.log_states, run_ids=tuple(run_ids)))

    async def backlog(self, operation: str) -> Backlog:
        checked(operation)
        return await self._database.read(partial(reading.backlog, operation=operation))


class DatabaseThreads(ThreadStore):
    """Threads in a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self, key: ThreadKey) -> Thread | None:
        checked(key.tenant, key.subject, key.thread_id)
        return await self._database.read(partial(threads.load, key=key))

    async def append(
        self, key: ThreadKey, entries: Sequence[bytes], *, expected: int, fence: Held
    ) -> int:
        checked(key.tenant, key.subject, key.thread_id)
        added = tuple(entries)
        return await self._database.write(partial(threads.append, key, added, expected, fence))

    async def delete(self, key: ThreadKey, *, cancel: bool = False) -> bool:
        checked(key.tenant, key.subject, key.thread_id)
        return await self._database.write(partial(threads.delete, key=key, cancel=cancel))

    async def erasing(
        self, key: ThreadKey | None = None, *, limit: int, after: int = 0
    ) -> tuple[Erasing, ...]:
        return await self._database.read(
            partial(threads.erasing, key=key, limit=limit, after=after)
        )

    async def erased(self, run_ids: Sequence[RunId]) -> None:
        await self._database.write(partial(threads.erased, run_ids=tuple(run_ids)))

    async def rooted(self, principal: Principal, root_ids: Sequence[str]) -> tuple[ThreadKey, ...]:
        checked(principal.tenant, principal.subject, *root_ids)
        return await self._database.read(
            partial(threads.rooted, principal=principal, root_ids=tuple(root_ids))
        )


class DatabaseEffects(EffectStore):
    """The ledger in a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def intend(
        self, held: Held, call: EffectCall, *, again: bool = False, events: Sequence[Event] = ()
    ) -> Intent:
        checked(call.key, call.tenant, call.scope_id, call.tool)
        row, texts = ledger.prepared(held, call), encode_events(events)
        return await self._database.write(
            partial(ledger.intend, held, row, again=again, texts=texts)
        )

    async def settle(
        self,
        held: Held,
        key: str,
        attempt: int,
        outcome: EffectOutcome,
        *,
        events: Sequence[Event] = (),
    ) -> tuple[Envelope, ...]:
        text, texts = ledger.outcome_text(outcome), encode_events(events)
        return await self._database.write(
            partial(ledger.settle, held, (key, attempt), (outcome.kind, text), texts)
        )

    async def doubt(self, held: Held, key: str, attempt: int) -> None:
        await self._database.write(partial(ledger.doubt, held, key, attempt))

    async def find_effect(self, key: str) -> Intent | None:
        return await self._database.read(partial(ledger.find, key=key))


class DatabaseIndex(RunIndex):
    """Lists over a `Database`, and its upkeep."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def runs(
        self,
        principal: Principal,
        wanted: RunFilter | None = None,
        *,
        limit: int,
        before: int | None = None,
    ) -> Page[Run]:
        wanted = wanted or RunFilter()
        checked(principal.tenant, principal.subject, wanted.thread_id or "")
        return await self._database.read(partial(listing.runs, principal, wanted, limit, before))

    async def threads(
        self, principal: Principal, *, limit: int, before: int | None = None
    ) -> Page[ThreadSummary]:
        checked(principal.tenant, principal.subject)
        return await self._database.read(partial(listing.threads, principal, limit, before))

    async def waiting(self, tenant: str, *, limit: int, before: int | None = None) -> Page[Run]:
        checked(tenant)
        return await self._database.read(partial(listing.waiting, tenant, limit, before))

    async def find_waiting(self, tenant: str, run_id: RunId) -> Run | None:
        checked(tenant, run_id)
        return await self._database.read(partial(listing.find_waiting, tenant, run_id))

    async def prune(self, *, older_s: float, forget_s: float, limit: int) -> Pruned:
        return await self._database.write(
            partial(pruning.prune, older_s=older_s, forget_s=forget_s, limit=limit)
        )


class DatabaseBook(OutcomeBook):
    """What came of protocols, in a `Database`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def tallies(
        self, tenant: str, goal: str, domain: str, protocols: Collection[str]
    ) -> Mapping[str, Tally]:
        checked(tenant, goal, domain, *protocols)
        return await self._database.read(
            partial(book.tallies, tenant, goal, domain, tuple(protocols))
        )

    async def rate(self, principal: Principal, run_id: RunId, *, bad: bool) -> None:
        checked(run_id)
        await self._database.write(partial(book.rate, principal, run_id, bad=bad))


class DatabaseCheckpointer(Checkpointer):
    """All contracts over one `Database`, which it closes."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._runs = DatabaseRuns(database)
        self._threads = DatabaseThreads(database)
        self._effects = DatabaseEffects(database)
        self._index = DatabaseIndex(database)
        self._book = DatabaseBook(database)

    @property
    def runs(self) -> RunStore:
        return self._runs

    @property
    def threads(self) -> ThreadStore:
        return self._threads

    @property
    def effects(self) -> EffectStore:
        return self._effects

    @property
    def index(self) -> RunIndex:
        return self._index

    @property
    def book(self) -> OutcomeBook:
        return self._book

    async def ping(self) -> None:
        await self._database.read(reading.ping)

    async def aclose(self) -> None:
        await self._database.aclose()


async def _ending_text(ending: Ending) -> log.EndingText:
    """Return the ending ready to be stored: what is long is compared with the steps elsewhere."""
    outcomes = (*ending.recorded.values(), *(step.outcome for step in ending.steps))
    if outcomes and takes_long(ending.result, outcomes):
        return await anyio.to_thread.run_sync(log.EndingText, ending)
    return log.EndingText(ending)

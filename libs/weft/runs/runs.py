"""A run as its clients see it: submitted, followed, awaited, cancelled, resumed."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager, nullcontext
from functools import partial
from typing import Protocol

from pydantic import ValidationError

from weft.bus import Bus, subjects
from weft.checkpoint import (
    TERMINAL,
    Accepted,
    Checkpointer,
    Claimed,
    Inbound,
    NewRun,
    OnBusy,
    Prepare,
    Run,
    ThreadKey,
)
from weft.core import JsonValue, Principal, RunId
from weft.core.supervision import guarded, kept_going
from weft.events import TERMINAL_EVENTS, Envelope
from weft.runs.cursors import told_all
from weft.runs.hub import Hub, Listener
from weft.runs.publisher import MAX_SEQ, EventPublisher, Hint, Publisher

log = logging.getLogger(__name__)

POLL_SECONDS = 0.4
"""How late an event may be when the bus lost it."""
IDLE_SECONDS = 5.0
"""How long a listener waits without looking itself while its process looks for all at once."""
PAGE = 256


class Owner(Protocol):
    """Executes runs in this process: `weft.runs.Worker`."""

    name: str
    operations: frozenset[str]
    """Of the runs it carries out."""
    prepare: Prepare | None
    """Makes their first step."""

    @property
    def free(self) -> int: ...

    @property
    def busy(self) -> int: ...

    def take(self, claimed: Claimed) -> None: ...


class Runs:
    """Submits runs to a store and follows them, whoever executes them.

    `pool` names the workers that share the store; the bus carries their doorbell and each run's
    events. Losing every message costs at most `POLL_SECONDS`.
    """

    def __init__(
        self,
        checkpointer: Checkpointer,
        bus: Bus,
        *,
        pool: str,
        publisher: Publisher | None = None,
    ) -> None:
        """`publisher` tells other processes of events; None tells the whole mesh."""
        self.checkpointer = checkpointer
        self.bus = bus
        self.pool = pool
        self.hub = Hub()
        self.owner: Owner | None = None
        self._publisher = publisher or EventPublisher(bus)
        self._polled_at: float | None = None

    async def submit(self, new: NewRun, *, on_busy: OnBusy, own: bool = False) -> Accepted:
        """Make the request durable; with `own` this process's worker takes it at once if it can.

        Raises what `RunStore.accept` raises.
        """
        owner = self._owner_of(new) if own else None
        accepted = await self.checkpointer.runs.accept(
            new,
            on_busy=on_busy,
            owner=owner.name if owner else None,
            prepare=owner.prepare if owner else None,
        )
        self.tell(accepted.events)
        if on_busy in {"interrupt", "rollback"} and not accepted.replayed:
            await self._signal_stopped(new)
        if accepted.claimed is not None and owner is not None:
            owner.take(accepted.claimed)
        elif not accepted.replayed:
            self.ring()
        return accepted

    def _owner_of(self, new: NewRun) -> Owner | None:
        """Return who can take the run in this process, now."""
        owner = self.owner
        if owner is None or new.operation not in owner.operations or owner.free <= 0:
            return None
        return owner

    async def _signal_stopped(self, new: NewRun) -> None:
        """Signal the owners of runs that `new` took its thread from; they would poll otherwise."""
        principal = new.authority.principal
        key = ThreadKey(principal.tenant, principal.subject, new.thread_id)
        for run in await self.checkpointer.runs.thread_runs(key):
            if run.status == "canceling":
                self.bus.publish(subjects.cancel(self.pool, run.run_id), b"")

    def ring(self) -> None:
        """Wake one worker: there is a run that nobody holds."""
        self.bus.publish(subjects.work(self.pool), b"")

    def tell(self, events: Sequence[Envelope]) -> None:
        """Pass committed events of one run on to whoever follows it, here and elsewhere."""
        if not events:
            return
        self.hub.tell(RunId(events[0].run_id), events)
        self._publisher.tell(events)

    async def read(self, principal: Principal, run_id: RunId) -> Run:
        return await self.checkpointer.runs.read(principal, run_id)

    async def follow(
        self, principal: Principal, run_id: RunId, *, after: int = 0
    ) -> AsyncGenerator[Envelope, None]:
        """Yield the run's events behind number `after`, live ones too, up to the terminal one.

        Every number comes once and in order, whatever the bus loses or repeats.

        Raises:
            NotFoundError: No such run of this principal.
        """
        async with aclosing(self.pages(principal, run_id, after=after)) as pages:
            async for page in pages:
                for event in page:
                    yield event

    async def pages(
        self,
        principal: Principal,
        run_id: RunId,
        *,
        after: int = 0,
        listener: Listener | None = None,
    ) -> AsyncGenerator[Sequence[Envelope], None]:
        """As `follow`, several events at a time, and an empty page while nothing comes.

        `listener` is one that has heard of everything behind `after`, where the caller has one.

        Raises:
            NotFoundError: No such run of this principal.
        """
        page: Sequence[Envelope] = ()
        with self.hub.listen(run_id) if listener is None else nullcontext(listener) as ears:
            last, look = after, listener is None
            if look:
                self._publisher.listen()
            due, checked = self._now() + self._patience(), not look
            while True:
                if not page and (look or self._now() >= due):
                    page = await self.checkpointer.runs.events(
                        principal, run_id, after=last, limit=PAGE
                    )
                    look, due = len(page) == PAGE, self._now() + self._patience()
                if not page and not checked:
                    # Behind the end of an ended run no terminal event comes that could end this.
                    checked = True
                    if told_all(await self.read(principal, run_id), last):
                        return
                if not page:
                    page, look = await _heard(ears, last)
                    if not page:
                        yield ()
                while page:
                    yield page
                    last = page[-1].seq
                    if page[-1].type in TERMINAL_EVENTS:
                        return
                    page, look = ((), True) if look else await _heard(ears, last)

    async def beginning(
        self, listener: Listener, first: Sequence[Envelope], *, within: float
    ) -> tuple[Sequence[Envelope], bool]:
        """Return `first` and what is told here behind it until the run settles or time is over.

        That it settled is seen by the last one. Else `pages` tells the rest: to the same listener
        unless, as the second value says, something is missing from what it heard.
        """
        until, hole = self._now() + within, False
        events = [*first]
        while not (hole or _settles(events[-1]) or len(events) >= PAGE):
            left = until - self._now()
            news, hole = await _heard(listener, events[-1].seq, within=left)
            events += news
            if not news:
                break
        return events, hole

    async def wait(self, principal: Principal, run_id: RunId, *, seconds: float) -> Run:
        """Return the run once it is terminal or waits for a person, or as it is when time is over.

        Raises:
            NotFoundError: No such run of this principal.
        """
        with self.hub.listen(run_id) as listener:
            run = await self.read(principal, run_id)
            if run.status in TERMINAL or run.status == "interrupted":
                return run
            return await self.settled(principal, run_id, listener, seconds=seconds)

    async def settled(
        self, principal: Principal, run_id: RunId, listener: Listener, *, seconds: float
    ) -> Run:
        """As `wait`, with a listener that was registered before the run was submitted."""
        deadline = asyncio.get_running_loop().time() + seconds
        look = 0.0
        while True:
            now = asyncio.get_running_loop().time()
            left = deadline - now
            look = look if look > now else now + self._patience()
            within = max(min(look - now, left), 0.0)
            news = await listener.next(within=within, end=True)
            if left > 0 and news and not any(_settles(event) for event in news):
                continue
            # Of a run that ended in this process the store says nothing new.
            run = self.hub.ended(run_id) or await self.read(principal, run_id)
            if run.status in TERMINAL or run.status == "interrupted" or left <= 0:
                return run

    async def cancel(
        self,
        principal: Principal,
        run_id: RunId,
        *,
        reason: str,
        grace_s: float = 5.0,
        wait_s: float = 2.0,
    ) -> Run:
        """Record that the run shall stop, signal its owner, and wait for the report.

        Raises:
            NotFoundError: No such run of this principal.
        """
        with self.hub.listen(run_id) as listener:
            run = await self.checkpointer.runs.cancel(
                principal, run_id, reason=reason, grace_s=grace_s
            )
            if run.terminal:
                return run
            self.bus.publish(subjects.cancel(self.pool, run_id), b"")
            self.ring()
            return await self.settled(principal, run_id, listener, seconds=wait_s)

    async def resume(
        self,
        principal: Principal,
        run_id: RunId,
        answers: Mapping[str, JsonValue],
        *,
        message: Inbound | None = None,
        colleague: bool = False,
    ) -> Run:
        """Answer the run's interrupts, as its owner or as a `colleague`; it goes on once none is open.

        Raises what `RunStore.resume` raises.
        """
        run = await self.checkpointer.runs.resume(
            principal, run_id, answers, message=message, colleague=colleague
        )
        if run.status == "queued":
            self.ring()
        return run

    @asynccontextmanager
    async def listening(self) -> AsyncIterator[None]:
        """Hear of events that other processes commit, for as long as the context lasts."""
        async with (
            self.bus.subscribe(self._publisher.heard_at, places=8192) as messages,
            kept_going(partial(self._hear, messages), name="run events"),
            kept_going(self._poll, name="run event poll"),
        ):
            yield

    async def _poll(self) -> None:
        """Look in the store for what the bus lost, for all listeners at once."""
        try:
            while True:
                if listened := self.hub.listened:
                    self._publisher.listen()
                    states = await self.checkpointer.runs.log_states(listened)
                    for run_id, state in states.items():
                        self.hub.look(run_id, state.last_seq, end=state.settled)
                self._polled_at = self._now()
                await asyncio.sleep(POLL_SECONDS)
        finally:
            self._polled_at = None

    def _patience(self) -> float:
        """Return how long a listener that hears nothing need not look in the store itself."""
        polled = self._polled_at is not None and self._now() - self._polled_at < 2 * IDLE_SECONDS
        return IDLE_SECONDS if polled else POLL_SECONDS

    def _now(self) -> float:
        return asyncio.get_running_loop().time()

    async def _hear(self, messages: AsyncGenerator[tuple[str, bytes], None]) -> None:
        async for subject, payload in messages:
            run_id = subjects.run_of(subject)
            if not self._publisher.heard(payload) or run_id is None or not self.hub.has(run_id):
                continue
            with guarded("run event"):
                self._pass_on(run_id, payload)

    def _pass_on(self, run_id: RunId, payload: bytes) -> None:
        try:
            hint = Hint.model_validate_json(payload)
        except ValidationError:
            # A mere wake-up, or from a newer writer: there may be anything in the store.
            hint = Hint(seq=MAX_SEQ, end=True)
        self.hub.hint(run_id, hint.seq, end=hint.end)


def _settles(event: Envelope) -> bool:
    return event.type in TERMINAL_EVENTS or event.type == "run.interrupted"


async def _heard(
    listener: Listener, last: int, *, within: float = POLL_SECONDS
) -> tuple[Sequence[Envelope], bool]:
    """Return what follows number `last` without a hole, and whether the store must be asked next."""
    page: list[Envelope] = []
    while not page:
        news = await listener.next(within=within, after=last)
        if not news:
            return page, news is not None
        for event in news:
            if event.seq == last + 1:
                page.append(event)
                last = event.seq
            elif event.seq > last:
                return page, True
    return page, False

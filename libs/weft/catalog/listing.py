"""Who was proven to be there: believed while heard of, asked when silent, forgotten when gone.

It knows no transport. What is heard is told to it, and a `Vouch` reads signatures and asks an
instance itself. Silence alone removes nobody, because it may be the messenger that is away.
"""

import asyncio
import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from weft.catalog.base import Entry
from weft.core import SYSTEM_CLOCK, Clock
from weft.core.supervision import guarded

__all__ = ["Vouch"]

log = logging.getLogger(__name__)

MAX_ENTRIES = 1024
MAX_INSTANCES = 64
"""Of one service: nobody fills the list with a thousand of himself."""
PROOFS_AT_ONCE = 16
QUESTIONS = 3
"""So many go unanswered before somebody is said to hang."""


class Vouch(Protocol):
    """Tells what an instance said of itself from what others say of it."""

    async def read(self, sealed: bytes) -> Entry | None:
        """Return the entry that its own service signed lately, or None where it did not."""
        ...

    async def prove(self, entry: Entry) -> Entry | None:
        """Ask at the entry's address; return what answers there for its service now, if it does.

        Raises:
            TimeoutError: The question was taken, or nobody refused it, and nothing came back.
        """
        ...


@dataclass(frozen=True, slots=True)
class SilencePatience:
    """How long an instance may be silent, and for how long it may then be unreachable."""

    silent: float = 15.0
    """Seconds without news, after which the instance itself is asked."""
    away: float = 10.0
    """Seconds without an answer, after which it is gone; a restart takes less."""
    hangs: float = 6.0
    """The same of one that takes questions: it does not restart, and it would have put its entry."""
    look: float = 1.0
    """Seconds between two questions to the same instance."""


@dataclass(slots=True)
class _Member:
    entry: Entry
    heard: float
    doubted: bool = False
    leaving: bool = False
    """It took itself back, or somebody says so: the first question without an answer decides."""
    asked_at: float = float("-inf")
    silent: bool = False
    """It was asked at least once, and gave no answer."""
    away_since: float | None = None
    """When the first question was put that has had no answer."""
    unanswered: int = 0
    """Questions since then; a process that was asleep itself must not judge by one."""
    hangs: bool = True
    """None of them was refused."""


class Listing:
    """The instances that are there; reading never waits, `settle` does the asking."""

    def __init__(
        self, vouch: Vouch, *, patience: SilencePatience | None = None, clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._vouch = vouch
        self._patience = patience or SilencePatience()
        self._clock = clock
        self._members: dict[str, _Member] = {}
        self._new: dict[str, _Member] = {}
        """Heard of, and not proven yet."""
        self._refused: set[str] = set()
        self._withdrawn: dict[str, float] = {}
        self._hanging: dict[str, float] = {}
        """Services of which no instance is left, since when, the longest gone first."""
        self._woken = asyncio.Event()
        self.revision = 0
        self.heard = float("-inf")
        """When anything true was heard for the last time."""

    def entries(self) -> tuple[Entry, ...]:
        return tuple(self._members[key].entry for key in sorted(self._members))

    def supposed(self) -> tuple[Entry, ...]:
        """Return those that were heard of, or remembered, and have not answered yet."""
        return tuple(self._new[key].entry for key in sorted(self._new))

    def awaited(self) -> frozenset[str]:
        """Return the services of which there is none but a supposed instance."""
        if not self._new:
            return frozenset()
        there = {member.entry.service for member in self._members.values()}
        return frozenset({member.entry.service for member in self._new.values()} - there)

    def arriving(self) -> bool:
        """Tell whether somebody says that he is there whose first question has no answer yet."""
        return any(not member.silent for member in self._new.values())

    def withdrawn(self) -> frozenset[str]:
        """Return the services whose last instance took itself back."""
        return frozenset(self._withdrawn)

    def hanging(self) -> dict[str, float]:
        """Return the services whose last instance hangs, since its first unanswered question."""
        return dict(self._hanging)

    def keys(self) -> set[str]:
        return set(self._members)

    async def hear(self, key: str, sealed: bytes) -> None:
        """Take what stands under `key`, if it is an instance's own fresh word."""
        entry = await self._vouch.read(sealed)
        if entry is None or entry.key != key:
            if key not in self._refused and len(self._refused) < MAX_ENTRIES:
                self._refused.add(key)
                log.warning("catalog_entry_refused", extra={"key": key})
            return
        self._refused.discard(key)
        now = self.heard = self._clock.monotonic()
        member = self._members.get(key)
        if member is not None and member.entry == entry:
            member.heard, member.away_since = now, None
            member.doubted = member.leaving = False
            return
        self.suppose([entry])

    def suppose(self, entries: Iterable[Entry]) -> None:
        """Ask for these: they were there once, or say that they are."""
        now = self._clock.monotonic()
        for entry in entries:
            key = entry.key
            arrival = self._new.get(key)
            if arrival is not None:
                arrival.entry, arrival.heard = entry, now
            elif self._has_room(entry):
                self._new[key] = _Member(entry, now)
                self._woken.set()

    def miss(self, key: str, *, leaving: bool = False) -> None:
        """Doubt the instance under `key`: it is not listed any more."""
        member = self._members.get(key)
        if member is not None:
            member.doubted = True
            member.leaving |= leaving
            self._woken.set()

    async def settle(self) -> None:
        """Ask the new and the doubted again and again, until cancelled."""
        while True:
            try:
                async with asyncio.timeout(self._patience.look):
                    await self._woken.wait()
            except TimeoutError:
                pass
            self._woken.clear()
            with guarded("catalogue"):
                await self.look()

    async def look(self) -> None:
        """Ask, once each, whom there is reason to ask now."""
        now = self._clock.monotonic()
        for member in self._members.values():
            member.doubted |= now - member.heard > self._patience.silent
        due = [
            (key, member)
            for key, member in (*self._members.items(), *self._new.items())
            if (member.doubted or key in self._new) and now - member.asked_at >= self._patience.look
        ]
        places = asyncio.Semaphore(PROOFS_AT_ONCE)

        async def ask(key: str, member: _Member) -> None:
            member.asked_at = now
            async with places:
                try:
                    proven, hangs = await self._vouch.prove(member.entry), False
                except TimeoutError:
                    proven, hangs = None, True
            self._learn(key, member, proven, hangs=hangs)

        await asyncio.gather(*(ask(key, member) for key, member in due))

    def _learn(self, key: str, member: _Member, proven: Entry | None, *, hangs: bool) -> None:
        now = self._clock.monotonic()
        if proven is not None:
            self._admit(proven, now)
            if proven.key != key:
                # Another process of the service answers at that address: its successor.
                self._forget(key)
            return
        member.silent = True
        if key in self._new:
            if now - member.heard > self._patience.silent:
                del self._new[key]
        elif self._members.get(key) is member:
            if member.away_since is None:
                member.away_since, member.unanswered, member.hangs = member.asked_at, 0, True
            member.unanswered += 1
            member.hangs &= hangs
            if member.leaving or self._is_gone(member, now):
                self._forget(key)
                self._note_left(member)

    def _admit(self, entry: Entry, now: float) -> None:
        key = entry.key
        self._new.pop(key, None)
        before = self._members.get(key)
        self._members[key] = _Member(entry, now)
        self._withdrawn.pop(entry.service, None)
        self._hanging.pop(entry.service, None)
        if before is None or before.entry != entry:
            self.revision += 1
        for other, member in list(self._members.items()):
            # One address is one process: who had it before is no more.
            if other != key and member.entry.url == entry.url:
                self._forget(other)

    def _forget(self, key: str) -> None:
        self._new.pop(key, None)
        if self._members.pop(key, None) is not None:
            self.revision += 1

    def _is_gone(self, member: _Member, now: float) -> bool:
        away = now - (member.away_since or now)
        if member.hangs:
            return member.unanswered >= QUESTIONS and away >= self._patience.hangs
        return away >= self._patience.away

    def _note_left(self, member: _Member) -> None:
        service = member.entry.service
        if any(other.entry.service == service for other in self._members.values()):
            return
        if member.leaving or member.hangs:
            kind = self._withdrawn if member.leaving else self._hanging
            kind[service] = member.away_since or self._clock.monotonic()
            if len(kind) > MAX_ENTRIES:
                del kind[next(iter(kind))]

    def _has_room(self, entry: Entry) -> bool:
        services = [
            member.entry.service for member in (*self._members.values(), *self._new.values())
        ]
        return len(services) < MAX_ENTRIES and services.count(entry.service) < MAX_INSTANCES

"""The specialists of the mesh as peers: found in the catalogue, verified, picked, counted."""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Generator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple, TypeVar

import aiohttp

from router_service.outside import OutsideAgents
from weft.a2a import provider_of, read_card
from weft.a2a.client import A2AClient
from weft.catalog import Capability, Catalog, Effects, Entry, Offers, Provider, RiskLevel, Snapshot
from weft.core import ROUTER, SYSTEM_CLOCK, Clock, JsonValue, Principal, Result
from weft.core.errors import ForbiddenError
from weft.core.protocol_errors import (
    AnswerLostError,
    CardRefusedError,
    PeerAwayError,
    PeerUnavailableError,
)
from weft.events import Event
from weft.identity import Minter, Trust
from weft.loop import Peer, PeerRun, Task
from weft.plan import PickedPeer, Target
from weft.routing import CapabilityIndex

log = logging.getLogger(__name__)

FRESH_SECONDS = 0.25
REFUSED_SECONDS = 0.3
T = TypeVar("T")
Stake = tuple[Effects, RiskLevel]
"""What a call may change, and how bad it is if nobody can tell whether it did."""
_RISKS: tuple[RiskLevel, ...] = ("low", "medium", "high")
_NO_ANSWER = frozenset({"peer_unavailable", "outcome_unknown"})
LATELY_SECONDS = 30.0
"""For so long who left, or was there before this start, is expected back."""
RESTART_SECONDS = 10.0
"""Who left is back by then if he only restarts; a call of his waits so long."""
QUIET_SECONDS = 2.0
"""Of whom nothing came for so long in an open call is asked whether he is there."""
MISSED_SECONDS = 120.0
"""For so long who left is missed: reports name him as somebody who was not heard. Not who stopped in
order: whoever stopped him knows."""


class _Away(NamedTuple):
    """A service of which no instance is left: since when, what it offered, and how it left."""

    since: float
    providers: tuple[Provider, ...]
    withdrawn: bool
    hangs: bool

    def is_given_up(self, now: float) -> bool:
        """Tell whether a restart would have brought it back; who hangs does not restart."""
        return self.hangs or now - self.since >= RESTART_SECONDS


@dataclass(slots=True)
class _Known:
    """One instance whose card was verified."""

    entry: Entry
    provider: Provider
    client: A2AClient
    open: int = 0
    failures: int = 0
    """In a row; a success forgets them."""


@dataclass(slots=True)
class MeshPeers:
    """Picks among the living instances of the catalogue; `builtin` serves roles nobody offers."""

    catalog: Catalog
    session: aiohttp.ClientSession
    trust: Trust
    minter: Minter
    builtin: Mapping[str, Peer] = field(default_factory=dict)
    outside: OutsideAgents | None = None
    """Who is no member and may be called; a member of the same name is meant before him."""
    clock: Clock = SYSTEM_CLOCK
    _known: dict[tuple[str, str], _Known] = field(default_factory=dict)
    _revision: int = -1
    _outside_revision: int = 0
    _offers: Offers = field(default_factory=lambda: Offers(0, ()))
    _refused: dict[tuple[str, str], Entry] = field(default_factory=dict)
    """Cards that were refused, tried again soon: their keys may be published in a moment."""
    _refused_at: float = 0.0
    _order: asyncio.Lock = field(default_factory=asyncio.Lock)
    _left: dict[str, _Away] = field(default_factory=dict)
    """By service, the longest away first to be forgotten."""
    _began: float = field(init=False)
    _indexes: dict[frozenset[str], CapabilityIndex] = field(default_factory=dict)
    """Of the offers as they are now, one for each set of rights."""
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _calls: "dict[str, set[_CountedRun]]" = field(default_factory=lambda: defaultdict(set))
    """The open calls by the service that was called."""

    def __post_init__(self) -> None:
        self._began = self.clock.monotonic()

    @property
    def offers(self) -> Offers:
        """What may be called, as last learned; read on any thread."""
        return self._offers

    async def refresh(self) -> Offers:
        """Verify what is new in the catalogue, forget what left, and return what may be called."""
        snapshot = self.catalog.snapshot()
        if self._outdated(snapshot):
            async with self._order:
                if self._outdated(snapshot):
                    await self._learn_all(snapshot)
        return self._offers

    def may_return(self, service: str | None = None) -> bool:
        """Tell whether `service`, or any, was there a moment ago and is not there now."""
        now, snapshot = self.clock.monotonic(), self.catalog.snapshot()
        if snapshot.stale and now - self._began < LATELY_SECONDS:
            # Just begun, and nobody could say yet who is there.
            return True
        lately = {name for name, away in self._left.items() if now - away.since < LATELY_SECONDS}
        expected = lately | snapshot.awaited
        return bool(expected) if service is None else service in expected

    @property
    def arriving(self) -> bool:
        """Whether somebody is there of whom it is not known yet what he offers."""
        snapshot = self.catalog.snapshot()
        return snapshot.arriving or snapshot.revision != self._revision

    async def wait_change(self, offers: Offers, *, seconds: float) -> None:
        """Return once others may be called than `offers`, or after `seconds`."""
        changed = self._changed
        if self._offers is not offers:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await changed.wait()

    @property
    def own_names(self) -> frozenset[str]:
        """The names of the peers that are no services."""
        return frozenset(peer.name for peer in self.builtin.values())

    def one_of_each(self) -> dict[str, A2AClient]:
        """Return a client for every service in view: replicas share what they store."""
        return {known.entry.service: known.client for known in self._known.values()}

    async def keep_fresh(self) -> None:
        """Refresh again and again, so that a request finds the work done; until cancelled."""
        while True:
            await self.refresh()
            self.doubt_the_quiet()
            self.give_up()
            await asyncio.sleep(FRESH_SECONDS)

    def doubt_the_quiet(self) -> None:
        """Have those asked whether they are there whose open calls are silent."""
        now = self.clock.monotonic()
        for calls in self._calls.values():
            for call in calls:
                if now - call.heard_at >= QUIET_SECONDS:
                    call.heard_at = now
                    self.catalog.doubt(call.entry)

    def give_up(self) -> None:
        """End the open calls of services that hang, or are away for longer than a restart takes.

        A process that hangs keeps its connections: nobody else would tell for minutes.
        """
        now = self.clock.monotonic()
        for name, away in self._left.items():
            if away.is_given_up(now):
                for call in self._calls.pop(name, ()):
                    call.give_up(PeerAwayError([name], now - away.since))

    def _outdated(self, snapshot: Snapshot) -> bool:
        if snapshot.revision != self._revision:
            return True
        if self.outside is not None and self.outside.revision != self._outside_revision:
            return True
        now = self.clock.monotonic()
        if any(now - away.since >= MISSED_SECONDS for away in self._left.values()):
            return True
        return bool(self._refused) and now - self._refused_at > REFUSED_SECONDS

    async def _learn_all(self, snapshot: Snapshot) -> None:
        living = {
            (each.service, each.instance): each
            for each in snapshot.entries
            if each.service != ROUTER
        }
        for key in set(self._known) - set(living):
            del self._known[key]
        for key in set(self._refused) - set(living):
            del self._refused[key]
        for key, entry in living.items():
            known = self._known.get(key)
            if known is None or known.entry != entry:
                await self._learn(key, entry)
        self._revision = snapshot.revision
        providers = (*(known.provider for known in self._known.values()), *self._from_outside())
        self._note_left(providers, snapshot)
        away = tuple(
            provider
            for gone in self._left.values()
            if not gone.withdrawn
            for provider in gone.providers
        )
        if (providers, away) != (self._offers.providers, self._offers.away):
            self._offers = Offers(self._offers.revision + 1, providers, away)
            self._indexes.clear()
            self._changed.set()
            self._changed = asyncio.Event()

    def _from_outside(self) -> tuple[Provider, ...]:
        if self.outside is None:
            return ()
        self._outside_revision = self.outside.revision
        members = {known.entry.service for known in self._known.values()}
        return tuple(each for each in self.outside.providers if each.service not in members)

    def _note_left(self, providers: tuple[Provider, ...], snapshot: Snapshot) -> None:
        now = self.clock.monotonic()
        here = {each.service for each in providers}
        self._left = {
            name: away
            for name, away in self._left.items()
            if name not in here and now - away.since < MISSED_SECONDS
        }
        before = {each.service for each in self._offers.providers if each.outside is None}
        for name in before - here:
            gone = tuple(each for each in self._offers.providers if each.service == name)
            hangs = name in snapshot.hanging
            since = snapshot.hanging.get(name, now)
            self._left[name] = _Away(since, gone[:1], name in snapshot.withdrawn, hangs)

    async def _learn(self, key: tuple[str, str], entry: Entry) -> None:
        try:
            card = await read_card(
                entry.card, service=entry.service, origin=entry.url, trust=self.trust
            )
        except CardRefusedError as error:
            self._known.pop(key, None)
            self._refused_at = self.clock.monotonic()
            if self._refused.get(key) != entry:
                log.warning("card_refused", extra={"peer": entry.service, "reason": str(error)})
            self._refused[key] = entry
            return
        self._refused.pop(key, None)
        client = A2AClient(card, self.session, minter=self.minter)
        self._known[key] = _Known(entry, provider_of(entry), client)

    def pick(self, target: Target, principal: Principal) -> PickedPeer:
        """Return the best instance for `target`, among those the principal may call.

        Raises:
            PeerUnavailableError: There is none now.
            PeerAwayError: Who there was has been away for longer than a restart takes.
            ForbiddenError: The principal may call none of them.
        """
        fitting = [each for each in self._known.values() if _fits(each.provider, target)]
        if not fitting and self.outside is not None:
            picked = self.outside.pick(target, principal)
            if picked is not None:
                return picked
        allowed = [each for each in fitting if principal.may_call(each.entry.service)]
        if fitting and not allowed:
            raise ForbiddenError(f"agents:{fitting[0].entry.service}")
        if not allowed:
            return self._spare(target, principal)
        best = min(allowed, key=lambda each: _preference(each, target))
        effects, risk = self._with_grants(_at_stake(best.provider, target), target, principal)
        calls = self._calls[best.entry.service]
        return PickedPeer(_Counted(best, calls, self.clock), effects=effects, risk=risk)

    def describe(self, capability: str, principal: Principal) -> Capability | None:
        """Return what the providers of `capability` that the principal may call say of it."""
        outside = (each.service for each in self._offers.outside(principal))
        rights = principal.agents.union(outside)
        if rights not in self._indexes:
            self._indexes[rights] = CapabilityIndex.of(self._offers, principal)
        return next(iter(self._indexes[rights].lookup([capability]).capabilities), None)

    def _with_grants(self, own: Stake, target: Target, principal: Principal) -> Stake:
        """Return what a call may change that may use others, and how bad that is."""
        effects, risk = own
        for name in target.grants:
            granted = self.describe(name, principal)
            if granted is None or granted.effects != "none":
                effects = "unknown"
            risk = max(risk, "medium" if granted is None else granted.risk, key=_RISKS.index)
        return effects, risk

    def _spare(self, target: Target, principal: Principal) -> PickedPeer:
        wanted = target.capability or target.peer or target.role or "a peer"
        peer = self.builtin.get(target.role or "")
        if peer is None or target.capability or target.peer:
            self._raise_away(target, principal)
            raise PeerUnavailableError(f"nobody offers {wanted!r} now")
        effects, risk = self._with_grants(("none", "low"), target, principal)
        return PickedPeer(peer, effects=effects, risk=risk)

    def _raise_away(self, target: Target, principal: Principal) -> None:
        """Raise where who could do it is away for longer than a restart takes."""
        now = self.clock.monotonic()
        gone = {
            name: away
            for name, away in self._left.items()
            if principal.may_call(name) and any(_fits(each, target) for each in away.providers)
        }
        if gone and all(away.is_given_up(now) for away in gone.values()):
            since = max(away.since for away in gone.values())
            raise PeerAwayError(sorted(gone), now - since)

    def bound(self, target: Target) -> bool:
        """Tell that any name may turn up: peers come and go while a plan runs."""
        return bool(target.capability or target.peer or target.role)


def _fits(provider: Provider, target: Target) -> bool:
    if target.peer is not None:
        return provider.service == target.peer
    if target.capability is not None:
        service, slash, skill = target.capability.rpartition("/")
        if slash and provider.service != service:
            return False
        return any(each.id == skill for each in provider.capabilities)
    return any(target.role in each.roles for each in provider.capabilities)


def _at_stake(provider: Provider, target: Target) -> Stake:
    """Return what the call may change, and how bad it is if nobody can tell whether it did.

    An agent that is asked as a whole may use any of its skills; one that says of none that it is
    free of effects is not taken for harmless.
    """
    named = (target.capability or "").rpartition("/")[2]
    skills = [each for each in provider.capabilities if named in ("", each.id)]
    if skills and all(each.effects == "none" for each in skills):
        return "none", "low"
    least: RiskLevel = "low" if named and skills else "medium"
    return "unknown", max((*(each.risk for each in skills), least), key=_RISKS.index)


def _preference(known: _Known, target: Target) -> tuple[bool, bool, bool, int, int, str, str]:
    entry = known.provider
    domains = frozenset().union(*(each.domains for each in entry.capabilities))
    mismatch = target.domain != "general" and bool(domains) and target.domain not in domains
    tried = entry.service in target.tried
    author = entry.service in target.authors
    return (author, tried, mismatch, known.failures, known.open, entry.service, entry.instance)


class _Counted:
    """A peer whose open calls and failures are counted while they last."""

    def __init__(self, known: _Known, calls: "set[_CountedRun]", clock: Clock) -> None:
        self._known = known
        self._calls = calls
        self._clock = clock

    @property
    def name(self) -> str:
        return self._known.entry.service

    def start(self, task: Task) -> "_CountedRun":
        run = _CountedRun(
            self._known, self._known.client.start(task), self._calls, clock=self._clock
        )
        self._calls.add(run)
        return run


class _CountedRun:
    def __init__(
        self, known: _Known, run: PeerRun, calls: "set[_CountedRun]", *, clock: Clock
    ) -> None:
        self._known = known
        self._clock = clock
        self.heard_at = clock.monotonic()
        """When it last said something, or was asked whether it is there."""
        self._run = run
        self._calls = calls
        self._open = True
        self._limit: asyncio.Timeout | None = None
        """Around what is waited for now."""
        self._lost: Result | None = None
        known.open += 1

    @property
    def entry(self) -> Entry:
        """Who was called."""
        return self._known.entry

    async def __aiter__(self) -> AsyncIterator[Event]:
        events = aiter(self._run)
        try:
            while self._lost is None:
                event = await self._waited(anext(events, None))
                if event is None:
                    return
                self.heard_at = self._clock.monotonic()
                yield event
        finally:
            # Also where nobody asks for the result any more.
            self._close()

    def __await__(self) -> Generator[object, None, Result]:
        return self._result().__await__()

    def give_up(self, why: PeerAwayError) -> None:
        """End the call: nobody knows what became of it."""
        self._lost = Result.failed(AnswerLostError.code, f"{why}; whether it does this is unknown")
        if self._limit is not None:
            self._limit.reschedule(asyncio.get_running_loop().time())

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        self._close()
        return await self._run.cancel(reason, grace_s=grace_s)

    async def _waited(self, coming: Awaitable[T]) -> T | None:
        """Return what comes, or None once the call is given up."""
        try:
            async with asyncio.timeout(None) as self._limit:
                return await coming
        except TimeoutError:
            if self._lost is None:
                raise
            return None
        finally:
            self._limit = None

    async def _result(self) -> Result:
        try:
            result = self._lost or await self._waited(_ended(self._run)) or self._lost
        finally:
            self._close()
        result = result or Result.failed("peer_failed", "the call was given up")
        reachable = not any(reason.code in _NO_ANSWER for reason in result.reasons)
        self._known.failures = 0 if reachable else self._known.failures + 1
        return result

    def _close(self) -> None:
        self._calls.discard(self)
        if self._open:
            self._open = False
            self._known.open -= 1


async def _ended(run: PeerRun) -> Result:
    return await run

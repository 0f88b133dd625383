"""Another agent as a peer, spoken to over A2A."""

import asyncio
import logging
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace

import aiohttp

from weft.a2a import erasure, replays
from weft.a2a.client.access import ForeignAccess
from weft.a2a.client.foreign import ForeignRun
from weft.a2a.client.remote import RemoteRun
from weft.a2a.client.transport import OK, STREAMS, OpenReply, Outgoing, get_bounded, send
from weft.a2a.replays import TaskReplay, tasks_in
from weft.a2a.wire import extensions
from weft.a2a.wire.cards import MAX_CARD, WELL_KNOWN, PeerCard, read_card
from weft.a2a.wire.foreign_cards import read_foreign_card
from weft.a2a.wire.models import VERSION
from weft.core import Authority, Deadline, JsonObject, Principal, dumps, new_id
from weft.core import trace as tracing
from weft.core.errors import DeadlineExceededError, WeftError
from weft.core.protocol_errors import (
    AnswerLostError,
    CardRefusedError,
    PeerUnavailableError,
)
from weft.identity.keys import Trust
from weft.identity.tokens import Minter, seconds_for
from weft.loop import Task

log = logging.getLogger(__name__)

TRIES = 3
FIRST_DELAY = 0.05
MAX_DELAY = 2.0
CARD_SECONDS = 5.0


class A2AClient:
    """A peer behind a card; keep one per peer, it holds no connection of its own.

    `minter` makes the tokens of a member of the mesh; any other peer is called without one, as its
    `access` says.
    """

    def __init__(
        self,
        card: PeerCard,
        session: aiohttp.ClientSession,
        *,
        minter: Minter | None = None,
        access: ForeignAccess | None = None,
    ) -> None:
        self.card = card
        self._session = session
        self._minter = minter if card.trusted else None
        self._foreign = None if card.trusted else access or ForeignAccess(card)

    @classmethod
    async def connect(
        cls,
        url: str,
        session: aiohttp.ClientSession,
        *,
        service: str,
        trust: Trust | None = None,
        minter: Minter | None = None,
    ) -> "A2AClient":
        """Return a client for the agent at `url`; with `trust` its card must be signed.

        Raises:
            CardRefusedError: The card is not what it must be.
            PeerUnavailableError: It cannot be fetched.
        """
        text = await fetch_card(session, url)
        if trust is None:
            return cls(read_foreign_card(text, service=service, origin=url), session)
        card = await _pinned(text, service=service, origin=url, trust=trust)
        return cls(card, session, minter=minter)

    @property
    def name(self) -> str:
        return self.card.service

    def start(self, task: Task) -> RemoteRun:
        return RemoteRun(self, task) if self._foreign is None else ForeignRun(self, task)

    def until(self, authority: Authority) -> float:
        """Return when a call made with `authority` is over, as a time of the running loop.

        Raises:
            DeadlineExceededError: Too little time is left to call at all.
        """
        return asyncio.get_running_loop().time() + seconds_for(authority)

    async def erase(self, principal: Principal, run_ids: Sequence[str], *, within: float) -> None:
        """Let the peer forget what it did for these mesh-wide runs of `principal`.

        Raises what `call` raises, and `PeerRefusedError` where it does not know how.
        """
        until = asyncio.get_running_loop().time() + within
        authority = Authority(principal, deadline=Deadline.after(within), root_id=run_ids[0])
        answer = await self.call(erasure.METHOD, {"runs": [*run_ids]}, authority, until=until)
        try:
            await answer.result(until)
        finally:
            answer.close()

    async def replay(
        self, authority: Authority, said: Mapping[str, str], *, within: float
    ) -> tuple[TaskReplay, ...]:
        """Return what comes of what the peer did for the mesh-wide run of `authority`, walked again.

        `said` is what its messages would say now, as digests by their ids. Raises what `call` raises,
        and `PeerRefusedError` where it does not know how.
        """
        until = asyncio.get_running_loop().time() + within
        authority = replace(authority, deadline=Deadline.after(within))
        params: JsonObject = {"run": authority.root_id, "said": {**said}}
        answer = await self.call(replays.METHOD, params, authority, until=until)
        try:
            result = await answer.result(until)
        finally:
            answer.close()
        return tasks_in(result)

    async def call(
        self,
        method: str,
        params: JsonObject,
        authority: Authority,
        *,
        until: float,
        last_event_id: int | None = None,
    ) -> OpenReply:
        """Send one call, repeated while it is certain that the peer did not take it.

        A member of the mesh deduplicates, so it is also asked again when an answer got lost; any
        other is only asked again what begins nothing.
        Raises what `weft.a2a.client.transport.send` raises; once an answer got lost, never that the call
        was not taken.
        """
        lost: AnswerLostError | None = None
        for attempt in range(1, TRIES + 1):
            try:
                return await self._call(method, params, authority, until=until, seen=last_event_id)
            except PeerUnavailableError as error:
                lost = error if isinstance(error, AnswerLostError) else lost
                repeats = self._foreign is None or self._foreign.repeats(method)
                if attempt == TRIES or (lost is not None and not repeats):
                    raise (lost or error) from error.__cause__
                await self._pause(attempt, error.retry_after, until)
        raise AssertionError("unreachable")

    async def _call_foreign(
        self,
        foreign: ForeignAccess,
        call: tuple[str, JsonObject],
        headers: dict[str, str],
        *,
        until: float,
    ) -> OpenReply:
        """Send one call to an agent outside the mesh, by an interface of its card that it serves."""
        while True:
            outgoing = await foreign.outgoing(*call, headers)
            try:
                return await _held(await send(self._session, outgoing, until=until), until)
            except WeftError as error:
                if not foreign.falls_back(call[0], error):
                    raise foreign.explained(error) from error

    async def _call(
        self,
        method: str,
        params: JsonObject,
        authority: Authority,
        *,
        until: float,
        seen: int | None,
    ) -> OpenReply:
        if self._foreign is not None:
            traced = _traced(authority)
            if seen is not None:
                traced["Last-Event-ID"] = str(seen)
            return await self._call_foreign(self._foreign, (method, params), traced, until=until)
        if self.card.tenant:
            params = {**params, "tenant": self.card.tenant}
        call = dumps({"jsonrpc": "2.0", "id": new_id(), "method": method, "params": params})
        headers = self._headers(authority, call)
        if seen is not None:
            headers["Last-Event-ID"] = str(seen)
        outgoing = Outgoing(self.card.url, call, headers, method in STREAMS)
        return await send(self._session, outgoing, until=until)

    def _headers(self, authority: Authority, body: bytes) -> dict[str, str]:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "Accept-Encoding": "identity",
            "A2A-Version": VERSION,
        }
        if self.card.extensions:
            headers[extensions.HEADER] = extensions.ALL_HEADER
        if self._minter is not None:
            token = self._minter.mint(
                authority, audience=self.card.service, at=self.card.url, body=body
            )
            headers["Authorization"] = f"Bearer {token}"
        return headers | _traced(authority)

    async def _pause(self, attempt: int, retry_after: float | None, until: float) -> None:
        ceiling = min(FIRST_DELAY * 4**attempt, MAX_DELAY)
        delay = retry_after if retry_after is not None else random.uniform(FIRST_DELAY, ceiling)  # noqa: S311 - spreads load, guards nothing
        if asyncio.get_running_loop().time() + delay >= until:
            raise DeadlineExceededError("the peer could not be reached in the time left")
        await asyncio.sleep(delay)


async def _held(answer: OpenReply, until: float) -> OpenReply:
    """Return an answer of which it is known that it is no refusal; a stream's may follow yet."""
    try:
        await answer.hold(until)
    except BaseException:
        answer.close()
        raise
    return answer


def _traced(authority: Authority) -> dict[str, str]:
    """Return the header that makes a call a span of the run's trace."""
    if authority.trace is None:
        return {}
    return {tracing.HEADER: authority.trace.child().header}


async def _pinned(text: str | bytes, *, service: str, origin: str, trust: Trust) -> PeerCard:
    try:
        return await read_card(text, service=service, origin=origin, trust=trust)
    except CardRefusedError:
        log.warning("a2a_card_refused", extra={"service": service})
        raise


async def fetch_card(session: aiohttp.ClientSession, url: str) -> bytes:
    """Return the card served at `url`, as bytes that nobody has vouched for.

    Raises:
        PeerUnavailableError: It cannot be fetched.
        CardRefusedError: It is too large.
    """
    try:
        status, text = await get_bounded(
            session, url.rstrip("/") + WELL_KNOWN, most=MAX_CARD, within=CARD_SECONDS
        )
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        raise PeerUnavailableError("the peer's card cannot be fetched") from error
    if status != OK:
        raise PeerUnavailableError(f"the peer has no card (HTTP {status})")
    if len(text) > MAX_CARD:
        raise CardRefusedError(f"the card is larger than {MAX_CARD} bytes")
    return text

"""The bus over NATS: one connection per process, which is retried for ever."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from weft.bus.base import Bus
from weft.bus.credentials import BusUser
from weft.core import name_digest
from weft.core.errors import BusUnavailableError
from weft.core.supervision import guarded, kept_going

__all__ = ["NatsBus", "nats_bus"]

log = logging.getLogger(__name__)

OUTBOX = 8192
"""Messages that may wait for the connection; what comes then is dropped, as any may be."""
WAKE = ("", b"")
"""Makes the sender look up from an empty outbox."""


class _Client(Client):
    """Survives messages that nobody could have meant."""

    async def _process_msg(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes
    ) -> None:
        # A subject that is no UTF-8, or a broken header, would end the task that reads the
        # connection, and the process would be deaf until two pings had no answer.
        try:
            await super()._process_msg(sid, subject, reply, data, headers)
        except Exception as error:  # noqa: BLE001 - the edge of one message, whoever sent it
            log.debug("bus_message_unreadable", extra={"reason": type(error).__name__})


class _Subscription:
    """What one subscriber has not read yet; it is made anew with each new client."""

    def __init__(self, subject: str, queue: str | None, places: int) -> None:
        self.client: Client | None = None
        self._subject = subject
        self._queue = queue or ""
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(places)
        self._made: Subscription | None = None
        self._left = False

    async def make(self, client: Client) -> None:
        self.client = client
        self._made = await client.subscribe(self._subject, queue=self._queue, cb=self._take)
        if self._left:
            await self.leave()

    async def leave(self) -> None:
        self._left = True
        # With a lost connection the subscription is gone as well.
        with suppress(NatsError, OSError):
            if self._made is not None:
                await self._made.unsubscribe()

    async def messages(self) -> AsyncGenerator[tuple[str, bytes], None]:
        while True:
            yield await self._waiting.get()

    async def _take(self, message: Msg) -> None:
        if not self._waiting.full():
            self._waiting.put_nowait((message.subject, message.data))


class NatsBus(Bus):
    """Publishes through an outbox that a task of its own empties; make it with `nats_bus`."""

    def __init__(self) -> None:
        self._client: Client = _Client()
        self._ready = asyncio.Event()
        self._leaving = False
        self._outbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(OUTBOX)
        self._subscriptions: list[_Subscription] = []
        self._outage = _Outage()

    @property
    def connected(self) -> bool:
        return self._client.is_connected

    async def jetstream(self, *, timeout: float = 5.0) -> JetStreamContext:  # noqa: ASYNC109 - a bound on waiting, not a scope
        """Return the JetStream API once connected.

        Raises:
            BusUnavailableError: There was no connection in time.
        """
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError as error:
            raise BusUnavailableError("NATS does not answer") from error
        return self._client.jetstream(timeout=2)

    def publish(self, subject: str, payload: bytes) -> None:
        if self._client.is_connected and not self._outbox.full():
            self._outbox.put_nowait((subject, payload))

    @asynccontextmanager
    async def subscribe(
        self, subject: str, *, queue: str | None = None, places: int = 1024
    ) -> AsyncIterator[AsyncGenerator[tuple[str, bytes], None]]:
        subscription = _Subscription(subject, queue, places)
        self._subscriptions.append(subscription)
        if self._ready.is_set():
            # Where this fails, it is made with the next connection.
            with guarded("bus subscription"):
                await subscription.make(self._client)
        messages = subscription.messages()
        try:
            yield messages
        finally:
            self._subscriptions.remove(subscription)
            await messages.aclose()
            await subscription.leave()

    async def flush(self) -> None:
        try:
            async with asyncio.timeout(2):
                await self._outbox.join()
                if self._client.is_connected:
                    await self._client.flush(timeout=2)
        except (NatsError, TimeoutError, OSError):
            log.warning("bus_flush_failed")

    async def aclose(self) -> None:
        # A cancellation of `run` that nats-py swallowed while it connected ends it here.
        self._leaving = True
        self._wake()

    async def run(self, url: str, *, name: str, user: BusUser | None = None) -> None:
        """Connect, then send what is published; return once the connection is closed for good.

        nats-py reconnects by itself for as long as the server is away, but closes the connection
        when the server refuses something. Call it again then.
        """
        self._ready.clear()
        client = self._client = _Client()
        try:
            await _connect(client, url, self._outage, name=name, user=user, closed=self._wake)
            self._outage.end()
            while unmade := [
                subscription
                for subscription in self._subscriptions
                if subscription.client is not client
            ]:
                await unmade[0].make(client)
            self._ready.set()
            while not (self._leaving or client.is_closed):
                message = await self._outbox.get()
                try:
                    await self._send(client, message)
                finally:
                    self._outbox.task_done()
        finally:
            await _close(client)

    async def keep(self, url: str, *, name: str, user: BusUser | None = None) -> None:
        """Stay connected until `aclose`, or a cancellation."""
        while not self._leaving:
            await self.run(url, name=name, user=user)
            if not self._leaving:
                raise BusUnavailableError("NATS closed the connection")

    async def _send(self, client: Client, message: tuple[str, bytes]) -> None:
        if message == WAKE or client.is_closed:
            return
        with guarded("bus publication"):
            await client.publish(*message)

    def _wake(self) -> None:
        if not self._outbox.full():
            self._outbox.put_nowait(WAKE)

    def report_absent(self, url: str) -> None:
        """Log that the server at `url` is not there; its attempts, which go on, are not logged."""
        log.warning("bus_not_connected", extra={"bus": url, "reason": self._outage.reason})

    async def wait_connected(self, *, timeout: float) -> bool:  # noqa: ASYNC109 - as above
        """Return whether the server answered within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def nats_bus(
    url: str, *, name: str, user: BusUser | None = None, patience: float = 2.0
) -> AsyncIterator[NatsBus]:
    """Yield a bus on `url`, connected or still trying after `patience` seconds.

    An absent server stops nobody: what is published meanwhile is dropped, and subscriptions begin
    with the connection.
    """
    bus = NatsBus()
    async with kept_going(partial(bus.keep, url, name=name, user=user), name="nats"):
        try:
            if not await bus.wait_connected(timeout=patience):
                bus.report_absent(url)
            yield bus
            await bus.flush()
        finally:
            await bus.aclose()


class _Outage:
    """Why there is no connection. Attempts fail four times a second: who is not connected says so once."""

    def __init__(self) -> None:
        self.over = False
        self.reason: str | None = None

    def begin(self) -> None:
        self.over = False

    def end(self) -> None:
        self.over = True
        self.reason = None


async def _connect(
    client: Client,
    url: str,
    outage: _Outage,
    *,
    name: str,
    user: BusUser | None,
    closed: Callable[[], None],
) -> None:
    async def failed(error: Exception) -> None:
        outage.reason = type(error).__name__
        if outage.over:
            log.warning("bus_error", extra={"bus": url, "reason": outage.reason})

    async def left() -> None:
        if outage.over:
            log.warning("bus_disconnected", extra={"bus": url})
        outage.begin()

    async def back() -> None:
        outage.end()
        log.info("bus_reconnected", extra={"bus": url})

    async def gone() -> None:
        closed()

    await client.connect(
        servers=[url],
        name=name,
        error_cb=failed,
        disconnected_cb=left,
        reconnected_cb=back,
        closed_cb=gone,
        connect_timeout=2,
        reconnect_time_wait=0.25,  # type: ignore[arg-type]  # annotated int, used as seconds
        max_reconnect_attempts=-1,
        ping_interval=10,
        max_outstanding_pings=2,
        user=user.name if user else None,
        password=user.password if user else None,
        inbox_prefix=f"_INBOX_{name_digest(user.name if user else name)}".encode(),
    )


async def _close(client: Client) -> None:
    try:
        async with asyncio.timeout(2):
            await client.close()
    except (NatsError, TimeoutError, OSError):
        log.warning("bus_close_failed")

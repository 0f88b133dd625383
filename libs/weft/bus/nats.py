"""The bus over NATS: one connection per process, which is retried for ever."""

import asyncio
import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from weft.bus.base import Bus
from weft.core import name_digest
from weft.core.errors import BusUnavailableError

log = logging.getLogger(__name__)

OUTBOX = 8192
"""Messages that may wait for the connection; what comes then is dropped, as any may be."""


class NatsBus(Bus):
    """Publishes through an outbox that a task of its own empties; make it with `nats_bus`."""

    def __init__(self, client: Client, tasks: asyncio.TaskGroup) -> None:
        self._client = client
        self._tasks = tasks
        self._ready = asyncio.Event()
        self._leaving = False
        self._outbox: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(OUTBOX)

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
        waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(places)
        made: list[Subscription] = []

        async def take(message: Msg) -> None:
            if not waiting.full():
                waiting.put_nowait((message.subject, message.data))

        async def make() -> None:
            await self._ready.wait()
            made.append(await self._client.subscribe(subject, queue=queue or "", cb=take))

        if self._client.is_connected:
            await make()
            making = None
        else:
            making = self._tasks.create_task(make())
        messages = _drain(waiting)
        try:
            yield messages
        finally:
            await messages.aclose()
            if making is not None:
                making.cancel()
            if made and self._client.is_connected:
                await made[0].unsubscribe()

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
        try:
            async with asyncio.timeout(2):
                await self._client.close()
        except (NatsError, TimeoutError, OSError):
            log.warning("bus_close_failed")

    async def run(self, url: str, *, name: str) -> None:
        """Connect, then send what is published, until cancelled."""

        async def told(error: Exception) -> None:
            log.warning("bus_error", extra={"reason": type(error).__name__})

        async def left() -> None:
            log.warning("bus_disconnected")

        async def back() -> None:
            log.info("bus_reconnected")

        await self._client.connect(
            servers=[url],
            name=name,
            error_cb=told,
            disconnected_cb=left,
            reconnected_cb=back,
            connect_timeout=2,
            reconnect_time_wait=0.25,  # type: ignore[arg-type]  # annotated int, used as seconds
            max_reconnect_attempts=-1,
            ping_interval=10,
            max_outstanding_pings=2,
            inbox_prefix=f"_INBOX_{name_digest(name)}".encode(),
        )
        self._ready.set()
        while not self._leaving:
            subject, payload = await self._outbox.get()
            try:
                await self._client.publish(subject, payload)
            except NatsError as error:
                log.warning("bus_publish_failed", extra={"reason": type(error).__name__})
            finally:
                self._outbox.task_done()

    async def wait_connected(self, *, timeout: float) -> bool:  # noqa: ASYNC109 - as above
        """Return whether the server answered within `timeout` seconds."""
        try:
            async with asyncio.timeout(timeout):
                await self._ready.wait()
        except TimeoutError:
            return False
        return True


@asynccontextmanager
async def nats_bus(url: str, *, name: str, patience: float = 2.0) -> AsyncIterator[NatsBus]:
    """Yield a bus on `url`, connected or still trying after `patience` seconds.

    An absent server stops nobody: what is published meanwhile is dropped, and subscriptions begin
    with the connection.
    """
    async with asyncio.TaskGroup() as tasks:
        bus = NatsBus(Client(), tasks)
        running = tasks.create_task(bus.run(url, name=name), name="nats")
        try:
            if not await bus.wait_connected(timeout=patience):
                log.warning("bus_not_connected")
            yield bus
            await bus.flush()
        finally:
            running.cancel()
            await bus.aclose()


async def _drain(
    waiting: asyncio.Queue[tuple[str, bytes]],
) -> AsyncGenerator[tuple[str, bytes], None]:
    while True:
        yield await waiting.get()

"""Says in a NATS KV bucket that this process is there, again and again; needs no other right."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from nats.errors import Error as NatsError
from nats.js import JetStreamContext

from weft.bus.nats import NatsBus
from weft.catalog.base import Catalog, Entry, Sealed, Snapshot
from weft.core.errors import BusUnavailableError
from weft.core.supervision import forever

__all__ = ["nats_announcer"]

log = logging.getLogger(__name__)

BUCKET = "weft_agents"
TTL_SECONDS = 15
PUT_SECONDS = 5.0
RETRY_SECONDS = 0.1
"""After a put that failed; doubling up to `PUT_SECONDS`."""
ANNOUNCE_SECONDS = 3.0
"""How long publishing waits for the first put that succeeds, where there is a bus."""
UNREACHABLE = (BusUnavailableError, NatsError, TimeoutError)


class Announcer(Catalog):
    """Publishes with a time to live and reads nothing; make it with `nats_announcer`."""

    def __init__(self, bus: NatsBus) -> None:
        self._bus = bus
        self._published: dict[str, Sealed] = {}
        self._leaving = False
        self._failed = asyncio.Event()
        self._stored = asyncio.Event()
        self._fault: str | None = None
        """Why the last put failed."""

    def leave(self) -> None:
        """End the background work soon, also where its cancellation gets lost.

        Before Python 3.12 `asyncio.wait_for`, which nats-py awaits in, can swallow a cancellation
        that comes together with a result.
        """
        self._leaving = True

    async def publish(self, entry: Entry, sealed: Sealed) -> None:
        self._published[entry.key] = sealed
        self._stored.clear()
        if await self._put(entry.key, sealed()):
            return
        self._failed.set()
        if not self._bus.connected:
            return
        # In a mesh that begins, the bucket comes with the router: whoever says before that it is
        # ready is not found yet by the first request.
        with suppress(TimeoutError):
            async with asyncio.timeout(ANNOUNCE_SECONDS):
                await self._stored.wait()

    async def withdraw(self, entry: Entry) -> None:
        self._published.pop(entry.key, None)
        # A marker, which replaces the entry; a purge would need rights over the whole bucket.
        # Left behind, the entry is found out by asking.
        await self._put(entry.key, b"", {"KV-Operation": "DEL"})

    def snapshot(self) -> Snapshot:
        return Snapshot(0, (), stale=True)

    async def aclose(self) -> None:
        """Stop announcing; what was published is withdrawn by who published it, or expires."""
        self._published.clear()

    async def keep(self) -> None:
        """Put every published entry again and again, until cancelled."""
        pause = PUT_SECONDS
        while not self._leaving:
            try:
                async with asyncio.timeout(pause):
                    await self._failed.wait()
                pause = RETRY_SECONDS
            except TimeoutError:
                pass
            self._failed.clear()
            stored = [await self._put(key, make()) for key, make in list(self._published.items())]
            if all(stored):
                self._stored.set()
            failed = pause if pause < PUT_SECONDS else RETRY_SECONDS
            pause = PUT_SECONDS if all(stored) else min(failed * 2, PUT_SECONDS)

    async def _put(self, key: str, value: bytes, headers: dict[str, str] | None = None) -> bool:
        try:
            js = await self._jetstream()
            # `kv.put` and `kv.update` would drop the key's time to live.
            await js.publish(
                f"$KV.{BUCKET}.{key}", value, headers=headers, msg_ttl=float(TTL_SECONDS), timeout=2
            )
        except UNREACHABLE as error:
            await self._refused()
            self._report(type(error).__name__)
            return False
        self._fault = None
        return True

    def _report(self, fault: str) -> None:
        """Log why a put failed: once, and not where the bus has said already that it is away."""
        if self._bus.connected and fault != self._fault:
            log.warning("catalog_put_failed", extra={"reason": fault})
        self._fault = fault

    async def _jetstream(self) -> JetStreamContext:
        return await self._bus.jetstream()

    async def _refused(self) -> None:
        """Hear that a put failed: the bucket may be gone."""


@asynccontextmanager
async def nats_announcer(bus: NatsBus) -> AsyncIterator[Announcer]:
    """Yield a catalogue for a service that looks nobody up."""
    async with asyncio.TaskGroup() as tasks:
        announcer = Announcer(bus)
        keeping = tasks.create_task(forever(announcer.keep, name="catalogue keep"))
        try:
            yield announcer
        finally:
            announcer.leave()
            keeping.cancel()

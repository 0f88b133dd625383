"""The catalogue in a NATS KV bucket: entries live as long as their process keeps putting them."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import StreamConfig
from nats.js.errors import BadRequestError, NotFoundError
from nats.js.kv import KeyValue
from pydantic import ValidationError

from weft.bus.nats import NatsBus
from weft.catalog.base import Catalog, Entry, Snapshot
from weft.core import SYSTEM_CLOCK, Clock, name_digest
from weft.core.errors import BusUnavailableError

log = logging.getLogger(__name__)

BUCKET = "weft_agents"
TTL_SECONDS = 15
PUT_SECONDS = 5.0
READ_SECONDS = 1.0
RELIST_SECONDS = 60.0
"""The bucket is read whole this often, in case a change was never heard of."""


class NatsCatalog(Catalog):
    """Publishes with a TTL and keeps a local list; make it with `nats_catalog`."""

    def __init__(self, bus: NatsBus, clock: Clock = SYSTEM_CLOCK) -> None:
        self._bus = bus
        self._clock = clock
        self._heard: dict[str, float] = {}
        self._published: dict[str, Entry] = {}
        self._known: dict[str, Entry] = {}
        self._revision = 0
        self._stale = True
        self._listed = asyncio.Event()
        self._js: JetStreamContext | None = None
        self._leaving = False

    def leave(self) -> None:
        """End `keep` and `watch` soon, also where their cancellation gets lost.

        Before Python 3.12 `asyncio.wait_for`, which nats-py awaits in, can swallow a cancellation
        that comes together with a result.
        """
        self._leaving = True

    async def publish(self, entry: Entry) -> None:
        self._published[_key(entry)] = entry
        with suppress(BusUnavailableError, NatsError, TimeoutError):
            # Refused now, it is put again within `PUT_SECONDS`.
            await self._put(entry)

    async def withdraw(self, entry: Entry) -> None:
        self._published.pop(_key(entry), None)
        with suppress(BusUnavailableError, NatsError, TimeoutError):
            # Left behind, it expires by itself.
            js = await self._stream()
            kv = await js.key_value(BUCKET)
            await kv.purge(_key(entry))

    def snapshot(self) -> Snapshot:
        entries = tuple(self._known[key] for key in sorted(self._known))
        return Snapshot(self._revision, entries, stale=self._stale)

    async def wait_listed(self, *, seconds: float) -> bool:
        """Return whether the bucket was read at least once within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._listed.wait()
        except TimeoutError:
            return False
        return True

    async def aclose(self) -> None:
        for entry in list(self._published.values()):
            await self.withdraw(entry)

    async def keep(self) -> None:
        """Put every published entry again and again, until cancelled."""
        while not self._leaving:
            await asyncio.sleep(PUT_SECONDS)
            for entry in list(self._published.values()):
                try:
                    await self._put(entry)
                except (BusUnavailableError, NatsError, TimeoutError) as error:
                    log.warning("catalog_put_failed", extra={"reason": type(error).__name__})

    async def watch(self) -> None:
        """Keep the local list current, until cancelled."""
        while not self._leaving:
            try:
                js = await self._stream()
                await self._follow(await js.key_value(BUCKET))
            except (BusUnavailableError, NatsError, TimeoutError) as error:
                log.warning("catalog_unreachable", extra={"reason": type(error).__name__})
                self._stale = True
                self._js = None
                await asyncio.sleep(READ_SECONDS)

    async def _follow(self, kv: KeyValue) -> None:
        """Read the bucket, then its changes; return after a while to read it whole again."""
        watcher = await kv.watchall()
        listing: set[str] | None = set()
        until = self._clock.monotonic() + RELIST_SECONDS
        try:
            while not self._leaving and self._clock.monotonic() < until:
                try:
                    change = await watcher.updates(timeout=READ_SECONDS)  # type: ignore[no-untyped-call]  # nats-py leaves it untyped
                except TimeoutError:
                    self._expire()
                    continue
                if change is not None:
                    self._learn(change.key, change.value if change.operation is None else None)
                    if listing is not None:
                        listing.add(change.key)
                elif listing is not None:
                    for key in set(self._known) - listing:
                        self._learn(key, None)
                    listing = None
                    self._stale = False
                    self._listed.set()
        finally:
            with suppress(NatsError, TimeoutError):
                await watcher.stop()  # type: ignore[no-untyped-call]  # nats-py leaves it untyped

    def _learn(self, key: str, value: bytes | None) -> None:
        try:
            entry = Entry.model_validate_json(value) if value else None
        except ValidationError:
            log.warning("catalog_entry_unreadable", extra={"key": key})
            entry = None
        if entry is not None:
            self._heard[key] = self._clock.monotonic()
        if self._known.get(key) == entry:
            return
        self._revision += 1
        if entry is None:
            del self._known[key]
        else:
            self._known[key] = entry

    def _expire(self) -> None:
        """Drop who was silent for the time to live; while NATS is away, silence means nothing."""
        now = self._clock.monotonic()
        if not self._bus.connected:
            self._stale = True
            self._heard = dict.fromkeys(self._known, now)
            return
        self._stale = False
        for key in [key for key in self._known if now - self._heard[key] > TTL_SECONDS]:
            self._learn(key, None)

    async def _put(self, entry: Entry) -> None:
        js = await self._stream()
        # `kv.put` and `kv.update` would drop the key's time to live.
        await js.publish(
            f"$KV.{BUCKET}.{_key(entry)}",
            entry.model_dump_json().encode(),
            msg_ttl=float(TTL_SECONDS),
            timeout=2,
        )

    async def _stream(self) -> JetStreamContext:
        if self._js is None:
            js = await self._bus.jetstream()
            await _ensure(js)
            self._js = js
        return self._js


@asynccontextmanager
async def nats_catalog(bus: NatsBus, *, patience: float = 2.0) -> AsyncIterator[NatsCatalog]:
    """Yield a catalogue, read once or still trying after `patience` seconds."""
    async with asyncio.TaskGroup() as tasks:
        catalog = NatsCatalog(bus)
        background = [
            tasks.create_task(catalog.watch(), name="catalog watch"),
            tasks.create_task(catalog.keep(), name="catalog keep"),
        ]
        try:
            if not await catalog.wait_listed(seconds=patience):
                log.warning("catalog_not_listed")
            yield catalog
        finally:
            catalog.leave()
            for task in background:
                task.cancel()
            await catalog.aclose()


def _key(entry: Entry) -> str:
    return f"{name_digest(entry.service)}.{name_digest(entry.instance)}"


async def _ensure(js: JetStreamContext) -> None:
    """Make the bucket's stream with per-message time to live, unless somebody did."""
    with suppress(NotFoundError):
        await js.stream_info(f"KV_{BUCKET}")
        return
    config = StreamConfig(
        name=f"KV_{BUCKET}",
        subjects=[f"$KV.{BUCKET}.>"],
        max_msgs_per_subject=1,
        max_msg_size=256 * 1024,
        max_bytes=64 * 1024 * 1024,
        allow_rollup_hdrs=True,
        deny_delete=True,
        allow_direct=True,
        allow_msg_ttl=True,
        subject_delete_marker_ttl=float(TTL_SECONDS),
        duplicate_window=0,
    )
    with suppress(BadRequestError):
        # Two services start together: the other one made it.
        await js.add_stream(config)

"""The catalogue in a NATS KV bucket: entries live as long as their process keeps putting them.

What stands in the bucket is hearsay: a `Listing` holds only what its own service signed and what
answered when asked, and keeps it while the bucket is away, frozen or emptied.
"""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

from nats.errors import Error as NatsError
from nats.js import JetStreamContext
from nats.js.api import StreamConfig, StreamInfo
from nats.js.errors import BadRequestError, NotFoundError
from nats.js.kv import KeyValue

from weft.bus.nats import NatsBus
from weft.catalog import lastgood
from weft.catalog.announcing import (
    BUCKET,
    PUT_SECONDS,
    UNREACHABLE,
    Announcer,
)
from weft.catalog.base import Entry, Snapshot
from weft.catalog.listing import Listing, SilencePatience, Vouch
from weft.core import SYSTEM_CLOCK, Clock
from weft.core.supervision import forever

__all__ = ["nats_catalog"]

log = logging.getLogger(__name__)

READ_SECONDS = 1.0
RELIST_SECONDS = 60.0
"""The bucket is read whole this often, in case a change was never heard of."""
STALE_SECONDS = 2.5 * PUT_SECONDS
"""Nothing heard of anybody for so long: the bucket is away, whatever the connection says."""
MAX_SEALED = 400 * 1024
STREAM = f"KV_{BUCKET}"


class NatsCatalog(Announcer):
    """Publishes with a time to live and keeps a proven list; make it with `nats_catalog`."""

    def __init__(
        self,
        bus: NatsBus,
        vouch: Vouch,
        *,
        patience: SilencePatience | None = None,
        file: Path | None = None,
        clock: Clock = SYSTEM_CLOCK,
    ) -> None:
        """`file` keeps the last good list from one start to the next."""
        super().__init__(bus)
        self._clock = clock
        self._listing = Listing(vouch, patience=patience, clock=clock)
        self._file = file
        self._saved = 0
        self._listed = asyncio.Event()
        self._js: JetStreamContext | None = None

    def snapshot(self) -> Snapshot:
        silent = self._clock.monotonic() - self._listing.heard > STALE_SECONDS
        entries = self._listing.entries()
        stale = not (self._bus.connected and self._listed.is_set()) or (bool(entries) and silent)
        listing = self._listing
        return Snapshot(
            listing.revision,
            entries,
            stale=stale,
            awaited=listing.awaited(),
            arriving=listing.arriving(),
            withdrawn=listing.withdrawn(),
            hanging=listing.hanging(),
        )

    def doubt(self, entry: Entry) -> None:
        self._listing.miss(entry.key)

    async def wait_listed(self, *, seconds: float) -> bool:
        """Return whether the bucket was read at least once within `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                await self._listed.wait()
        except TimeoutError:
            return False
        return True

    async def recall(self) -> None:
        """Ask for those that were there when the last good list was written."""
        if self._file is not None:
            self._listing.suppose(await asyncio.to_thread(lastgood.read, self._file))

    async def settle(self) -> None:
        """Ask those whom there is reason to ask, until cancelled."""
        await self._listing.settle()

    async def save(self) -> None:
        """Write the list down whenever it changed, until cancelled."""
        while not self._leaving and self._file is not None:
            await asyncio.sleep(READ_SECONDS)
            revision, entries = self._listing.revision, self._listing.entries()
            # An empty list is no good one: it would forget a mesh that only went away before us.
            if revision != self._saved and entries:
                listed = (*entries, *self._listing.supposed())
                await asyncio.to_thread(lastgood.write, self._file, listed)
                self._saved = revision

    async def watch(self) -> None:
        """Keep hearing of changes, until cancelled."""
        while not self._leaving:
            try:
                js = await self._jetstream()
                await self._follow(await js.key_value(BUCKET))
            except (*UNREACHABLE, OSError) as error:
                log.warning("catalog_unreachable", extra={"reason": type(error).__name__})
                self._js = None
                await asyncio.sleep(READ_SECONDS)

    async def _follow(self, kv: KeyValue) -> None:
        """Read the bucket, then its changes; return after a while to read it whole again."""
        watcher = await kv.watchall()
        listing: set[str] | None = set()
        began = self._clock.monotonic()
        made = self._js
        try:
            # A bucket that had to be made anew is another one than this watcher reads.
            while not self._leaving and made is self._js and not self._outlived(began):
                try:
                    change = await watcher.updates(timeout=READ_SECONDS)  # type: ignore[no-untyped-call]  # nats-py leaves it untyped
                except TimeoutError:
                    continue
                if change is not None:
                    await self._take(change)
                    if listing is not None:
                        listing.add(change.key)
                elif listing is not None:
                    for key in self._listing.keys() - listing:
                        self._listing.miss(key)
                    listing = None
                    self._listed.set()
        finally:
            with suppress(NatsError, TimeoutError):
                await watcher.stop()  # type: ignore[no-untyped-call]  # nats-py leaves it untyped

    def _outlived(self, began: float) -> bool:
        """Tell whether the bucket should be looked for and read anew."""
        now = self._clock.monotonic()
        if now - max(self._listing.heard, began) > STALE_SECONDS:
            # Nobody puts anything: perhaps there is no bucket any more, which a watch cannot tell.
            self._js = None
            return True
        return now - began > RELIST_SECONDS

    async def _take(self, change: KeyValue.Entry) -> None:
        if change.operation is not None or not change.value:
            self._listing.miss(change.key, leaving=True)
        else:
            await self._listing.hear(change.key, change.value)

    async def _refused(self) -> None:
        self._js = None

    async def _jetstream(self) -> JetStreamContext:
        if self._js is None:
            js = await self._bus.jetstream()
            await _ensure(js)
            self._js = js
        return self._js


@asynccontextmanager
async def nats_catalog(
    bus: NatsBus,
    vouch: Vouch,
    *,
    file: Path | None = None,
    patience: SilencePatience | None = None,
    wait: float = 0.5,
) -> AsyncIterator[NatsCatalog]:
    """Yield a catalogue, read once or still trying after `wait` seconds."""
    catalog = NatsCatalog(bus, vouch, file=file, patience=patience)
    async with asyncio.TaskGroup() as tasks:
        background = [
            tasks.create_task(forever(work, name=f"catalogue {name}"))
            for name, work in (
                ("watch", catalog.watch),
                ("keep", catalog.keep),
                ("settle", catalog.settle),
                ("save", catalog.save),
            )
        ]
        try:
            await catalog.recall()
            if not await catalog.wait_listed(seconds=wait):
                log.warning("catalog_not_listed")
            yield catalog
        finally:
            catalog.leave()
            for task in background:
                task.cancel()
            await catalog.aclose()


async def _ensure(js: JetStreamContext) -> None:
    """Make the bucket's stream with per-message time to live, unless somebody did."""
    with suppress(NotFoundError):
        if _fits(await js.stream_info(STREAM)):
            return
        # Made by an older release; all that stands in it is put again in a moment.
        await js.delete_stream(STREAM)
    config = StreamConfig(
        name=STREAM,
        subjects=[f"$KV.{BUCKET}.>"],
        max_msgs_per_subject=1,
        max_msg_size=MAX_SEALED,
        max_bytes=64 * 1024 * 1024,
        # A roll-up of the whole bucket would need no more than the right to put one key.
        allow_rollup_hdrs=False,
        deny_delete=True,
        allow_direct=True,
        allow_msg_ttl=True,
        duplicate_window=0,
    )
    with suppress(BadRequestError):
        # Two services start together: the other one made it.
        await js.add_stream(config)


def _fits(stream: StreamInfo) -> bool:
    return not stream.config.allow_rollup_hdrs and bool(stream.config.allow_msg_ttl)

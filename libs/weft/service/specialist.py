"""A specialist's process: its peer behind A2A, with a durable store of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from weft.a2a import Card, Sealer
from weft.a2a.server import A2AServer, execute_task
from weft.core import SYSTEM_CLOCK
from weft.core.supervision import kept_going
from weft.identity import Verifier
from weft.loop import Peer
from weft.runs import A2A_SEND, Pruner, Runs, TaskPublisher, Worker
from weft.service.mesh import Member, announced, member
from weft.service.presence import proving
from weft.service.serving import Listening, Opening, Served
from weft.service.settings import SpecialistSettings

__all__ = ["agent_app"]

Opened = Callable[[], AbstractAsyncContextManager[Peer]]


def agent_app(card: Card, opened: Opened, settings: SpecialistSettings) -> Opening:
    """Return what `serve` opens: the peer that `opened` yields, served as `card` describes it.

    Each A2A task is a durable run in the service's own database; the peer writes through the
    task's journal and needs no checkpointer.
    """
    return partial(_open, card, opened, settings)


@asynccontextmanager
async def _open(
    card: Card, opened: Opened, settings: SpecialistSettings, listening: Listening
) -> AsyncIterator[Served]:
    async with (
        member(card.name, settings, checkpointer=settings.checkpointer) as self,
        opened() as peer,
    ):
        runs = Runs(
            self.checkpointer,
            self.bus,
            pool=card.name,
            publisher=TaskPublisher(self.bus, card.name),
        )
        worker = Worker(
            runs,
            execute_task(peer),
            name=f"{card.name}/{settings.instance}",
            operations=(A2A_SEND,),
            slots=settings.slots,
        )
        verifier = Verifier(self.trust, audience=card.name, at=listening.url)
        server = A2AServer(card, runs, url=listening.url, authenticator=verifier, key=self.key)
        entry = server.entry(settings.instance, started_at=SYSTEM_CLOCK.now())
        sealer = Sealer(entry, self.key)
        app = proving(server.app(), sealer)
        pruner = Pruner(self.checkpointer, settings.keep_days)
        async with runs.listening(), kept_going(pruner.keep, name="pruning"):
            yield Served(app, partial(_announced, self, sealer, server, worker))


@asynccontextmanager
async def _announced(
    self: Member, sealer: Sealer, server: A2AServer, worker: Worker
) -> AsyncIterator[None]:
    async with worker.working():
        try:
            async with announced(self.catalog, sealer, leaving=worker.leave):
                yield
        finally:
            server.drain()
    # Readers came back for what was finished meanwhile; whatever was handed over they find again.
    server.drain()

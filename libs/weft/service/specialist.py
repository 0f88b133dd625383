"""A specialist's process: its peer behind A2A, with a durable store of its own."""

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from functools import partial

from starlette.types import ASGIApp

from weft.a2a import Card, Sealer
from weft.a2a.server import A2AServer, execute_task, replay_task
from weft.core import SYSTEM_CLOCK
from weft.core.supervision import kept_going
from weft.loop import Peer
from weft.runs import A2A_SEND, Pruner, Runs, TaskPublisher, Worker
from weft.service.mesh import announced
from weft.service.presence import proving
from weft.service.serving import Listening, Opening, Served
from weft.service.settings import SpecialistSettings
from weft.service.site import Site, site_of

__all__ = ["agent_app"]

Opened = Callable[[], AbstractAsyncContextManager[Peer]]
Announcing = AbstractAsyncContextManager[None]


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
    async with site_of(card.name, settings, at=listening.url) as site, opened() as peer:
        runs = Runs(
            site.checkpointer,
            site.bus,
            pool=card.name,
            publisher=TaskPublisher(site.bus, card.name),
        )
        worker = Worker(
            runs,
            execute_task(peer),
            name=f"{card.name}/{settings.instance}",
            operations=(A2A_SEND,),
            slots=settings.slots,
        )
        server = A2AServer(
            card,
            runs,
            url=listening.url,
            authenticator=site.authenticator,
            key=None if site.member is None else site.member.key,
            replays=replay_task(peer),
        )
        server.check_bind(settings.host)
        app, announcing = _shown(site, server, settings.instance, leaving=worker.leave)
        pruner = Pruner(site.checkpointer, settings.keep_days)
        async with runs.listening(), kept_going(pruner.keep, name="pruning"):
            yield Served(app, partial(_working, worker, server, announcing))


def _shown(
    site: Site, server: A2AServer, instance: str, *, leaving: Callable[[], None]
) -> tuple[ASGIApp, Callable[[], Announcing]]:
    """Return the application, and what tells the mesh of it for as long as it lasts."""
    self = site.member
    if self is None:
        return server.app(), nullcontext
    sealer = Sealer(server.entry(instance, started_at=SYSTEM_CLOCK.now()), self.key)
    app = proving(server.app(), sealer)
    return app, partial(announced, self.catalog, sealer, leaving=leaving)


@asynccontextmanager
async def _working(
    worker: Worker, server: A2AServer, announcing: Callable[[], Announcing]
) -> AsyncIterator[None]:
    async with worker.working():
        try:
            async with announcing():
                yield
        finally:
            server.drain()
    # Readers came back for what was finished meanwhile; whatever was handed over they find again.
    server.drain()

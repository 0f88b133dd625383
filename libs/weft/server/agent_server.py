"""One agent behind HTTP: the front door's routes over runs that this process carries out itself."""

import logging
import secrets
import sys
from collections.abc import AsyncIterator, Collection, Mapping
from contextlib import asynccontextmanager
from functools import partial

from starlette.types import ASGIApp

from weft.bus import MemoryBus
from weft.checkpoint import Checkpointer, Claimed, get_checkpointer, memory_checkpointer
from weft.core import Allowance, new_id
from weft.core.errors import ConfigError, NotFoundError
from weft.core.supervision import kept_going
from weft.identity import ApiKeys
from weft.identity.api_keys import OWNER
from weft.loop import Agent, carried_out
from weft.runs import (
    KEEP_DAYS,
    MESH_RUN,
    Execute,
    Journal,
    Pruner,
    RoutedRequest,
    RunOutcome,
    Runs,
    Worker,
    history_of,
    thread_of,
    turn_of,
)
from weft.server.admission import ApiOptions
from weft.server.agent_replays import agent_replay_routes, task_of
from weft.server.api import api
from weft.server.cross_origin import origins_in
from weft.server.edge import LOOPBACK, EdgeRules, accepted_hosts
from weft.server.gate import RequestGate
from weft.server.overload import Overload, OverloadBounds
from weft.server.rates import Rates
from weft.server.streams import Signal, StreamPace
from weft.service import Listening, Served, ServiceSettings, serve, unannounced

__all__ = ["AgentServer"]

log = logging.getLogger(__name__)

_THIS_MACHINE = frozenset({"127.0.0.1", "::1", "localhost"})


class AgentServer:
    """Serves one agent as a mesh is served: durable runs, streams that resume, threads, interrupts.

    `api_key` is the key of the one who may ask, or keys by subject, who see nothing of each other.
    Without any, one is made and printed, and the server listens on this machine only. Runs are as
    durable as the agent's checkpointer; without one they end with the process. What is at rest for
    `keep_days` is pruned; 0 keeps it for good. Pages of `cors_origins` may call it from a browser.

    Raises:
        ConfigError: A key is too short, `keep_days` below 0, or an origin none.
    """

    def __init__(
        self,
        agent: Agent,
        *,
        api_key: str | Mapping[str, str] | None = None,
        keep_days: float = KEEP_DAYS,
        cors_origins: Collection[str] = (),
    ) -> None:
        if keep_days < 0:
            raise ConfigError("keep_days is a number of days, or 0 to keep everything")
        self._agent = agent
        self._keep_days = keep_days
        self._origins = origins_in(",".join(cors_origins))
        self._made = None if api_key else secrets.token_urlsafe(32)
        given = api_key or self._made or ""
        self._keys = ApiKeys({OWNER: given} if isinstance(given, str) else given)

    def run(self, host: str = "127.0.0.1", port: int = 8000, *, hosts: str = "") -> None:
        """Serve until told to stop; prints `ready <url>` once requests are answered.

        `hosts` are further names it is called by, with commas.

        Raises:
            ConfigError: Others could reach it, and no key was given.
        """
        if self._made is not None and host not in _THIS_MACHINE:
            raise ConfigError(f"listening on {host} needs an api_key: others can reach it")
        settings = ServiceSettings(host=host, port=port, url=None)
        serve(partial(self._served, hosts), settings, name=self._agent.name)

    @asynccontextmanager
    async def opened(
        self, *, hosts: tuple[str, ...] = LOOPBACK, stopping: Signal | None = None
    ) -> AsyncIterator[ASGIApp]:
        """Yield the application while its runs are carried out, for a server of your own.

        It answers to `hosts` only; once `stopping` is set, its streams say so and close.
        """
        store = self._store()
        bus = MemoryBus()
        runs = Runs(store, bus, pool="agent")
        worker = Worker(
            runs,
            execute_agent(self._agent, store),
            name=f"{self._agent.name}/{new_id()}",
            operations=(MESH_RUN,),
        )
        gate = RequestGate(Rates(Allowance()), Overload(store.runs, MESH_RUN, OverloadBounds()))
        options = ApiOptions(
            title=self._agent.name,
            description=f"Runs of the agent {self._agent.name!r}.",
            agents=lambda: [self._agent.name],
            pace=StreamPace(stopping=stopping),
            origins=self._origins,
            self_approval=True,
        )
        try:
            pruner = Pruner(store, self._keep_days)
            async with (
                runs.listening(),
                worker.working(),
                gate.watching(),
                kept_going(pruner.keep, name="pruning"),
            ):
                yield api(
                    runs,
                    self._keys,
                    gate,
                    options=options,
                    rules=EdgeRules(hosts=hosts),
                    extra_routes=[agent_replay_routes(self._agent, store)],
                )
        finally:
            await bus.aclose()
            if store is not self._agent.config.checkpointer:
                await store.aclose()

    @asynccontextmanager
    async def _served(self, hosts: str, listening: Listening) -> AsyncIterator[Served]:
        names = accepted_hosts(hosts, bound="", url=listening.url)
        async with self.opened(hosts=names, stopping=listening.stopping) as app:
            if self._made is not None:
                sys.stdout.write(f"API key {self._made}\n")
            yield Served(app, unannounced)

    def _store(self) -> Checkpointer:
        kept = self._agent.config.checkpointer
        if kept is None:
            log.warning("runs_end_with_the_process", extra={"agent": self._agent.name})
            return memory_checkpointer()
        return get_checkpointer(kept) if isinstance(kept, str) else kept


def execute_agent(agent: Agent, checkpointer: Checkpointer) -> Execute:
    """Return what a worker calls with each claimed run: `agent` answers it, knowing its thread."""

    async def execute(claimed: Claimed, journal: Journal) -> RunOutcome:
        run = claimed.run
        request = RoutedRequest.of(run)
        if request.protocol is not None:
            raise NotFoundError("protocol", request.protocol)
        thread = await checkpointer.threads.load(thread_of(run))
        task = task_of(run, history_of(thread), journal)
        result = await carried_out(agent, task, journal)
        return RunOutcome(result, turn=turn_of(run, result, thread))

    return execute

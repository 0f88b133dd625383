"""The front door's process."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from gateway.agents import Agents, agent_routes
from gateway.control import control
from gateway.explain import explain_routes
from gateway.replay import replay_routes
from weft.core import ROUTER, Allowance
from weft.identity import Minter
from weft.runs import MESH_RUN, Runs
from weft.server import (
    ApiOptions,
    EdgeRules,
    Overload,
    OverloadBounds,
    Rates,
    RequestGate,
    StreamPace,
    accepted_hosts,
    api,
    origins_in,
)
from weft.service import (
    KeyFile,
    Listening,
    OutsideFile,
    Served,
    ServiceSettings,
    front_member,
    serve,
    unannounced,
)


class Settings(ServiceSettings, env_prefix="GATEWAY_"):
    """Everything the gateway reads from outside itself."""

    port: int = 8000
    hosts: str = ""
    """Further names it answers to, with commas: `mesh.example.com,10.0.0.5:8443`."""
    cors_origins: str = ""
    """Origins whose pages may call it from a browser, with commas: `https://app.example.com`."""
    docs: bool = False
    """Whether /docs shows how to call it, to everybody; the page loads its script from a CDN."""
    runs: str | None = None
    """The database shared with the router; None is `runs.db` in `home`."""
    data_roots: tuple[Path, ...] | None = None
    """Below which this machine's specialists read data; what is not there is refused at once.

    None where they stand elsewhere.
    """
    outside_agents: Path | None = None
    """The file of agents outside the mesh, to list them; None is the one in `home`."""
    self_approval: bool = False
    """Whether who asked for an action may approve it; `weft up` allows it on one machine."""


@asynccontextmanager
async def opened(settings: Settings, listening: Listening) -> AsyncIterator[Served]:
    """Yield the front door; close what it holds on the way out."""
    hosts = accepted_hosts(settings.hosts, bound=settings.host, url=settings.url)
    shared = settings.runs or f"sqlite:{settings.home / 'runs.db'}"
    async with (
        front_member("gateway", settings, checkpointer=shared) as self,
        control(self.catalog, Minter(self.key), self.trust) as router,
    ):
        runs = Runs(self.checkpointer, self.bus, pool=ROUTER)
        options = ApiOptions(
            pace=StreamPace(stopping=listening.stopping),
            origins=origins_in(settings.cors_origins),
            docs=settings.docs,
            self_approval=settings.self_approval,
            data_roots=settings.data_roots,
        )
        keys = KeyFile(settings.home / "keys.json")
        overload = Overload(self.checkpointer.runs, MESH_RUN, OverloadBounds())
        gate = RequestGate(Rates(Allowance()), overload)
        outside = OutsideFile.of(settings.outside_agents, settings.home)
        agents = Agents(self.catalog, self.trust, outside)
        app = api(
            runs,
            keys,
            gate,
            options=options,
            rules=EdgeRules(hosts=hosts),
            extra_routes=[explain_routes(router), replay_routes(router), agent_routes(agents)],
        )
        async with runs.listening(), gate.watching():
            yield Served(app, unannounced)


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    serve(partial(opened, settings), settings, name="gateway")


if __name__ == "__main__":
    main()

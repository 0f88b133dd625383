"""The router's process: takes runs from the shared store and carries them out over the mesh."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Literal

import anyio
from pydantic import Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from router_service.choosing import Advisers
from router_service.control import ControlService, control_server
from router_service.erasures import Erasures
from router_service.execute import execute_run, prepare_run, recorded_report
from router_service.extraction import Extractor
from router_service.guide import Guide
from router_service.outside import outside_agents
from router_service.peers import MeshPeers
from router_service.picker import Picker
from router_service.replaying import Replayer
from router_service.routes import NAMED, Routes
from weft.a2a import Sealer, control_card
from weft.catalog import Entry
from weft.core import ROUTER, SYSTEM_CLOCK, dumps
from weft.core.errors import ConfigError, system_words
from weft.core.supervision import kept_going
from weft.identity import Minter, Verifier
from weft.identity.signatures import sign
from weft.loop import ModelPatience, Peer, role_agents
from weft.models import Model
from weft.routing import BUILTINS, GUIDE, Policies, Situation, read_policies
from weft.runs import KEEP_DAYS, MESH_RUN, Pruner, Runs, Worker
from weft.service import (
    FrontMember,
    Listening,
    ModelSettings,
    OutsideFile,
    Served,
    announced,
    front_member,
    opened_model,
    patience_of,
    proving,
    serve,
)


class Settings(ModelSettings, env_prefix="ROUTER_"):
    """Everything the router reads from outside itself."""

    runs: str | None = None
    """The database shared with the gateway; None is `runs.db` in `home`."""
    control_port: int = 0
    """Of the gRPC control calls; 0 lets the system choose."""
    slots: int = Field(default=64, ge=1)
    """Runs this process carries out at a time."""
    keep_days: float = Field(default=KEEP_DAYS, ge=0, allow_inf_nan=False)
    """How long runs and threads that are at rest are kept; 0 is for good."""
    data: Path | None = None
    """What the analysts look at where a request names nothing; only that it is there matters here."""
    live: bool = False
    """Whether the analysts read live systems, so that there is something to look at in any case."""
    extraction: Literal["auto", "rules", "model"] = "auto"
    """Who reads what a request wants: a language model and rules behind it, rules, or a model
    alone, so that a request fails which it cannot read. Without a model, auto is rules."""
    picker: Literal["off", "model"] = "off"
    """Whether a model chooses where several protocols could do a part; the rules' choice stands
    where it names none within 5 s."""
    learning: bool = False
    """Whether what came of protocols is kept, by tenant, and orders those that could do a part."""
    policies: Path | None = None
    """What may run, and what a person must approve first, for everybody and by tenant; JSON."""
    outside_agents: Path | None = None
    """The file of agents outside the mesh that requests may be handed to; None is the one in `home`
    that `weft agents add` writes."""


@asynccontextmanager
async def opened(settings: Settings, listening: Listening) -> AsyncIterator[Served]:
    """Yield the working router; close what it holds on the way out."""
    shared = settings.runs or f"sqlite:{settings.home / 'runs.db'}"
    async with (
        front_member(ROUTER, settings, checkpointer=shared) as self,
        opened_model(settings) as model,
        outside_agents(OutsideFile.of(settings.outside_agents, settings.home)) as outside,
    ):
        minter = Minter(self.key)
        patience = patience_of(settings)
        spare: dict[str, Peer] = {**role_agents(model, **patience), GUIDE: Guide()}
        advisers = Advisers(
            _extractor(settings, model, patience),
            _picker(settings, model),
            self.checkpointer.book if settings.learning else None,
        )
        peers = MeshPeers(
            self.catalog, self.session, self.trust, minter, builtin=spare, outside=outside
        )
        situation = Situation(
            data=settings.data is not None or settings.live,
            model=not model.capabilities.by_rules,
        )
        routes = Routes(await _policies(settings.policies), situation)
        runs = Runs(self.checkpointer, self.bus, pool=ROUTER)
        worker = Worker(
            runs,
            execute_run(self.checkpointer, peers, routes, advisers),
            name=f"{ROUTER}/{settings.instance}",
            operations=(MESH_RUN,),
            prepare=prepare_run(peers, routes, advisers),
            report=recorded_report,
            slots=settings.slots,
        )
        verifier = Verifier(self.trust, audience=ROUTER, at=listening.url)
        async with (
            control_server(
                ControlService(
                    routes, peers, verifier, Replayer(self.checkpointer, peers), advisers
                ),
                host=settings.host,
                port=settings.control_port,
            ) as address,
            worker.working(),
            kept_going(peers.keep_fresh, name="peers"),
            kept_going(outside.keep, name="outside agents"),
            kept_going(Pruner(self.checkpointer, settings.keep_days).keep, name="pruning"),
            kept_going(Erasures(self.checkpointer.threads, peers).keep, name="erasures"),
        ):
            entry = Entry(
                service=ROUTER,
                instance=settings.instance,
                url=listening.url,
                card=dumps(sign(control_card(ROUTER, address), self.key)).decode(),
                started_at=SYSTEM_CLOCK.now(),
            )
            sealer = Sealer(entry, self.key)
            yield Served(proving(_health(), sealer), partial(_announced, self, sealer, worker))


def _extractor(settings: Settings, model: Model, patience: ModelPatience) -> Extractor | None:
    """Return who reads requests with a model; None leaves it to the rules.

    Raises:
        ConfigError: A model is to read them alone, and there is none.
    """
    by_rules = model.capabilities.by_rules
    if settings.extraction == "model" and by_rules:
        raise ConfigError("ROUTER_EXTRACTION=model needs a language model; set WEFT_MODEL")
    if settings.extraction == "rules" or by_rules:
        return None
    return Extractor(model, alone=settings.extraction == "model", **patience)


def _picker(settings: Settings, model: Model) -> Picker | None:
    """Return who chooses among protocols with a model; None leaves it to the rules.

    Raises:
        ConfigError: A model is to choose, and there is none.
    """
    if settings.picker == "off":
        return None
    if model.capabilities.by_rules:
        raise ConfigError("ROUTER_PICKER=model needs a language model; set WEFT_MODEL")
    return Picker(model)


async def _policies(file: Path | None) -> Policies:
    """Return what may run, as it stands in `file` now.

    Raises:
        ConfigError: The file cannot be read, or does not say what can be meant.
    """
    if file is None:
        return Policies()
    try:
        text = await anyio.Path(file).read_bytes()
    except OSError as error:
        raise ConfigError(f"ROUTER_POLICIES: {system_words(error)}") from error
    try:
        return read_policies(text, [*(protocol.id for protocol in BUILTINS), NAMED])
    except ConfigError as error:
        raise ConfigError(f"ROUTER_POLICIES, {file}: {error}") from error


@asynccontextmanager
async def _announced(self: FrontMember, sealer: Sealer, worker: Worker) -> AsyncIterator[None]:
    async with announced(self.catalog, sealer, leaving=worker.leave):
        yield


def _health() -> Starlette:
    async def livez(_: Request) -> JSONResponse:
        return JSONResponse({"status": "ok"})

    return Starlette(routes=[Route("/livez", livez)])


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    serve(partial(opened, settings), settings, name=ROUTER)


if __name__ == "__main__":
    main()

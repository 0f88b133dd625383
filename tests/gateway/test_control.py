"""The gateway's control calls against a real gRPC server, and what of its refusals a caller sees."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anyio.lowlevel
import grpc
import grpc.aio
import pytest

from gateway.control import (
    DEADLINE_SECONDS,
    MAX_MESSAGE,
    REPLAY_SECONDS,
    ControlClient,
    control,
)
from router_service.control import ControlService, control_server
from router_service.replaying import Replayer
from router_service.routes import Routes
from tests.router_service.house import ANA, ROUTER_KEY, House, house, skill
from tests.router_service.test_execute import new_run
from weft.a2a import control_card
from weft.catalog import Entry
from weft.catalog.memory import MemoryCatalog
from weft.checkpoint import Checkpointer
from weft.checkpoint.memory import memory_checkpointer
from weft.core import Authority, Principal, RunId, dumps
from weft.core.edge_errors import NotReplayableError, RouterUnavailableError
from weft.core.errors import ConfigError, ForbiddenError, InputError, NotFoundError
from weft.identity import Minter, SigningKey, Trust, Verifier
from weft.identity.signatures import sign
from weft.local.ports import free_port
from weftapi.v1 import control_pb2, control_pb2_grpc

GATEWAY_KEY = SigningKey.generate("gateway", issuer=True)
TRUST = Trust((GATEWAY_KEY.trusted(), ROUTER_KEY.trusted()))
URL = "http://127.0.0.1:1"
READER = Principal(tenant="t", subject="ana", scopes=frozenset({"runs:read", "agents:*"}))


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Give all tests of this module one event loop: gRPC's engine may still call one that is closed."""
    return "asyncio"


@pytest.fixture(autouse=True, scope="module")
async def grpc_engine(anyio_backend: str) -> AsyncIterator[None]:
    """Keep gRPC's engine: its end joins a thread, in whichever test the collector gets to it."""
    del anyio_backend
    grpc.aio.init_grpc_aio()
    yield
    # What the engine still has to say is heard before the loop closes.
    await anyio.lowlevel.checkpoint()


def router(
    address: str,
    *,
    instance: str = "1",
    started_at: float = 1.0,
    key: SigningKey = ROUTER_KEY,
    url: str = URL,
) -> Entry:
    card = dumps(sign(control_card("router", address), key)).decode()
    return Entry(service="router", instance=instance, url=url, card=card, started_at=started_at)


@dataclass
class Scripted(control_pb2_grpc.ControlServicer):
    """Answers, or aborts with a code; remembers the deadline and the token."""

    code: grpc.StatusCode | None = None
    seconds: list[float | None] = field(default_factory=list)
    tokens: list[str] = field(default_factory=list)

    async def Explain(  # noqa: N802
        self,
        request: control_pb2.ExplainRequest,
        context: Any,  # noqa: ANN401
    ) -> control_pb2.ExplainReply:
        self.seconds.append(context.time_remaining())
        self.tokens.append(dict(context.invocation_metadata())["authorization"])
        if self.code is not None:
            await context.abort(self.code, "the router's own words")
        return control_pb2.ExplainReply(explanation=dumps({"input": request.input}))

    async def Replay(  # noqa: N802
        self,
        request: control_pb2.ReplayRequest,
        context: Any,  # noqa: ANN401
    ) -> control_pb2.ReplayReply:
        self.seconds.append(context.time_remaining())
        return control_pb2.ReplayReply(replay=dumps({"run_id": request.run_id}))


@asynccontextmanager
async def scripted(servicer: Scripted) -> AsyncIterator[str]:
    server = grpc.aio.server()
    control_pb2_grpc.add_ControlServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(0)


@asynccontextmanager
async def real(mesh: House, kept: Checkpointer | None = None) -> AsyncIterator[str]:
    verifier = Verifier(TRUST, audience="router", at=URL)
    async with (
        aclosing(memory_checkpointer()) as store,
        control_server(
            ControlService(Routes(), mesh.peers, verifier, Replayer(kept or store, mesh.peers)),
            host="127.0.0.1",
            port=0,
        ) as address,
    ):
        yield address


@asynccontextmanager
async def calling(address: str) -> AsyncIterator[ControlClient]:
    async with control(MemoryCatalog([router(address)]), Minter(GATEWAY_KEY), TRUST) as calls:
        yield calls


async def test_a_call_carries_a_deadline_and_a_token_for_the_router() -> None:
    servicer = Scripted()
    async with scripted(servicer) as address, calling(address) as calls:
        answer = await calls.explain(Authority(READER), text="why?", goal=None, protocol=None)

    caller = await Verifier(TRUST, audience="router").verify(servicer.tokens[0].split()[1])
    assert answer == {"input": "why?"}
    assert servicer.seconds[0] is not None
    assert 0 < servicer.seconds[0] <= DEADLINE_SECONDS
    assert (caller.principal.subject, caller.authority.act) == ("ana", ("gateway",))


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InputError),
        (grpc.StatusCode.PERMISSION_DENIED, ForbiddenError),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, InputError),
        (grpc.StatusCode.UNAVAILABLE, RouterUnavailableError),
        (grpc.StatusCode.DEADLINE_EXCEEDED, RouterUnavailableError),
        (grpc.StatusCode.INTERNAL, RouterUnavailableError),
        (grpc.StatusCode.UNAUTHENTICATED, RouterUnavailableError),
    ],
)
async def test_each_refusal_is_what_the_caller_can_do_about_it(
    code: grpc.StatusCode, error: type[Exception]
) -> None:
    async with scripted(Scripted(code)) as address, calling(address) as calls:
        with pytest.raises(error):
            await calls.explain(Authority(READER), text="why?", goal=None, protocol=None)


@pytest.mark.parametrize("listed", [True, False])
async def test_without_a_router_it_is_unavailable(*, listed: bool) -> None:
    entries = [router(f"127.0.0.1:{free_port()}")] if listed else []
    async with control(MemoryCatalog(entries), Minter(GATEWAY_KEY), TRUST) as calls:
        with pytest.raises(RouterUnavailableError, match="router"):
            await calls.explain(Authority(READER), text="why?", goal=None, protocol=None)


async def test_the_newest_router_is_asked_and_connections_to_gone_ones_are_closed() -> None:
    killed = router(f"127.0.0.1:{free_port()}", instance="killed")
    catalog = MemoryCatalog([killed])
    async with (
        control(catalog, Minter(GATEWAY_KEY), TRUST) as calls,
        scripted(Scripted()) as address,
    ):
        with pytest.raises(RouterUnavailableError):
            await calls.explain(Authority(READER), text="why?", goal=None, protocol=None)
        await catalog.publish(router(address, instance="new", started_at=2.0))

        assert await calls.explain(Authority(READER), text="a", goal=None, protocol=None) == {
            "input": "a"
        }
        await catalog.withdraw(killed)
        await calls.explain(Authority(READER), text="b", goal=None, protocol=None)
        assert list(calls._channels) == [address]


async def test_the_routers_own_server_explains_and_refuses() -> None:
    async with house() as mesh, real(mesh) as address:
        await mesh.joins("log_analyst", skill("log", "domain:observability", "effects:none"))
        async with control(MemoryCatalog([router(address)]), Minter(GATEWAY_KEY), TRUST) as calls:
            told = await calls.explain(
                Authority(READER), text="Diagnose it", goal=None, protocol=None
            )
            with pytest.raises(InputError):
                await calls.explain(
                    Authority(READER), text="", goal={"primary_goal": "x"}, protocol=None
                )
            with pytest.raises(InputError, match="larger"):
                await calls.explain(
                    Authority(READER), text="x", goal={"a": "x" * MAX_MESSAGE}, protocol=None
                )
            with pytest.raises(ForbiddenError, match="runs:read"):
                await calls.explain(Authority(ANA), text="Diagnose it", goal=None, protocol=None)

    assert "parts" in told


async def test_the_routers_server_answers_nobody_without_token_or_deadline() -> None:
    async with (
        house() as mesh,
        real(mesh) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        stub = control_pb2_grpc.ControlStub(channel)  # type: ignore[no-untyped-call]
        with pytest.raises(grpc.aio.AioRpcError) as without_token:
            await stub.Explain(control_pb2.ExplainRequest(input="x"), timeout=5)
        with pytest.raises(grpc.aio.AioRpcError) as without_deadline:
            await stub.Explain(control_pb2.ExplainRequest(input="x"))

    assert without_token.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert without_deadline.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_taken_control_port_is_a_clear_error() -> None:
    async with house() as mesh, real(mesh) as address:
        host, _, port = address.rpartition(":")
        verifier = Verifier(TRUST, audience="router")
        replayer = Replayer(memory_checkpointer(), mesh.peers)
        with pytest.raises(ConfigError, match=port):
            async with control_server(
                ControlService(Routes(), mesh.peers, verifier, replayer), host=host, port=int(port)
            ):
                raise AssertionError("it listens on a taken port")


STRANGER = SigningKey.generate("router", issuer=True)
ANALYST = SigningKey.generate("log_analyst")


@pytest.mark.requirement("A2A-66")
@pytest.mark.parametrize(
    "how", ["unsigned", "by a stranger", "by a specialist", "elsewhere", "no address", "no card"]
)
async def test_a_forged_router_is_told_nothing(how: str, caplog: pytest.LogCaptureFixture) -> None:
    servicer = Scripted()
    trust = Trust((ROUTER_KEY.trusted(), ANALYST.trusted()))
    async with scripted(servicer) as address:
        good = router(address)
        forged = {
            "unsigned": good.model_copy(
                update={"card": dumps(control_card("router", address)).decode()}
            ),
            "by a stranger": router(address, key=STRANGER),
            "by a specialist": router(address, key=ANALYST),
            "elsewhere": router(address, url="http://127.0.0.2:1"),
            "no address": router("x"),
            "no card": good.model_copy(update={"card": "{}"}),
        }
        async with control(MemoryCatalog([forged[how]]), Minter(GATEWAY_KEY), trust) as calls:
            with pytest.raises(RouterUnavailableError, match="no router"):
                await calls.explain(Authority(READER), text="secret", goal=None, protocol=None)

    assert servicer.tokens == []
    assert "router_refused" in [record.message for record in caplog.records]


async def test_a_token_for_one_explanation_buys_no_other() -> None:
    servicer = Scripted()
    async with scripted(servicer) as address, calling(address) as calls:
        await calls.explain(Authority(READER), text="why?", goal=None, protocol=None)
    stolen = (("authorization", servicer.tokens[0]),)
    async with (
        house() as mesh,
        real(mesh) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        stub = control_pb2_grpc.ControlStub(channel)  # type: ignore[no-untyped-call]
        await stub.Explain(control_pb2.ExplainRequest(input="why?"), timeout=5, metadata=stolen)
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await stub.Explain(control_pb2.ExplainRequest(input="x"), timeout=5, metadata=stolen)

    assert refused.value.code() is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.requirement("CLI-5")
async def test_a_replay_is_answered_by_the_router_and_refused_in_words() -> None:
    servicer, waiting = Scripted(), new_run({"input": "hi"})
    stranger = READER.model_copy(update={"subject": "eve"})
    async with scripted(servicer) as address, calling(address) as calls:
        answer = await calls.replay(Authority(READER), RunId("r1"))
    async with (
        aclosing(memory_checkpointer()) as store,
        house() as mesh,
        real(mesh, store) as address,
        calling(address) as calls,
    ):
        await store.runs.accept(waiting, on_busy="reject")
        with pytest.raises(NotReplayableError, match="the run is queued"):
            await calls.replay(Authority(READER), waiting.run_id)
        with pytest.raises(NotFoundError):
            await calls.replay(Authority(READER), RunId("unknown"))
        with pytest.raises(NotFoundError):
            await calls.replay(Authority(stranger), waiting.run_id)

    assert answer == {"run_id": "r1"}
    assert servicer.seconds[0] is not None
    assert 0 < servicer.seconds[0] < REPLAY_SECONDS + 1

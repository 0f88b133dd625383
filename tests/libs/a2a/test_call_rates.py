"""What one caller may ask for at once, and what it must be allowed to."""

import pytest

from tests.libs.a2a.harness import CARD, Mesh, ScriptedPeer, agent, message
from tests.libs.a2a.test_breaks import waits
from weft.a2a.server import TaskLimits
from weft.a2a.server.call_rates import MAX_CALLERS, CallRates
from weft.core import Clock, JsonObject, Principal
from weft.core.protocol_errors import TooManyCallsError


class Hand(Clock):
    """A clock set by hand."""

    def __init__(self) -> None:
        self.at = 0.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


def caller(name: str) -> Principal:
    return Principal(tenant="t", subject=name)


def take(rates: CallRates, name: str) -> None:
    rates.call(caller(name), per_second=2, burst=3)


def test_a_bucket_empties_and_fills_for_each_caller_alone() -> None:
    clock = Hand()
    rates = CallRates(clock)
    for _ in range(3):
        take(rates, "alice")
    with pytest.raises(TooManyCallsError):
        take(rates, "alice")

    take(rates, "bob")
    clock.at += 0.5
    take(rates, "alice")

    with pytest.raises(TooManyCallsError):
        take(rates, "alice")


def test_callers_without_end_take_no_memory_without_end() -> None:
    rates = CallRates()

    for number in range(MAX_CALLERS + 10):
        take(rates, str(number))

    assert len(rates._accounts) == MAX_CALLERS


@pytest.mark.requirement("A2A-28")
async def test_a_caller_over_its_rate_is_refused_with_retry_after() -> None:
    mesh = Mesh()
    get: JsonObject = {"jsonrpc": "2.0", "id": 1, "method": "GetTask", "params": {"id": "x"}}
    async with agent(mesh=mesh, limits=TaskLimits(calls_per_s=0.001, burst=2)) as served:
        seen = [await served.status(get, mesh.bearer("alice")) for _ in range(2)]
        async with await served.post(get, mesh.bearer("alice")) as refused:
            wait = int(refused.headers["Retry-After"])
        other = await served.status(get, mesh.bearer("bob"))

    assert [*seen, refused.status, other] == [200, 200, 429, 200]
    assert wait >= 1


@pytest.mark.requirement("A2A-28")
async def test_a_caller_holds_so_many_streams_open_and_no_more() -> None:
    mesh, peer = Mesh(), ScriptedPeer(waits)
    async with agent(peer, mesh=mesh, limits=TaskLimits(streams=1)) as served:
        first = await served.stream("SendStreamingMessage", message("a"), mesh.bearer())
        await anext(first.frames())
        body: JsonObject = {"jsonrpc": "2.0", "id": 1, "method": "SendStreamingMessage"}
        second = await served.status({**body, "params": message("b")}, mesh.bearer())
        peer.go.set()
        await first.response.read()
        third = await served.status({**body, "params": message("c")}, mesh.bearer())

    assert (second, third) == (429, 200)


async def test_a_caller_without_the_agents_scope_is_forbidden_and_its_body_unread() -> None:
    mesh, peer = Mesh(), ScriptedPeer()
    async with agent(peer, mesh=mesh) as served:
        refused = await served.status(b"{", mesh.bearer(scope="runs:read"))
        named = await served.call("SendMessage", message("a"), mesh.bearer(scope="agents:echo"))

    assert refused == 403
    assert "result" in named
    assert len(peer.runs) == 1


@pytest.mark.requirement("A2A-6")
async def test_a_required_extension_must_be_declared() -> None:
    uri = "urn:weft:a2a:budget:v1"
    card = CARD.model_copy(update={"required_extensions": (uri,)})
    async with agent(card=card) as served:
        refused = await served.call("SendMessage", message("a"))
        taken = await served.call("SendMessage", message("b"), {"a2a-extensions": uri})
        able = served.server.card["capabilities"]

    assert refused["error"]["code"] == -32008
    assert "result" in taken
    assert isinstance(able, dict)
    assert {"uri": uri, "required": True} in able["extensions"]  # type: ignore[operator]

"""Peers that go away with a task in hand: asked again with patience, and never told untruly."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import orjson
import pytest

from tests.libs.a2a.byhand import (
    SSE,
    Answer,
    Peer,
    against,
    artifact,
    ask,
    chunk,
    code,
    frame,
    status,
    task,
    update,
)
from tests.libs.a2a.harness import Mesh, bound_socket
from weft.a2a import PeerCard
from weft.a2a.client import A2AClient, open_session, patience
from weft.core import Deadline, JsonObject
from weft.identity import Minter


def methods(peer: Peer) -> list[str]:
    return [str(call["method"]) for call in peer.calls]


async def opens_and_closes(_: Peer, call: JsonObject, writer: asyncio.StreamWriter) -> None:
    if call["method"] == "SendStreamingMessage":
        writer.write(SSE + frame(task("WORKING")) + chunk(b""))
    elif call["method"] == "SubscribeToTask":
        writer.write(SSE + chunk(b""))
    else:
        writer.close()


async def test_streams_that_open_and_close_at_once_are_asked_for_ever_more_slowly(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "AWAY_SECONDS", 2.0)
    async with against(opens_and_closes) as (peer, client):
        result = await ask(client)

    # 0.05, 0.1, 0.2 … between them: in two seconds there is room for a few only.
    assert 2 <= methods(peer).count("SubscribeToTask") <= 10
    assert code(result) == "outcome_unknown"


async def test_a_peer_that_says_its_task_works_is_not_given_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.3)
    asked = 0

    async def streams_nothing(peer: Peer, call: JsonObject, writer: asyncio.StreamWriter) -> None:
        nonlocal asked
        if call["method"] != "GetTask":
            await opens_and_closes(peer, call, writer)
            return
        asked += 1
        parts = [{"artifactId": "a", "parts": [{"text": "at last"}]}]
        told = task("WORKING") if asked < 3 else task("COMPLETED", artifacts=parts)
        body = orjson.dumps({"result": told["task"]})
        writer.write(status("200 OK", body, "Content-Type: application/json"))

    async with against(streams_nothing) as (peer, client):
        result = await ask(client)

    assert result.text == "at last"
    assert methods(peer).count("SubscribeToTask") <= 12


async def test_the_same_snapshot_again_and_again_is_no_progress() -> None:
    async def repeats(_: Peer, __: JsonObject, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE + frame(task("WORKING")) + chunk(b""))

    async with against(repeats) as (peer, client):
        result = await ask(client, deadline=Deadline.after(3))

    assert len(peer.calls) <= 12
    assert code(result) == "deadline_exceeded"


@dataclass
class Restarting:
    """A peer that can be killed, with its port, and started again there."""

    answer: Answer
    port: int = 0
    calls: list[JsonObject] = field(default_factory=list)
    server: asyncio.Server | None = None
    down: asyncio.Event = field(default_factory=asyncio.Event)

    async def start(self) -> None:
        peer = Peer(self.answer)
        peer.calls = self.calls
        bound = bound_socket(self.port)
        self.port = bound.getsockname()[1]
        self.server = await asyncio.start_server(peer, sock=bound)

    def kill(self, writer: asyncio.StreamWriter) -> None:
        assert self.server is not None
        self.server.close()
        writer.transport.abort()
        self.down.set()


@asynccontextmanager
async def restarting(answer: Answer) -> AsyncIterator[tuple[Restarting, A2AClient]]:
    peer = Restarting(answer)
    await peer.start()
    card = PeerCard("echo", f"http://127.0.0.1:{peer.port}/", True, frozenset(), streaming=True)  # noqa: FBT003
    async with open_session() as session:
        yield peer, A2AClient(card, session, minter=Minter(Mesh().router))
    if peer.server is not None:
        peer.server.close()


def dying(peer_of: list[Restarting], *, named: bool) -> Answer:
    """Die at the first call, having named the task or not; answer every later one."""

    async def answer(peer: Peer, call: JsonObject, writer: asyncio.StreamWriter) -> None:
        if len(peer.calls) == 1:
            if named:
                writer.write(SSE + frame(task("WORKING"), 2))
                await writer.drain()
            peer_of[0].kill(writer)
        else:
            writer.write(
                SSE + frame(task("WORKING")) if call["method"] != "SubscribeToTask" else SSE
            )
            writer.write(frame(artifact("ok")) + frame(update("COMPLETED"), 9) + chunk(b""))

    return answer


@pytest.mark.requirement("PLAN-15")
@pytest.mark.parametrize("named", [False, True])
async def test_a_peer_that_restarts_is_waited_for_and_sent_the_same_message(*, named: bool) -> None:
    held: list[Restarting] = []
    async with restarting(dying(held, named=named)) as (peer, client):
        held.append(peer)

        async def revive() -> None:
            await peer.down.wait()
            # Longer than the three quick tries of one call.
            await anyio.sleep(3)
            await peer.start()

        async with anyio.create_task_group() as group:
            group.start_soon(revive)
            result = await ask(client)

    assert result.text == "ok"
    sends = [call for call in peer.calls if call["method"] == "SendStreamingMessage"]
    assert len(sends) == (1 if named else 2)
    assert len({call["params"]["message"]["messageId"] for call in sends}) == 1  # type: ignore[index,call-overload]


@pytest.mark.requirement("PLAN-15")
@pytest.mark.parametrize("named", [False, True])
async def test_a_send_that_broke_is_never_told_as_one_that_reached_nobody(
    monkeypatch: pytest.MonkeyPatch, *, named: bool
) -> None:
    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.5)
    held: list[Restarting] = []
    async with restarting(dying(held, named=named)) as (peer, client):
        held.append(peer)
        result = await ask(client)

    assert code(result) == "outcome_unknown"
    assert not result.reasons[0].retryable


async def test_a_peer_that_never_listened_was_reached_by_nothing() -> None:
    async with against(opens_and_closes) as (_, client):
        card = PeerCard("echo", "http://127.0.0.1:1/", True, frozenset(), streaming=True)  # noqa: FBT003
        client.card = card
        result = await ask(client)

    assert code(result) == "peer_unavailable"
    assert result.reasons[0].retryable

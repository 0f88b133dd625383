"""Peers that misbehave: bounded, typed, and never believed beyond their own task."""

import asyncio

import anyio
import orjson
import pytest

from tests.libs.a2a.byhand import (
    SSE,
    TASK,
    Answer,
    Peer,
    against,
    always,
    artifact,
    ask,
    chunk,
    code,
    frame,
    status,
    task,
    update,
)
from tests.libs.a2a.harness import a_task
from weft.a2a.client import transport
from weft.core import JsonObject, JsonValue


@pytest.mark.requirement("A2A-63")
@pytest.mark.requirement("SEC-108")
@pytest.mark.parametrize(
    "opening",
    [
        SSE,
        SSE + chunk(b"data: "),
        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
async def test_an_answer_without_end_is_cut(opening: bytes) -> None:
    sent = 0

    async def flood(_: Peer, __: JsonObject, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(opening)
        while sent < 1024**3:
            writer.write(chunk(b"x" * 65_536))
            await writer.drain()
            sent += 65_536

    async with against(flood) as (_, client):
        result = await ask(client)

    assert code(result) == "peer_failed"
    assert sent < 32 * 1024 * 1024


@pytest.mark.requirement("A2A-63")
@pytest.mark.requirement("SEC-108")
async def test_a_stream_of_comments_without_end_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    assert transport.MAX_STREAM == 64 * 1024 * 1024
    monkeypatch.setattr(transport, "MAX_STREAM", 1024 * 1024)

    async def flood(_: Peer, __: JsonObject, writer: asyncio.StreamWriter) -> None:
        writer.write(SSE)
        while True:
            writer.write(chunk(b": x\n\n" * 8192))
            await writer.drain()

    async with against(flood) as (_, client):
        assert code(await ask(client)) == "peer_failed"


@pytest.mark.requirement("A2A-63")
@pytest.mark.requirement("SEC-108")
async def test_an_answer_of_many_artifacts_is_cut_at_eight_mebibytes() -> None:
    sent = 0

    async def piles_up(_: Peer, __: JsonObject, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(SSE + frame(task("SUBMITTED")))
        while sent < 1024**3:
            writer.write(frame(artifact("x" * 262_144, append=True)))
            await writer.drain()
            sent += 262_144

    async with against(piles_up) as (_, client):
        assert code(await ask(client)) == "peer_failed"
    assert 8 * 1024 * 1024 <= sent < 32 * 1024 * 1024


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[]",
        b"null",
        b"{}",
        b'{"jsonrpc": "2.0", "id": 1, "result": 5}',
        b'{"jsonrpc": "2.0", "id": 1, "result": {"task": {}}}',
        b'{"jsonrpc": "2.0", "id": 1, "result": {"task": {"id": "x", "status": "done"}}}',
        b'{"jsonrpc": "2.0", "id": 1, "error": {}}',
        b'{"jsonrpc": "2.0", "id": 1, "error": {"code": "x", "message": 5, "data": [1]}}',
        b"[" * 5000,
        b'{"a":' * 500 + b'"\\u0000"' + b"}" * 500,
    ],
)
async def test_an_answer_outside_the_protocol_is_a_typed_failure(body: bytes) -> None:
    async with against(always(status("200 OK", body, "Content-Type: application/json"))) as (
        _,
        client,
    ):
        assert code(await ask(client)) == "peer_failed"


async def test_what_a_stream_tells_of_other_tasks_is_dropped() -> None:
    other = "d" * 32
    foreign = {"events": [{"run_id": other, "seq": 1, "type": "agent.custom", "ts": "",
                           "tenant": "t", "thread_id": "c"}]}  # fmt: skip
    pieces = (
        SSE,
        frame(task("SUBMITTED")),
        frame(artifact("stolen", other, name="s")),
        frame(update("COMPLETED", other)),
        frame(update("WORKING", metadata=foreign)),
        frame(artifact("mine")),
        frame(update("COMPLETED")),
        chunk(b""),
    )
    async with against(always(*pieces)) as (_, client):
        run = client.start(a_task())
        events = [event async for event in run]
        result = await run

    assert [event.type for event in events] == ["a2a.artifact.updated"]
    assert "stolen" not in str(events)
    assert result.text == "mine"


@pytest.mark.requirement("EV-13")
async def test_events_told_again_after_a_break_are_adopted_once() -> None:
    def told(*numbers: int) -> bytes:
        events = [
            {
                "run_id": TASK,
                "seq": number,
                "type": "agent.custom",
                "ts": "",
                "tenant": "t",
                "thread_id": "c",
            }
            for number in numbers
        ]
        return frame(update("WORKING", metadata={"events": events}))

    async def forgetful(peer: Peer, _: JsonObject, writer: asyncio.StreamWriter) -> None:
        if len(peer.calls) == 1:
            writer.write(SSE + frame(task("SUBMITTED")) + told(1, 2))
            await writer.drain()
            writer.transport.abort()
        else:
            writer.write(SSE + told(1, 2, 3) + frame(artifact("ok")) + frame(update("COMPLETED")))

    async with against(forgetful) as (_, client):
        run = client.start(a_task())
        with anyio.fail_after(5):
            origins = [event.origin async for event in run]

    assert [(it.run_id, it.seq) for it in origins if it] == [(TASK, 1), (TASK, 2), (TASK, 3)]


async def test_a_complete_event_beyond_the_limit_is_cut_too() -> None:
    pieces = (SSE, frame(task("SUBMITTED")), frame(artifact("x" * 2_000_000)))
    async with against(always(*pieces)) as (_, client):
        result = await ask(client)

    assert code(result) == "peer_failed"
    assert "1048576" in result.reasons[0].message


async def test_a_stream_that_turns_into_another_task_is_refused() -> None:
    pieces = (SSE, frame(task("SUBMITTED")), frame(task("COMPLETED", "d" * 32)))
    async with against(always(*pieces)) as (_, client):
        assert code(await ask(client)) == "peer_failed"


async def test_no_redirect_is_followed() -> None:
    moved = status("307 Temporary Redirect", b"", "Location: http://127.0.0.1:1/")
    async with against(always(moved)) as (peer, client):
        assert code(await ask(client)) == "peer_failed"

    assert len(peer.calls) == 1


@pytest.mark.parametrize("streamed", [True, False])
async def test_texts_that_no_database_keeps_are_clean_once_they_are_ours(*, streamed: bool) -> None:
    odd = r"a\u0000b\ud800c"
    shown = orjson.dumps(task("COMPLETED", artifacts=[{"artifactId": TASK, "parts": [
        {"text": "ODD"}, {"data": {"NAME": ["ODD"]}},
    ]}])).replace(b"ODD", odd.encode()).replace(b"NAME", rb"n\u0000")  # fmt: skip
    body = b'{"jsonrpc":"2.0","id":"1","result":' + shown + b"}"
    pieces = (
        (SSE, chunk(b"data: " + body + b"\n\n"))
        if streamed
        else (status("200 OK", body, "Content-Type: application/json"),)
    )

    async with against(always(*pieces)) as (_, client):
        result = await ask(client)

    kept = "a\N{SYMBOL FOR NULL}b\N{REPLACEMENT CHARACTER}c"
    assert result.status == "completed"
    assert result.text == kept
    assert result.data == {"n\N{SYMBOL FOR NULL}": [kept]}
    orjson.dumps(result.to_json())


def asks(**question: JsonValue) -> JsonObject:
    """Return a status message with a question of ours."""
    asked = {"id": "q", "reason": "question", "message": "which?", **question}
    return {"parts": [{"text": "which?"}, {"data": {"interrupts": [asked]}}]}


def shown(state: str, **more: JsonValue) -> Answer:
    said = more.pop("message", None)
    told: JsonObject = {"id": TASK, "contextId": "c", **more}
    told["status"] = {"state": f"TASK_STATE_{state}", "message": said}
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "result": {"task": told}})
    return always(status("200 OK", body, "Content-Type: application/json"))


@pytest.mark.requirement("A2A-63")
@pytest.mark.parametrize(
    "question",
    [{"expiresIn": 1e308}, {"expiresIn": 1e12}, {"expiresIn": 0}, {"expiresIn": -5}, {"id": ""},
     {"id": "q" * 257}],
)  # fmt: skip
async def test_a_question_that_nobody_could_answer_is_none(question: JsonObject) -> None:
    async with against(shown("INPUT_REQUIRED", message=asks(**question))) as (_, client):
        assert code(await ask(client)) == "peer_failed"
    async with against(shown("INPUT_REQUIRED", message=asks(expiresIn=60))) as (_, client):
        assert (await ask(client)).status == "interrupted"


@pytest.mark.requirement("A2A-63")
@pytest.mark.parametrize(
    "usage",
    [{"total_tokens": -1_000_000}, {"cost_usd": -1.5}, {"model_calls": -1}, {"cost_usd": 1e308},
     {"prompt_tokens": 10**16}],
)  # fmt: skip
async def test_nobody_gives_back_what_others_spent(usage: JsonObject) -> None:
    def ended(spent: JsonObject) -> Answer:
        metadata: JsonObject = {"usage": spent, "result": {"status": "completed"}}
        return shown(
            "COMPLETED",
            artifacts=[{"artifactId": "a", "parts": [{"text": "x"}]}],
            metadata=metadata,
        )

    async with against(ended(usage)) as (_, client):
        assert code(await ask(client)) == "peer_failed"
    async with against(ended({"total_tokens": 7})) as (_, client):
        assert (await ask(client)).usage.total_tokens == 7

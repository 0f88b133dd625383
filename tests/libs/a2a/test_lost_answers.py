"""Answers that are late, lost, refused or short: what a caller makes of them."""

import asyncio
from dataclasses import replace

import anyio
import orjson
import pytest

from tests.libs.a2a.byhand import (
    SSE,
    TASK,
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
from weft.a2a.client import patience, transport
from weft.core import Deadline, JsonObject


@pytest.mark.parametrize("refusal", ["429 Slow", "503 Busy"])
async def test_a_refusal_for_now_is_tried_three_times_with_one_message_id(refusal: str) -> None:
    async with against(always(status(refusal, b"", "Retry-After: 0"))) as (peer, client):
        result = await ask(client)

    assert code(result) == "peer_unavailable"
    assert result.reasons[0].retryable
    ids = [call["params"]["message"]["messageId"] for call in peer.calls]  # type: ignore[index,call-overload]
    assert len(ids) == 3
    assert len(set(ids)) == 1


@pytest.mark.parametrize("lost", ["502 Bad", "504 Late"])
async def test_what_a_proxy_lost_may_have_been_taken_and_is_never_said_not_to_be(
    lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(patience, "AWAY_SECONDS", 0.2)
    async with against(always(status(lost, b""))) as (peer, client):
        result = await ask(client)

    assert code(result) == "outcome_unknown"
    assert not result.reasons[0].retryable
    ids = {call["params"]["message"]["messageId"] for call in peer.calls}  # type: ignore[index,call-overload]
    assert len(ids) == 1


async def test_a_peer_that_recovers_is_not_given_up() -> None:
    async def second(peer: Peer, _: JsonObject, writer: asyncio.StreamWriter) -> None:
        if len(peer.calls) == 1:
            writer.write(status("503 Busy", b"", "Retry-After: 0"))
        else:
            writer.write(SSE + frame(task("SUBMITTED")) + frame(artifact("ok")))
            writer.write(frame(update("COMPLETED")) + chunk(b""))

    async with against(second) as (_, client):
        assert (await ask(client)).text == "ok"


async def test_retry_after_beyond_the_deadline_ends_the_call() -> None:
    async with against(always(status("503 Busy", b"", "Retry-After: 60"))) as (peer, client):
        result = await ask(client, deadline=Deadline.after(1))

    assert code(result) == "deadline_exceeded"
    assert len(peer.calls) == 1


async def test_an_error_of_the_peer_is_told_and_not_repeated() -> None:
    info = {"reason": "X", "metadata": {"code": "depth_exceeded"}}
    error = {"code": -32602, "message": "too deep", "data": [info]}
    body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "error": error})
    async with against(always(status("200 OK", body, "Content-Type: application/json"))) as (
        peer,
        client,
    ):
        result = await ask(client)

    assert code(result) == "depth_exceeded"
    assert "too deep" in result.reasons[0].message
    assert len(peer.calls) == 1


async def test_a_refused_token_is_a_failure_of_the_peer() -> None:
    body = b'{"jsonrpc":"2.0","id":null,"error":{"code":-32603,"message":"no token"}}'
    refused = status("401 Unauthorized", body, "Content-Type: application/json")
    async with against(always(refused)) as (peer, client):
        assert code(await ask(client)) == "peer_failed"

    assert len(peer.calls) == 1


@pytest.mark.requirement("A2A-32")
async def test_a_broken_stream_is_gone_on_with_behind_the_last_event() -> None:
    async def breaking(peer: Peer, call: JsonObject, writer: asyncio.StreamWriter) -> None:
        if call["method"] == "SendStreamingMessage":
            writer.write(SSE + frame(task("SUBMITTED")) + frame(update("WORKING"), 2))
            await writer.drain()
            writer.transport.abort()
        elif len(peer.calls) == 2:
            writer.transport.abort()
        else:
            writer.write(SSE + frame(artifact("late")) + frame(update("COMPLETED"), 9) + chunk(b""))

    async with against(breaking) as (peer, client):
        result = await ask(client)

    assert result.text == "late"
    assert [call["method"] for call in peer.calls] == [
        "SendStreamingMessage",
        "SubscribeToTask",
        "SubscribeToTask",
    ]
    assert "last-event-id: 2" in peer.heads[-1]


@pytest.mark.requirement("A2A-32")
async def test_a_task_that_ended_meanwhile_is_got() -> None:
    async def forgetful(_: Peer, call: JsonObject, writer: asyncio.StreamWriter) -> None:
        if call["method"] == "SendStreamingMessage":
            writer.write(SSE + frame(task("SUBMITTED")) + chunk(b""))
        elif call["method"] == "SubscribeToTask":
            error = {"code": -32004, "message": "ended"}
            body = orjson.dumps({"jsonrpc": "2.0", "id": 1, "error": error})
            writer.write(status("200 OK", body, "Content-Type: application/json"))
        else:
            parts = [{"artifactId": "a", "parts": [{"text": "got"}]}]
            body = orjson.dumps({"result": task("COMPLETED", artifacts=parts)["task"]})
            writer.write(status("200 OK", body, "Content-Type: application/json"))

    async with against(forgetful) as (peer, client):
        result = await ask(client)

    assert result.text == "got"
    assert peer.calls[-1]["method"] == "GetTask"


@pytest.mark.requirement("A2A-32")
async def test_a_silent_stream_is_left_and_a_kept_alive_one_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def silent(peer: Peer, _: JsonObject, writer: asyncio.StreamWriter) -> None:
        if len(peer.calls) == 1:
            writer.write(SSE + frame(task("SUBMITTED")))
            return
        writer.write(SSE)
        for _beat in range(6):
            writer.write(chunk(b": keep-alive\n\n"))
            await asyncio.sleep(0.05)
        writer.write(frame(artifact("alive")) + frame(update("COMPLETED"), 3) + chunk(b""))

    assert (transport.PATIENT.sock_connect, transport.IDLE_SECONDS) == (2, 45)
    assert (transport.PATIENT.total, transport.PATIENT.sock_read) == (None, None)
    async with against(silent) as (peer, client):
        monkeypatch.setattr(transport, "IDLE_SECONDS", 0.15)
        result = await ask(client)

    assert result.text == "alive"
    assert [call["method"] for call in peer.calls] == ["SendStreamingMessage", "SubscribeToTask"]


@pytest.mark.requirement("A2A-32")
async def test_a_blocking_call_may_be_silent_as_long_as_its_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def thinks(_: Peer, __: JsonObject, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(0.3)
        parts = [{"artifactId": "a", "parts": [{"text": "at last"}]}]
        body = orjson.dumps({"result": task("COMPLETED", artifacts=parts)})
        writer.write(status("200 OK", body, "Content-Type: application/json"))

    monkeypatch.setattr(transport, "IDLE_SECONDS", 0.1)
    async with against(thinks, trusted=False) as (peer, client):
        client.card = replace(client.card, streaming=False)
        result = await ask(client)
        late = await ask(client, deadline=Deadline.after(0.2))

    assert result.text == "at last"
    assert code(late) == "deadline_exceeded"
    assert [call["method"] for call in peer.calls] == ["SendMessage", "SendMessage"]


async def test_an_answer_lost_before_it_named_a_task_is_asked_for_again_in_the_mesh_only() -> None:
    async def losing(peer: Peer, _: JsonObject, writer: asyncio.StreamWriter) -> None:
        if len(peer.calls) == 1:
            writer.transport.abort()
            return
        writer.write(SSE + frame(task("SUBMITTED")) + frame(artifact("ok")))
        writer.write(frame(update("COMPLETED")) + chunk(b""))

    async with against(losing) as (peer, client):
        assert (await ask(client)).text == "ok"
    ids = {call["params"]["message"]["messageId"] for call in peer.calls}  # type: ignore[index,call-overload]
    assert len(ids) == 1

    async with against(losing, trusted=False) as (peer, client):
        assert code(await ask(client)) == "outcome_unknown"
    assert len(peer.calls) == 1


async def test_a_peer_outside_the_mesh_gets_neither_token_nor_context() -> None:
    ok = (SSE, frame({"message": {"parts": [{"text": "hi"}]}}), chunk(b""))
    async with against(always(*ok), trusted=False) as (peer, client):
        result = await ask(client, thread_id="mine")

    assert result.text == "hi"
    assert "authorization" not in peer.heads[0]
    assert b"contextId" not in orjson.dumps(peer.calls[0])


@pytest.mark.requirement("A2A-33")
async def test_the_answer_is_message_artifacts_status_or_last_turn_in_this_order() -> None:
    said = {"state": "TASK_STATE_COMPLETED", "message": {"parts": [{"text": "status"}]}}
    turns = [
        {"role": "ROLE_AGENT", "parts": [{"text": "turn"}]},
        {"role": "ROLE_USER", "parts": [{"text": "question"}]},
    ]
    shown = [{"artifactId": "a", "parts": [{"text": "artifact"}, {"data": {"n": 1}}]}]
    answers = [
        {"message": {"parts": [{"text": "message"}]}},
        task("COMPLETED", status=said, history=turns, artifacts=shown),
        task("COMPLETED", status=said, history=turns),
        task("COMPLETED", history=turns),
    ]
    found = []
    for each in answers:
        async with against(always(SSE, frame(each), chunk(b"")), trusted=False) as (_, client):  # type: ignore[arg-type]
            found.append(await ask(client))

    assert [result.text for result in found] == ["message", "artifact", "status", "turn"]
    assert found[1].data == {"n": 1}


async def test_chunks_of_an_artifact_are_joined_and_replaced() -> None:
    pieces = (
        SSE,
        frame(task("SUBMITTED")),
        frame(artifact("wrong")),
        frame(artifact("he")),
        frame(artifact("llo", append=True)),
        frame(update("COMPLETED")),
        chunk(b""),
    )
    async with against(always(*pieces), trusted=False) as (_, client):
        assert (await ask(client)).text == "hello"


@pytest.mark.requirement("A2A-76")
async def test_a_peer_without_streaming_is_polled_and_cancel_may_stay_unknown() -> None:
    async def slow(peer: Peer, call: JsonObject, writer: asyncio.StreamWriter) -> None:
        done = task("COMPLETED", artifacts=[{"artifactId": "a", "parts": [{"text": "polled"}]}])
        working = task("WORKING")
        result = {"SendMessage": working, "GetTask": working["task"]}.get(str(call["method"]))
        if len(peer.calls) == 3:
            result = done["task"]
        answer = {"result": result} if result else {"error": {"code": -32603, "message": "?"}}
        body = orjson.dumps(answer)
        writer.write(status("200 OK", body, "Content-Type: application/json"))

    async with against(slow, trusted=False) as (peer, client):
        client.card = replace(client.card, streaming=False)
        run = client.start(a_task())
        with anyio.fail_after(5):
            result = await run

    assert result.text == "polled"
    assert [call["method"] for call in peer.calls] == ["SendMessage", "GetTask", "GetTask"]


@pytest.mark.requirement("A2A-76")
@pytest.mark.parametrize(("error", "outcome"), [(-32004, "unknown"), (-32002, "done")])
async def test_a_cancel_that_the_peer_refuses_says_what_is_known(error: int, outcome: str) -> None:
    asked = asyncio.Event()

    async def stubborn(_: Peer, call: JsonObject, writer: asyncio.StreamWriter) -> None:
        answer: dict[str, object] = {"result": task("WORKING")}
        if call["method"] == "GetTask":
            asked.set()
            answer = {"result": task("WORKING")["task"]}
        elif call["method"] == "CancelTask":
            answer = {"error": {"code": error, "message": "no"}}
        body = orjson.dumps(answer)
        writer.write(status("200 OK", body, "Content-Type: application/json"))

    async with against(stubborn, trusted=False) as (_, client), asyncio.TaskGroup() as tasks:
        client.card = replace(client.card, streaming=False)
        run = client.start(a_task())
        early = await run.cancel()
        following = tasks.create_task(run._finish())
        with anyio.fail_after(5):
            await asked.wait()
            report = await run.cancel()
        following.cancel()

    assert early == {"outcome": "not_started"}
    assert report == {"outcome": outcome, "taskId": TASK}


async def test_a_question_of_a_foreign_agent_is_an_interrupt_with_its_words() -> None:
    said = {"state": "TASK_STATE_AUTH_REQUIRED", "message": {"parts": [{"text": "Sign in"}]}}
    pieces = (SSE, frame(task("x", status=said)), chunk(b""))
    async with against(always(*pieces), trusted=False) as (_, client):
        result = await ask(client)

    assert result.status == "interrupted"
    assert (result.interrupts[0].reason, result.interrupts[0].message) == ("credentials", "Sign in")

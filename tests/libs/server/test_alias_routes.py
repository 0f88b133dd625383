"""The short way in: `/invoke`, `/stream`, `/threads`, `/health`."""

import asyncio
from contextlib import aclosing
from typing import Any

import anyio
import httpx
import pytest

from tests.libs.server.door import STORES, Frame, House, finished, frames, opened
from weft.checkpoint import Checkpointer, Run, ThreadKey
from weft.checkpoint.memory import memory_checkpointer
from weft.core import JsonObject, JsonValue
from weft.core.errors import StoreUnavailableError
from weft.events import Envelope
from weft.server.admission import ApiOptions
from weft.server.alias_streams import AliasFrames

ANSWER = {
    "message", "success", "stop_reason", "iterations", "tool_calls", "duration_ms", "run_id",
    "thread_id", "status", "usage", "interrupts", "error", "trace_id",
}  # fmt: skip


@STORES
@pytest.mark.requirement("GW-8")
@pytest.mark.parametrize(
    ("words", "status", "success", "reason"),
    [
        ("hello", "completed", True, "complete"),
        ("fail", "failed", False, "max_iterations"),
        ("late", "expired", False, "expired"),
        ("crash", "failed", False, "error"),
        ("ask", "interrupted", False, "interrupted"),
    ],
)
async def test_invoke_answers_with_success_exactly_when_completed(
    ana: httpx.AsyncClient, words: str, status: str, success: object, reason: str
) -> None:
    answer = await ana.post("/invoke", json={"prompt": words, "metadata": {"a": "b"}})

    said = answer.json()
    assert answer.status_code == 200
    assert set(said) == ANSWER
    assert (said["status"], said["success"], said["stop_reason"]) == (status, success, reason)
    assert (said["error"] is None) == (status in {"completed", "interrupted"})
    assert [each["message"] for each in said["interrupts"]] == ["shall I?"] * (words == "ask")


@pytest.mark.requirement("GW-10")
async def test_invoke_does_not_wait_for_ever(checkpointer: Checkpointer) -> None:
    async with opened(checkpointer, options=ApiOptions(invoke_wait_s=0.05)) as house:
        ana = await house.client("ana")
        with anyio.fail_after(3):
            answer = await ana.post("/invoke", json={"prompt": "hold"})

        assert (answer.status_code, answer.json()["status"]) == (202, "running")
        place = answer.headers["location"]
        assert place == f"/v1/runs/{answer.json()['run_id']}"
        house.script.go.set()
        assert (await finished(ana, answer.json()["run_id"]))["status"] == "completed"


async def test_invoke_of_a_caller_that_waits_for_nothing_answers_at_once(
    ana: httpx.AsyncClient,
) -> None:
    with anyio.fail_after(5):
        answer = await ana.post("/invoke", json={"prompt": "hold"}, headers={"prefer": "wait=0"})

    assert answer.status_code == 202


async def test_stream_shows_thoughts_tokens_and_tools_with_their_numbers(
    house: House, ana: httpx.AsyncClient
) -> None:
    house.script.go.set()

    answer = await ana.post("/stream", json={"prompt": "talk"})

    shown = frames(answer.text)
    assert answer.text.endswith("data: [DONE]\n\n")
    assert [frame.event for frame in shown] == [None] * 7
    assert [(frame.id, frame.data["type"]) for frame in shown[:-1]] == [
        (3, "think"),
        (4, "token"),
        (5, "token"),
        (6, "tool_start"),
        (7, "tool_complete"),
        (9, "done"),
    ]
    assert shown[0].data["content"] == "hm"
    whose: JsonObject = {"agent": None, "path": []}
    assert shown[3].data == {
        "type": "tool_start", "tool": "ls", "tool_call_id": "c1", "arguments": {"a": 1}, **whose,
    }  # fmt: skip
    assert shown[4].data == {
        "type": "tool_complete", "tool": "ls", "tool_call_id": "c1", "result": "x", "error": None,
        "result_cut": False, **whose,
    }  # fmt: skip
    assert shown[5].data == {"type": "done", "message": "echo: talk", "reason": "complete"}
    assert (shown[-1].id, shown[-1].text) == (None, "[DONE]")


def envelope(kind: str, *path: str, **data: JsonValue) -> Envelope:
    return Envelope(
        run_id="r", seq=9, type=kind, ts="2026-01-01T00:00:00.000Z", tenant="t", thread_id="t",
        path=path, agent=path[-1] if path else None, data=data,
    )  # fmt: skip


def shown_by(stream: AliasFrames, *events: Envelope) -> list[Frame]:
    return frames(b"".join(map(stream.event, events)).decode())


def test_frames_say_whose_they_are_and_calls_are_told_apart() -> None:
    call: JsonObject = {"tool_name": "analyze", "tool_call_id": "call_1"}
    events = [
        envelope("agent.tool.started", "fan", name, arguments={}, **call) for name in ("a", "b")
    ]
    events += [envelope("agent.tool.started", "fan", "a", span_id="5pan", arguments={}, **call)]
    events += [envelope("agent.tool.completed", "fan", "a", output_preview="It is…", **call)]
    events += [envelope("agent.model.chunk", "fan", "b", content="hm")]

    shown = [frame.data for frame in shown_by(AliasFrames(), *events)]

    assert [frame["path"] for frame in shown[:2]] == [["fan", "a"], ["fan", "b"]]
    assert [frame["agent"] for frame in shown[:2]] == ["a", "b"]
    assert len({frame["tool_call_id"] for frame in shown[:3]}) == 3
    assert shown[0]["tool_call_id"] == shown[3]["tool_call_id"]
    assert (shown[3]["result"], shown[3]["result_cut"]) == ("It is…", True)
    assert (shown[4]["type"], shown[4]["path"]) == ("token", ["fan", "b"])


def test_the_answer_of_several_agents_comes_as_tokens_at_last() -> None:
    answer = "word " * 200
    done = envelope("run.completed", output={"text": answer}, stop_reason="complete")
    inner = envelope("agent.model.chunk", "fan", "a", content="not this")

    *tokens, last, _ = shown_by(AliasFrames(), inner, done)

    root = [frame for frame in tokens if frame.data["path"] == []]
    assert "".join(str(frame.data["content"]) for frame in root) == answer
    assert len(root) > 1
    assert {frame.id for frame in root} == {None}
    assert (last.id, last.data["type"], last.data["message"]) == (9, "done", answer)


def test_what_was_written_live_at_the_root_is_not_repeated() -> None:
    done = envelope("run.completed", output={"text": "Hello"})

    kinds = [
        frame.data["type"]
        for frame in shown_by(AliasFrames(), envelope("agent.model.chunk", content="Hello"), done)
        if frame.text != "[DONE]"
    ]

    assert kinds == ["token", "done"]


def test_an_answer_that_the_log_cut_is_not_told_as_the_whole() -> None:
    cut: JsonObject = {"$omitted": True, "size": 70_000, "preview": "It began…"}
    shown = shown_by(AliasFrames(), envelope("run.completed", output={"text": cut}))

    assert [frame.data["type"] for frame in shown[:-1]] == ["done"]
    assert shown[0].data["message"] == "It began…"


@STORES
@pytest.mark.requirement("GW-8", "GW-9")
@pytest.mark.parametrize(
    ("words", "last"),
    [("hello", "done"), ("fail", "error"), ("late", "error"), ("crash", "error"), ("ask", "done")],
)
async def test_a_stream_ends_with_one_done_or_error(
    ana: httpx.AsyncClient, words: str, last: str
) -> None:
    with anyio.fail_after(5):
        answer = await ana.post("/stream", json={"prompt": words})

    shown = frames(answer.text)
    ends = [frame.data["type"] for frame in shown[:-1] if frame.data["type"] in {"done", "error"}]
    assert ends == [last]
    assert [frame.text for frame in shown].index("[DONE]") == len(shown) - 1
    assert last != "error" or shown[-2].data["correlation_id"]
    if words == "ask":
        assert [frame.data["type"] for frame in shown[:-1]] == ["interrupt", "done"]
        assert shown[0].data["message"] == "shall I?"
        assert shown[1].data["reason"] == "interrupted"
    assert "SELECT" not in answer.text


async def test_a_canceled_stream_is_done_for_that_reason(
    house: House, ana: httpx.AsyncClient
) -> None:
    async def cancel() -> None:
        await house.script.began.wait()
        run = house.script.executed
        assert run == ["hold"]
        thread = (await ana.get("/v1/threads/t")).json()
        await ana.post(f"/v1/runs/{thread['active_run_id']}/cancel")

    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(cancel())
        answer = await ana.post("/stream", json={"prompt": "hold", "thread_id": "t"})

    assert frames(answer.text)[-2].data["reason"] == "canceled"


async def test_a_thread_tells_what_was_said_and_is_deleted_once(
    ana: httpx.AsyncClient,
) -> None:
    for prompt in ("one", "two"):
        await ana.post("/invoke", json={"prompt": prompt, "thread_id": "t"})
    held = (await ana.post("/v1/threads/t/runs", json={"input": "hold"})).json()

    busy = await ana.delete("/threads/t")
    thread = (await ana.get("/threads/t")).json()
    plain = (await ana.get("/v1/threads/t")).json()
    canceled = await ana.delete("/v1/threads/t", params={"cancel": "true"})
    again = await ana.delete("/threads/t")

    assert set(thread) == {
        "thread_id", "status", "iteration", "messages", "metadata", "created_at", "updated_at",
    }  # fmt: skip
    said = [(each["role"], each["content"]) for each in thread["messages"]]
    assert said[:4] == [
        ("user", "one"), ("assistant", "echo: one"), ("user", "two"), ("assistant", "echo: two"),
    ]  # fmt: skip
    assert (plain["status"], plain["active_run_id"]) == ("busy", held["run_id"])
    assert (busy.status_code, busy.json()["code"]) == (409, "thread_busy")
    assert (canceled.json(), again.json()) == (
        {"deleted": True, "pending": []},
        {"deleted": False, "pending": []},
    )
    assert (await ana.get("/threads/t")).status_code == 404


async def test_health_says_when_the_store_is_away(monkeypatch: pytest.MonkeyPatch) -> None:
    async with aclosing(memory_checkpointer()) as store, opened(store) as house:
        nobody = await house.client(None)

        async def away() -> None:
            raise StoreUnavailableError("the database is away")

        monkeypatch.setattr(store, "ping", away)
        health, ready = await nobody.get("/health"), await nobody.get("/readiness")
        alive = await nobody.get("/liveness")

    for answer in (health, ready):
        assert (answer.status_code, answer.json()) == (503, {"status": "unavailable"})
    assert alive.status_code == 200


async def test_the_root_links_to_routes_that_exist(ana: httpx.AsyncClient) -> None:
    links = (await ana.get("/")).json()["links"]

    answers = {name: (await ana.get(place)).status_code for name, place in links.items()}

    assert answers.pop("invoke") == answers.pop("stream") == 405
    assert set(answers.values()) == {200}


async def test_two_deletions_of_a_thread_at_once_both_say_what_became_of_it(
    house: House, ana: httpx.AsyncClient
) -> None:
    held = (await ana.post("/v1/threads/t/runs", json={"input": "hold"})).json()
    cancel = house.runs.cancel

    async def late(*args: Any, **options: Any) -> Run:  # noqa: ANN401 - handed on
        await house.runs.checkpointer.threads.delete(ThreadKey("acme", "ana", "t"), cancel=True)
        return await cancel(*args, **options)

    house.runs.cancel = late  # type: ignore[method-assign]
    second = await ana.delete("/threads/t", params={"cancel": "true"})

    assert (second.status_code, second.json()) == (200, {"deleted": False, "pending": []})
    assert (await ana.get(f"/v1/runs/{held['run_id']}")).status_code == 404

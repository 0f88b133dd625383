"""The 0.3 dialect at the address of 1.0: each sample is what a client of 0.3 sends, and what it gets."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.libs.a2a.harness import Mesh, ScriptedPeer, ScriptedRun, Served, agent, message
from weft.a2a.wire.extensions import ALL_HEADER, BUDGET
from weft.core import Artifact, Interrupt, JsonObject, JsonValue, Result, new_id
from weft.events import Event

OLD = {"a2a-version": ""}
"""Clients of 0.3 say no version."""


async def replies(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    if run.task.prompt == "ask later" and not run.task.answers:
        await run.go.wait()
    if run.task.prompt.startswith("ask") and not run.task.answers:
        question = Interrupt(id="q", reason="question", message="Which one?")
        yield Result(status="interrupted", interrupts=(question,))
        return
    if run.task.prompt == "wait":
        await run.go.wait()
    rows = Artifact(id="rows", data={"rows": [1]})
    yield Result(status="completed", text=f"echo: {run.task.prompt}", artifacts=(rows,))


@pytest.fixture
async def old() -> AsyncIterator[Served]:
    async with agent(ScriptedPeer(replies)) as served:
        yield served


def said(text: str, *, message_id: str | None = None, **more: JsonValue) -> JsonObject:
    """Return what message/send takes, as 0.3 has it."""
    part: JsonObject = {"kind": "text", "text": text}
    return {
        "message": {
            "kind": "message",
            "messageId": message_id or new_id(),
            "role": "user",
            "parts": [part],
            **more,
        }
    }


def times_out(value: Any) -> Any:  # noqa: ANN401 - a test looks at JSON as it comes
    """Return the value with its times by their name."""
    if isinstance(value, dict):
        return {
            name: "TIME" if name == "timestamp" else times_out(member)
            for name, member in value.items()
        }
    return [times_out(entry) for entry in value] if isinstance(value, list) else value


@pytest.mark.requirement("A2A-4")
async def test_a_send_of_0_3_gets_a_bare_task_in_its_form(old: Served) -> None:
    answer = await old.call("message/send", said("hello", message_id="m-1"), OLD)

    task = answer["result"]
    assert times_out(task) == {
        "kind": "task",
        "id": task["id"],
        "contextId": task["contextId"],
        "status": {"state": "completed", "timestamp": "TIME"},
        "artifacts": [
            {
                "artifactId": task["id"],
                "name": "answer",
                "parts": [{"kind": "text", "text": "echo: hello"}],
            },
            {"artifactId": "rows", "parts": [{"kind": "data", "data": {"rows": [1]}}]},
        ],
        "history": [
            {
                "kind": "message",
                "messageId": "m-1",
                "role": "user",
                "parts": [{"kind": "text", "text": "hello"}],
                "taskId": task["id"],
                "contextId": task["contextId"],
            }
        ],
    }


@pytest.mark.requirement("A2A-4")
async def test_a_stream_of_0_3_is_flat_and_says_what_is_final(old: Served) -> None:
    stream = await old.stream("message/stream", said("hello"), OLD)
    shown = [value for _, value in await stream.all()]

    assert shown[0]["kind"] == "task"
    assert {value["kind"] for value in shown[1:]} == {"status-update", "artifact-update"}
    finals = [value["final"] for value in shown if value["kind"] == "status-update"]
    assert finals == [False] * (len(finals) - 1) + [True]
    assert shown[-1]["status"]["state"] == "completed"
    grown = [value["artifact"]["parts"][0] for value in shown if value["kind"] == "artifact-update"]
    assert {"kind": "text", "text": "echo: hello"} in grown


@pytest.mark.requirement("A2A-4")
async def test_one_task_is_read_canceled_and_asked_about_under_both_names(old: Served) -> None:
    at_once: JsonObject = {**said("wait"), "configuration": {"blocking": False}}
    task = (await old.call("message/send", at_once, OLD))["result"]
    read = (await old.call("tasks/get", {"id": task["id"], "historyLength": 0}, OLD))["result"]
    by_new = (await old.call("GetTask", {"id": task["id"], "historyLength": 0}))["result"]
    watched = await old.stream("tasks/resubscribe", {"id": task["id"]}, OLD)
    canceled = (await old.call("tasks/cancel", {"id": task["id"]}, OLD))["result"]
    rest = [value for _, value in await watched.all()]
    again = await old.call("tasks/cancel", {"id": task["id"]}, OLD)

    assert (read["kind"], read["status"]["state"]) == (
        "task",
        by_new["status"]["state"][11:].lower(),
    )
    assert "history" not in read
    assert (canceled["kind"], canceled["status"]["state"]) == ("task", "canceled")
    assert (rest[-1]["status"]["state"], rest[-1]["final"]) == ("canceled", True)
    assert again["error"]["code"] == -32002


async def test_a_question_is_final_for_who_sent_and_not_for_who_only_watches(old: Served) -> None:
    stream = await old.stream("message/stream", said("ask"), OLD)
    sent = [value for _, value in await stream.all()]
    later: JsonObject = {**said("ask later"), "configuration": {"blocking": False}}
    task_id = (await old.call("message/send", later, OLD))["result"]["id"]
    frames = aiter((await old.stream("tasks/resubscribe", {"id": task_id}, OLD)).frames())
    watched = [(await anext(frames))[1]]
    old.peer.go.set()
    while watched[-1].get("status", {}).get("state") != "input-required":
        watched.append((await anext(frames))[1])
    await old.call("message/send", said("that", taskId=task_id), OLD)
    watched += [value async for _, value in frames]

    assert (sent[-1]["status"]["state"], sent[-1]["final"]) == ("input-required", True)
    assert sent[-1]["status"]["message"]["role"] == "agent"
    assert sent[-1]["status"]["message"]["parts"] == [{"kind": "text", "text": "Which one?"}]
    assert watched[0]["kind"] == "task"
    updates = [value for value in watched if value["kind"] == "status-update"]
    assert "input-required" in [value["status"]["state"] for value in updates]
    assert [value["final"] for value in updates] == [False] * (len(updates) - 1) + [True]
    assert updates[-1]["status"]["state"] == "completed"


async def test_every_kind_of_part_reaches_the_agent(old: Served) -> None:
    parts: list[JsonValue] = [
        {"kind": "text", "text": "look", "metadata": {"lang": "en"}},
        {"kind": "data", "data": {"n": 1}},
    ]
    await old.call("message/send", said("", parts=parts), OLD)

    received = old.peer.runs[-1].task.parts
    assert [part.kind for part in received] == ["text", "data"]
    assert received[0].metadata == {"lang": "en"}
    assert received[1].data == {"n": 1}


@pytest.mark.parametrize(
    ("params", "code", "field"),
    [
        (said("a", role="boss"), -32602, "message.role"),
        (said("a", role="ROLE_USER"), -32602, "message.role"),
        (said("a", parts=[]), -32602, "message.parts"),
        (said("a", parts=[{"kind": "text"}]), -32602, "message.parts.0"),
        (
            said("a", parts=[{"kind": "file", "file": {"bytes": "AA==", "uri": "https://x/"}}]),
            -32602, "message.parts.0.file",
        ),
        (said("a", parts=[{"kind": "file", "file": {"bytes": "AA==", "mimeType": "a/b"}}]), -32005, None),
        ({**said("a"), "configuration": {"pushNotificationConfig": {"url": "https://x/"}}}, -32003, None),
    ],
)  # fmt: skip
async def test_what_0_3_does_not_have_or_we_do_not_take_is_refused(
    old: Served, params: JsonObject, code: int, field: str | None
) -> None:
    error = (await old.call("message/send", params, OLD))["error"]

    assert error["code"] == code
    violations = [row for entry in error["data"] for row in entry.get("fieldViolations", [])]
    assert field is None or field in [row["field"] for row in violations]
    assert old.peer.runs == []


@pytest.mark.requirement("A2A-38")
async def test_the_name_picks_the_dialect_and_the_parts_the_form_of_the_answer(
    old: Served,
) -> None:
    new_parts = (await old.call("message/send", message("hello"), OLD))["result"]
    new_name = (await old.call("SendMessage", message("hello"), OLD))["result"]

    assert new_parts["task"]["status"]["state"] == "TASK_STATE_COMPLETED"
    assert new_name["task"]["artifacts"][0]["parts"] == [{"text": "echo: hello"}]


@pytest.mark.requirement("A2A-38")
@pytest.mark.parametrize(
    ("version", "served"), [("0.3", True), ("0.3.0", True), ("1.0", True), ("0.2", False)]
)
async def test_an_old_name_may_say_either_version(
    old: Served,
    version: str,
    served: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    answer = await old.call("tasks/get", {"id": "none"}, {"a2a-version": version})

    assert answer["error"]["code"] == (-32001 if served else -32009)


@pytest.mark.requirement("A2A-6")
async def test_extensions_are_asked_for_and_echoed_under_the_name_that_0_3_has(
    old: Served,
) -> None:
    body: JsonObject = {"jsonrpc": "2.0", "id": 1, "method": "message/send", "params": said("a")}
    async with await old.post(body, {**OLD, "x-a2a-extensions": f"{BUDGET},urn:unheard"}) as one:
        assert one.headers["X-A2A-Extensions"] == BUDGET
        assert "A2A-Extensions" not in one.headers
    stream: JsonObject = {**body, "method": "message/stream", "params": said("b")}
    async with await old.post(stream, {**OLD, "x-a2a-extensions": ALL_HEADER}) as many:
        assert many.headers["X-A2A-Extensions"] == ALL_HEADER


@pytest.mark.requirement("A2A-43")
async def test_an_unsigned_card_serves_readers_of_both_versions_and_a_signed_one_those_of_1_0() -> (
    None
):
    mesh = Mesh()
    async with agent() as both, agent(mesh=mesh) as signed:
        dual, plain = both.server.card, signed.server.card

    old = {"url", "protocolVersion", "preferredTransport", "supportsAuthenticatedExtendedCard"}
    assert old <= dual.keys()
    assert (dual["url"], dual["protocolVersion"]) == (both.url, "0.3.0")
    interfaces: Any = dual["supportedInterfaces"]
    assert [(entry["protocolBinding"], entry["protocolVersion"]) for entry in interfaces] == [
        ("JSONRPC", "1.0"),
        ("HTTP+JSON", "1.0"),
        ("JSONRPC", "0.3"),
    ]
    assert not old & plain.keys()
    assert "0.3" not in str(plain["supportedInterfaces"])

"""Every part reaches the agent, and every part of its answer the caller; or it is refused by name."""

from base64 import b64encode
from collections.abc import AsyncIterator
from typing import Any

import pytest

from tests.libs.a2a.harness import (
    Mesh,
    ScriptedPeer,
    ScriptedRun,
    Served,
    a_task,
    agent,
    calling,
    message,
)
from weft.a2a import Card, Skill
from weft.core import Artifact, Interrupt, JsonObject, JsonValue, Part, Result, new_id
from weft.events import Event

RAW = b64encode(b"\x00\x01hi").decode()
PARTS: tuple[Part, ...] = (
    Part(text="look", metadata={"lang": "en"}),
    Part(data=None),
    Part(data=[1, {"a": False}], metadata={"n": 0}),
    Part(bytes=RAW, media_type="image/png", filename="a.png"),
    Part(url="https://example.com/b.txt", media_type="text/plain", filename="b.txt"),
    Part(text=""),
    Part(data=0),
)
WIRE: list[JsonValue] = [
    {"text": "look", "metadata": {"lang": "en"}},
    {"data": None},
    {"data": [1, {"a": False}], "metadata": {"n": 0}},
    {"raw": RAW, "mediaType": "image/png", "filename": "a.png"},
    {"url": "https://example.com/b.txt", "mediaType": "text/plain", "filename": "b.txt"},
    {"text": ""},
    {"data": 0},
]
CARD = Card(
    name="echo",
    description="Says what it hears.",
    input_modes=("text/plain", "application/json", "image/*"),
    output_modes=("text/plain", "application/json"),
    skills=(
        Skill(id="echo", name="Echo", description="Repeats."),
        Skill(id="pdf", name="PDF", description="Reads.", input_modes=("application/pdf",)),
    ),
)


async def mirrors(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    made = Artifact(id="file", name="copy", parts=run.task.parts, metadata={"of": "you"})
    yield Result(status="completed", parts=run.task.parts, artifacts=(made,))


async def asks(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    if run.task.answers:
        yield Result(status="completed", data=run.task.answers["q"])
    else:
        schema: JsonObject | None = {"type": "string"} if run.task.prompt == "closed" else None
        asked = Interrupt(id="q", reason="question", message="Which?", response_schema=schema)
        yield Result(status="interrupted", interrupts=(asked,))


async def refused(served: Served, params: JsonObject, method: str = "SendMessage") -> int:
    answer: Any = await served.call(method, params)
    return int(answer["error"]["code"])


@pytest.mark.requirement("A2A-86")
async def test_every_part_reaches_the_agent_and_comes_back() -> None:
    peer = ScriptedPeer(mirrors)
    async with agent(peer, card=CARD) as served:
        task = (await served.call("SendMessage", message("", parts=WIRE)))["result"]["task"]

    assert peer.runs[0].task.parts == PARTS
    answer, made = task["artifacts"]
    assert answer["parts"] == WIRE
    assert made == {"artifactId": "file", "name": "copy", "parts": WIRE, "metadata": {"of": "you"}}
    assert task["history"][0]["parts"] == WIRE


@pytest.mark.requirement("A2A-86")
async def test_every_part_goes_through_our_own_client_and_back() -> None:
    mesh, peer = Mesh(), ScriptedPeer(mirrors)
    async with agent(peer, mesh=mesh, card=CARD) as served, calling(served, mesh) as client:
        result = await client.start(a_task(parts=PARTS))

    assert peer.runs[0].task.parts == result.parts == PARTS
    assert result.artifacts[0].parts == PARTS
    assert result.artifacts[0].metadata == {"of": "you"}


@pytest.mark.requirement("A2A-86")
@pytest.mark.parametrize("method", ["SendMessage", "SendStreamingMessage"])
@pytest.mark.parametrize(
    "part",
    [
        {"raw": RAW},
        {"url": "https://x/"},
        {"raw": RAW, "mediaType": "application/pdf"},
        {"text": "a", "mediaType": "text/markdown"},
        {"data": 1, "mediaType": "application/xml"},
    ],
)
async def test_a_part_the_card_does_not_name_is_refused_at_the_door(
    part: JsonObject, method: str
) -> None:
    peer = ScriptedPeer(mirrors)
    card = CARD.model_copy(update={"skills": CARD.skills[:1]})
    async with agent(peer, card=card) as served:
        code = await refused(served, message("", parts=[{"text": "a"}, part]), method)

    assert (code, peer.runs) == (-32005, [])


@pytest.mark.requirement("A2A-86")
async def test_a_named_skill_takes_its_own_types() -> None:
    pdf: list[JsonValue] = [{"raw": RAW, "mediaType": "application/PDF; x=1"}]
    async with agent(ScriptedPeer(mirrors), card=CARD) as served:
        unnamed = await served.call("SendMessage", message("", parts=pdf))
        named = await served.call(
            "SendMessage", message("", parts=pdf, metadata={"skillId": "pdf"})
        )
        other = await refused(served, message("", parts=pdf, metadata={"skillId": "echo"}))
        text = await refused(served, message("plain", metadata={"skillId": "pdf"}))
        shown: Any = served.server.card

    assert "result" in unnamed
    assert "result" in named
    assert (other, text) == (-32005, -32005)
    assert shown["defaultInputModes"] == ["text/plain", "application/json", "image/*"]
    assert [skill["inputModes"] for skill in shown["skills"]] == [
        ["text/plain", "application/json", "image/*"],
        ["application/pdf"],
    ]


@pytest.mark.requirement("A2A-86")
@pytest.mark.parametrize(
    ("accepted", "code"),
    [
        (["text/plain"], None), (["text/*"], None), (["*/*"], None), ([], None),
        (["image/png", "application/json"], None), (["image/png"], -32005), (["image/*"], -32005),
    ],
)  # fmt: skip
async def test_a_caller_that_takes_none_of_the_answers_types_is_told_so(
    accepted: list[JsonValue], code: int | None
) -> None:
    async with agent(ScriptedPeer(mirrors), card=CARD) as served:
        sent: JsonObject = {**message("a"), "configuration": {"acceptedOutputModes": accepted}}
        answer = await served.call("SendMessage", sent)

    assert answer.get("error", {}).get("code") == code


@pytest.mark.parametrize(
    "part",
    [
        {}, {"text": None}, {"text": "a", "data": 1}, {"raw": "!!!!"}, {"raw": "AAAAA"},
        {"raw": 7}, {"url": "https://x/", "raw": "AAAA"}, {"text": "a", "mediaType": ""},
        {"text": "a", "filename": "a\nb"}, {"text": "a", "metadata": 1},
    ],
)  # fmt: skip
async def test_a_part_that_is_none_is_named(part: JsonObject) -> None:
    async with agent(ScriptedPeer(mirrors), card=CARD) as served:
        answer: Any = await served.call("SendMessage", message("", parts=[{"text": "a"}, part]))

    [violation] = answer["error"]["data"][1]["fieldViolations"]
    assert answer["error"]["code"] == -32602
    assert violation["field"].startswith("message.parts.1")


@pytest.mark.parametrize("raw", ["-_-_", "+/+/", "AAE", "AAE="])
async def test_both_alphabets_of_base64_are_one_content(raw: str) -> None:
    peer = ScriptedPeer(mirrors)
    async with agent(peer, card=CARD) as served:
        part: JsonObject = {"raw": raw, "mediaType": "image/png"}
        await served.call("SendMessage", message("", parts=[part]))

    assert peer.runs[0].task.parts[0].bytes in ("+/+/", "AAE=")


@pytest.mark.requirement("A2A-86")
@pytest.mark.parametrize(
    ("parts", "answer"),
    [
        ([{"text": "blue"}], "blue"),
        ([{"text": "light"}, {"text": "blue"}], "light\nblue"),
        ([{"data": None}], None),
        ([{"data": {"a": 0}}], {"a": 0}),
        ([{"text": "blue"}, {"data": 1}], {"parts": [{"text": "blue"}, {"data": 1}]}),
        ([{"data": 1}, {"data": 2}], {"parts": [{"data": 1}, {"data": 2}]}),
        (
            [{"raw": "AAAA", "mediaType": "image/png", "filename": "a.png"}],
            {"parts": [{"bytes": "AAAA", "media_type": "image/png", "filename": "a.png"}]},
        ),
    ],
)
async def test_every_part_of_a_follow_up_reaches_the_agent(
    parts: list[JsonValue], answer: JsonValue
) -> None:
    async with agent(ScriptedPeer(asks), card=CARD) as served:
        task_id = (await served.call("SendMessage", message("go")))["result"]["task"]["id"]
        done = await served.call("SendMessage", message("", parts=parts, taskId=task_id))

    task = done["result"]["task"]
    if answer is None:
        # A result in short says nothing by None, and nothing is no success.
        assert task["status"]["state"] == "TASK_STATE_FAILED"
    else:
        assert task["artifacts"][0]["parts"] == [{"data": answer}]


@pytest.mark.requirement("A2A-86")
async def test_a_follow_up_that_its_question_does_not_take_is_refused_and_changes_nothing() -> None:
    async with agent(ScriptedPeer(asks), card=CARD) as served:
        task_id = (await served.call("SendMessage", message("closed")))["result"]["task"]["id"]
        image: JsonObject = {"raw": "AAAA", "mediaType": "image/png"}
        mixed = await refused(served, message("", parts=[{"text": "blue"}, image], taskId=task_id))
        video: JsonObject = {"raw": "AAAA", "mediaType": "video/mp4"}
        undeclared = await refused(served, message("", parts=[video], taskId=task_id))
        responses: JsonObject = {"responses": [{"interruptId": "q", "payload": "blue"}]}
        beside = await refused(
            served, message("", parts=[{"data": responses}, {"text": "and"}], taskId=task_id)
        )
        done = await served.call("SendMessage", message("blue", taskId=task_id))

    assert (mixed, undeclared, beside) == (-32602, -32005, -32602)
    assert done["result"]["task"]["status"]["state"] == "TASK_STATE_COMPLETED"


@pytest.mark.requirement("A2A-53")
async def test_another_content_of_any_kind_is_another_message() -> None:
    used = new_id()
    async with agent(ScriptedPeer(mirrors), card=CARD) as served:
        first: list[JsonValue] = [{"data": None}]
        await served.call("SendMessage", message("", parts=first, message_id=used))
        same = await served.call("SendMessage", message("", parts=first, message_id=used))
        others: list[list[JsonValue]] = [[{"data": 0}], [{"data": {}}], [{"text": ""}]]
        codes = [await refused(served, message("", parts=each, message_id=used)) for each in others]

    assert "result" in same
    assert codes == [-32602] * 3

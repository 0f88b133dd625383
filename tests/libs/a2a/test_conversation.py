"""A conversation with a task: every message of it is kept, in order, whoever said it."""

from typing import Any

import pytest

from tests.libs.a2a.harness import Mesh, ScriptedPeer, Served, agent, message, replica
from tests.libs.a2a.test_content import CARD, asks
from tests.libs.a2a.test_follow_ups import asks_thrice
from weft.checkpoint import entry_path
from weft.core import LOCAL, JsonObject, JsonValue, new_id

Turn = tuple[str, str]


def turns(task: Any) -> list[Turn]:  # noqa: ANN401 - JSON as it comes
    return [(each["role"], each["parts"][0].get("text")) for each in task.get("history", [])]


TALK: list[Turn] = [
    ("ROLE_USER", "go"),
    ("ROLE_AGENT", "Which 1?"),
    ("ROLE_USER", "one"),
    ("ROLE_AGENT", "Which 2?"),
    ("ROLE_USER", "two"),
    ("ROLE_AGENT", "Which 3?"),
    ("ROLE_USER", "three"),
]


async def talked(served: Served, words: tuple[str, ...] = ("one", "two", "three")) -> Any:  # noqa: ANN401 - JSON
    task = (await served.call("SendMessage", message("go")))["result"]["task"]
    for word in words:
        task = (await served.call("SendMessage", message(word, taskId=task["id"])))["result"][
            "task"
        ]
    return task


@pytest.mark.requirement("A2A-2")
async def test_four_turns_by_task_id_alone_are_all_in_the_history_of_one_context() -> None:
    async with agent(ScriptedPeer(asks_thrice)) as served:
        sent = await talked(served)
        task = (await served.call("GetTask", {"id": sent["id"]}))["result"]

    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert turns(sent) == turns(task) == TALK
    assert {each["contextId"] for each in task["history"]} == {task["contextId"]}
    assert {each["taskId"] for each in task["history"]} == {task["id"]}
    assert len({each["messageId"] for each in task["history"]}) == len(TALK)


@pytest.mark.requirement("A2A-2")
async def test_an_open_question_stands_in_the_status_and_not_yet_in_the_history() -> None:
    async with agent(ScriptedPeer(asks_thrice)) as served:
        task = await talked(served, ("one",))
        done = await served.call("SendMessage", message("two", taskId=task["id"]))

    asked = task["status"]["message"]
    assert asked["parts"] == [{"text": "Which 2?"}]
    assert turns(task) == TALK[:3]
    assert done["result"]["task"]["history"][3] == asked


@pytest.mark.requirement("A2A-2")
@pytest.mark.parametrize("length", [0, 1, 2, 6, 7, 50])
async def test_the_last_messages_are_shown_as_far_as_asked_for(length: int) -> None:
    expected = TALK[len(TALK) - min(length, len(TALK)) :]
    async with agent(ScriptedPeer(asks_thrice)) as served:
        task = await talked(served, ("one", "two"))
        last: JsonObject = message("three", taskId=task["id"])
        sent: JsonObject = {**last, "configuration": {"historyLength": length}}
        answers = [
            (await served.call("SendMessage", sent))["result"]["task"],
            (await served.call("GetTask", {"id": task["id"], "historyLength": length}))["result"],
            (await (await served.stream("SendStreamingMessage", sent)).all())[0][1]["task"],
        ]

    assert [turns(each) for each in answers] == [expected] * 3
    assert ["history" in each for each in answers] == [length > 0] * 3


async def test_a_negative_length_is_refused_by_every_operation() -> None:
    sent: JsonObject = {**message("go"), "configuration": {"historyLength": -1}}
    async with agent(ScriptedPeer(asks_thrice)) as served:
        answers = [
            await served.call("SendMessage", sent),
            await served.call("SendStreamingMessage", sent),
            await served.call("GetTask", {"id": "x", "historyLength": -1}),
        ]

    assert [each["error"]["code"] for each in answers] == [-32602] * 3


async def test_the_first_frame_of_a_stream_has_the_history_too() -> None:
    async with agent(ScriptedPeer(asks_thrice)) as served:
        stream = await (await served.stream("SendStreamingMessage", message("go"))).all()
        task = stream[0][1]["task"]
        subscription = await served.stream("SubscribeToTask", {"id": task["id"]})
        subscribed = (await anext(subscription.frames()))[1]["task"]
        subscription.response.close()

    assert turns(task) == turns(subscribed) == TALK[:1]


async def test_a_replayed_question_is_shown_as_it_was_put() -> None:
    async with agent(ScriptedPeer(asks_thrice)) as served:
        task = await talked(served)
        resumed = await served.stream("SubscribeToTask", {"id": task["id"]}, {"last-event-id": "0"})
        frames = await resumed.all()

    statuses: list[Any] = [result.get("statusUpdate", {}).get("status", {}) for _, result in frames]
    asked = [each["message"]["parts"][0]["text"] for each in statuses if "message" in each]
    assert asked == ["Which 1?", "Which 2?", "Which 3?"]


async def test_a_message_is_kept_whole_and_once() -> None:
    used = new_id()
    parts: list[JsonValue] = [
        {"text": "blue", "metadata": {"lang": "en"}},
        {"data": None},
        {"raw": "A" * 100_000, "mediaType": "image/png", "filename": "a.png"},
    ]
    async with agent(ScriptedPeer(asks), card=CARD) as served:
        task = (await served.call("SendMessage", message("go")))["result"]["task"]
        answer = message(
            "", parts=parts, message_id=used, taskId=task["id"],
            metadata={"m": 1}, extensions=["urn:x"], referenceTaskIds=["other"],
        )  # fmt: skip
        for _ in range(3):
            await served.call("SendMessage", answer)
        found = (await served.call("GetTask", {"id": task["id"]}))["result"]["history"]

    assert len(found) == 3
    assert found[-1] == {
        "messageId": used, "role": "ROLE_USER", "parts": parts, "metadata": {"m": 1},
        "extensions": ["urn:x"], "referenceTaskIds": ["other"],
        "taskId": task["id"], "contextId": task["contextId"],
    }  # fmt: skip


async def test_an_id_that_may_be_used_twice_makes_two_messages() -> None:
    async with agent(ScriptedPeer(asks_thrice)) as served:
        task = (await served.call("SendMessage", message("go")))["result"]["task"]
        for word in ("one", "two"):
            sent = message(word, message_id="1", taskId=task["id"])
            task = (await served.call("SendMessage", sent))["result"]["task"]

    assert turns(task) == TALK[:5]
    assert [each["messageId"] for each in task["history"]][2::2] == ["1", "1"]


@pytest.mark.requirement("A2A-26")
async def test_another_replica_shows_the_same_and_another_caller_nothing() -> None:
    mesh = Mesh()
    async with (
        agent(ScriptedPeer(asks_thrice), mesh=mesh) as first,
        replica(first, mesh) as second,
    ):
        task = (await first.call("SendMessage", message("go"), mesh.bearer()))["result"]["task"]
        for served, word in ((second, "one"), (first, "two")):
            await served.call("SendMessage", message(word, taskId=task["id"]), mesh.bearer())
        shown = [
            (await each.call("GetTask", {"id": task["id"]}, mesh.bearer()))["result"]
            for each in (first, second)
        ]
        foreign = await second.call("GetTask", {"id": task["id"]}, mesh.bearer(subject="eve"))

    assert [turns(each) for each in shown] == [TALK[:5]] * 2
    assert foreign["error"]["code"] == -32001


@pytest.mark.requirement("A2A-2")
async def test_what_is_kept_of_a_further_message_says_parts_as_its_first_one_does() -> None:
    async with agent(ScriptedPeer(asks_thrice)) as served:
        task = (await served.call("SendMessage", message("go")))["result"]["task"]
        file: JsonValue = {"raw": "aGk=", "mediaType": "text/plain", "filename": "a.txt"}
        sent = message("one", taskId=task["id"], metadata={"by": "hand"})
        body = sent["message"]
        assert isinstance(body, dict)
        body["parts"] = [{"text": "one"}, file]
        shown = (await served.call("SendMessage", sent))["result"]["task"]["history"]
        entry: Any = await served.runs.checkpointer.runs.step(LOCAL, task["id"], entry_path(1))

    question, answer = entry["messages"]
    assert question["sender"] == "agent"
    assert answer["parts"] == [
        {"text": "one"},
        {"bytes": "aGk=", "media_type": "text/plain", "filename": "a.txt"},
    ]
    assert shown[-1]["parts"] == [{"text": "one"}, file]
    assert shown[-1]["metadata"] == {"by": "hand"}

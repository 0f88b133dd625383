"""Messages to a task: each is taken once, whatever the task has come to since."""

from collections.abc import AsyncIterator
from dataclasses import replace

import anyio
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
    replica,
)
from weft.core import LOCAL, Interrupt, JsonObject, Result, new_id
from weft.events import Event


def question(number: int) -> Interrupt:
    return Interrupt(id=f"q{number}", reason="question", message=f"Which {number}?")


async def asks_thrice(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    asked = len(run.task.answers) + 1
    if asked <= 3:
        yield Result(status="interrupted", interrupts=(question(asked),))
    else:
        yield Result(status="completed", text=" ".join(map(str, run.task.answers.values())))


async def asks_then_works(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    if not run.task.answers:
        yield Result(status="interrupted", interrupts=(question(1),))
        return
    await run.go.wait()
    yield Result(status="completed", text=f"heard {run.task.answers['q1']}")


async def waiting(served: Served) -> str:
    task_id: str = (await served.call("SendMessage", message("go")))["result"]["task"]["id"]
    return task_id


def state(answer: JsonObject) -> object:
    return answer["result"]["task"]["status"]["state"]  # type: ignore[index,call-overload]


@pytest.mark.requirement("A2A-84")
async def test_an_answer_sent_again_answers_no_second_question() -> None:
    async with agent(ScriptedPeer(asks_thrice)) as served:
        task_id = await waiting(served)
        first = message("blue", taskId=task_id)
        answers = [await served.call("SendMessage", first) for _ in range(3)]
        await served.call("SendMessage", message("red", taskId=task_id))
        last = await served.call("SendMessage", message("green", taskId=task_id))

    assert {state(each) for each in answers} == {"TASK_STATE_INPUT_REQUIRED"}
    told = [each["result"]["task"]["status"]["message"]["parts"][0]["text"] for each in answers]
    assert told == ["Which 2?"] * 3
    assert last["result"]["task"]["artifacts"][0]["parts"] == [{"text": "blue red green"}]


@pytest.mark.requirement("A2A-84")
async def test_an_answer_repeated_after_the_end_gets_the_task_and_its_whole_stream() -> None:
    peer = ScriptedPeer(asks_then_works)
    async with agent(peer) as served:
        task_id = await waiting(served)
        sent = message("blue", taskId=task_id)
        peer.go.set()
        first = await served.call("SendMessage", sent)
        again = await served.call("SendMessage", sent)
        with anyio.fail_after(5):
            stream = await (await served.stream("SendStreamingMessage", sent)).all()

    assert state(first) == "TASK_STATE_COMPLETED"
    assert again["result"]["task"] == first["result"]["task"]
    assert stream[0][1]["task"]["artifacts"] == first["result"]["task"]["artifacts"]
    assert len(peer.runs) == 2


@pytest.mark.requirement("A2A-84")
async def test_many_at_once_of_one_answer_are_one_answer() -> None:
    async with agent(ScriptedPeer(asks_thrice)) as served:
        task_id = await waiting(served)
        sent = message("blue", taskId=task_id)
        states: list[object] = []

        async def send() -> None:
            states.append(state(await served.call("SendMessage", sent)))

        async with anyio.create_task_group() as group:
            for _ in range(12):
                group.start_soon(send)
        run = await served.runs.read(LOCAL, task_id)  # type: ignore[arg-type]

    assert set(states) == {"TASK_STATE_INPUT_REQUIRED"}
    assert [each.id for each in run.interrupts] == ["q2"]


@pytest.mark.requirement("A2A-84")
async def test_another_replica_knows_the_answer_as_a_repeat() -> None:
    mesh = Mesh()
    async with (
        agent(ScriptedPeer(asks_thrice), mesh=mesh) as first,
        replica(first, mesh) as second,
    ):
        task = (await first.call("SendMessage", message("go"), mesh.bearer()))["result"]["task"]
        sent = message("blue", taskId=task["id"])
        answers = [
            await each.call("SendMessage", sent, mesh.bearer()) for each in (first, second, first)
        ]

    told = [each["result"]["task"]["status"]["message"]["parts"][0]["text"] for each in answers]
    assert told == ["Which 2?"] * 3


@pytest.mark.requirement("A2A-84", "A2A-53")
async def test_an_id_that_was_used_is_refused_with_anything_else() -> None:
    async with agent(ScriptedPeer(asks_thrice)) as served:
        opening = message("go")
        task_id = (await served.call("SendMessage", opening))["result"]["task"]["id"]
        other_task = await waiting(served)
        used = new_id()
        await served.call("SendMessage", message("blue", message_id=used, taskId=task_id))
        refused = [
            await served.call("SendMessage", each)
            for each in (
                message("red", message_id=used, taskId=task_id),
                message("blue", message_id=used, taskId=other_task),
                message("blue", message_id=used),
                message("x", message_id=opening["message"]["messageId"], taskId=task_id),  # type: ignore[index,call-overload]
            )
        ]
        run = await served.runs.read(LOCAL, task_id)

    assert [each["error"]["code"] for each in refused] == [-32602] * 4
    assert [each.id for each in run.interrupts] == ["q2"]


@pytest.mark.requirement("A2A-84")
async def test_a_new_message_is_never_taken_for_an_old_one_by_its_words() -> None:
    peer = ScriptedPeer(asks_then_works)
    async with agent(peer) as served:
        task_id = await waiting(served)
        answered = message("the blue one", message_id=f"answer-{new_id()}", taskId=task_id)
        configured: JsonObject = {**answered, "configuration": {"returnImmediately": True}}
        await served.call("SendMessage", configured)
        strangers = [
            await served.call("SendMessage", message("and?", message_id=each, taskId=task_id))
            for each in ("blue", "answer", "1", "resolved")
        ]
        peer.go.set()

    assert [each["error"]["code"] for each in strangers] == [-32004] * 4


@pytest.mark.requirement("A2A-84", "A2A-70")
async def test_our_client_answers_one_question_after_the_other_and_repeats_what_it_lost() -> None:
    mesh, peer = Mesh(), ScriptedPeer(asks_thrice)
    async with agent(peer, mesh=mesh) as served, calling(served, mesh) as client:
        task, answers = a_task(), {}
        results = [await client.start(task)]
        for number, word in enumerate(("blue", "red", "green"), start=1):
            answers[f"q{number}"] = word
            results.append(await client.start(replace(task, answers=dict(answers))))
        # The reply of the last one got lost: the same answers go out once more.
        again = await client.start(replace(task, answers=dict(answers)))

    assert [each.status for each in results] == ["interrupted"] * 3 + ["completed"]
    assert results[-1].text == "blue red green"
    assert again == results[-1]
    assert len(peer.runs) == 4

"""What a task does, from its first message to its last word."""

import re
from collections.abc import AsyncIterator

import anyio
import pytest

from tests.libs.a2a.harness import ScriptedPeer, ScriptedRun, Served, agent, message
from weft.a2a.server import TaskLimits
from weft.checkpoint import Run
from weft.core import LOCAL, Claim, Interrupt, JsonObject, Reason, Result, new_id
from weft.events import Event

ALL = {
    "a2a-extensions": ",".join(
        f"urn:weft:a2a:{name}:v1"
        for name in ("delegation", "budget", "cancellation", "interrupt", "events")
    )
}


def question(number: int = 1, **more: str) -> Interrupt:
    return Interrupt(id=f"q{number}", reason="question", message=f"Which {number}?", **more)


async def until_told(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    await run.go.wait()
    yield Result(status="completed", text="done")


async def asks_thrice(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    asked = len(run.task.answers) + 1
    if asked <= 3:
        yield Result(status="interrupted", interrupts=(question(asked),))
    else:
        yield Result(status="completed", text=str(run.task.answers["q3"]))


async def failing(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    if run.task.prompt == "raise":
        raise RuntimeError("exploded in /etc/secret")
    if run.task.prompt == "nothing":
        yield Result(status="completed")
        return
    code = run.task.prompt
    yield Result(status="failed", reasons=(Reason(code=code, message="no"),), text="so far")


async def test_a_task_that_ends_where_it_was_sent_is_answered_from_what_its_owner_knows(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[object] = []

    async def read(*which: object) -> Run:
        reads.append(which)
        return await stored(*which)  # type: ignore[arg-type]

    stored = served.runs.checkpointer.runs.read
    monkeypatch.setattr(served.runs.checkpointer.runs, "read", read)
    sent = (await served.call("SendMessage", message("hello")))["result"]["task"]
    assert reads == []
    got = (await served.call("GetTask", {"id": sent["id"]}))["result"]

    assert got == sent
    assert len(reads) == 1


@pytest.mark.requirement("A2A-50")
async def test_the_answer_is_an_artifact_and_the_final_status_says_nothing(
    served: Served,
) -> None:
    task = (await served.call("SendMessage", message("hello")))["result"]["task"]

    assert task["status"]["state"] == "TASK_STATE_COMPLETED"
    assert "message" not in task["status"]
    assert [artifact["parts"] for artifact in task["artifacts"]] == [[{"text": "echo: hello"}]]
    assert task["artifacts"][0]["artifactId"] == task["id"]


@pytest.mark.requirement("A2A-50")
async def test_a_question_stands_in_the_status_message() -> None:
    async with agent(ScriptedPeer(asks_thrice)) as served:
        task = (await served.call("SendMessage", message("go")))["result"]["task"]

    assert task["status"]["state"] == "TASK_STATE_INPUT_REQUIRED"
    assert task["status"]["message"]["parts"] == [{"text": "Which 1?"}]
    assert "artifacts" not in task


async def test_missing_credentials_show_as_auth_required() -> None:
    async def asks(_: ScriptedRun) -> AsyncIterator[Event | Result]:
        needed = Interrupt(id="c", reason="credentials", message="Sign in", url="https://x/")
        yield Result(status="interrupted", interrupts=(needed,))

    async with agent(ScriptedPeer(asks)) as served:
        task = (await served.call("SendMessage", message("go")))["result"]["task"]

    assert task["status"]["state"] == "TASK_STATE_AUTH_REQUIRED"


@pytest.mark.requirement("A2A-2")
@pytest.mark.requirement("A2A-49")
async def test_turns_by_task_id_alone_answer_its_questions_and_stay_in_one_context() -> None:
    async with agent(ScriptedPeer(asks_thrice)) as served:
        task = (await served.call("SendMessage", message("go")))["result"]["task"]
        tasks = [task]
        for turn in ("one", "two", "three"):
            sent = message(turn, taskId=task["id"])
            tasks.append((await served.call("SendMessage", sent))["result"]["task"])

        assert {each["id"] for each in tasks} == {task["id"]}
        assert {each["contextId"] for each in tasks} == {task["contextId"]}
        assert {turn["contextId"] for each in tasks for turn in each["history"]} == {
            task["contextId"]
        }
        assert tasks[-1]["status"]["state"] == "TASK_STATE_COMPLETED"
        assert "three" in tasks[-1]["artifacts"][0]["parts"][0]["text"]
        log = await served.runs.checkpointer.runs.events(LOCAL, task["id"])
        assert {event.thread_id for event in log} == {task["contextId"]}


async def test_answers_by_id_reach_their_questions() -> None:
    async def asks(run: ScriptedRun) -> AsyncIterator[Event | Result]:
        if run.task.answers:
            yield Result(status="completed", data=run.task.answers)
        else:
            yield Result(status="interrupted", interrupts=(question(1), question(2)))

    async with agent(ScriptedPeer(asks)) as served:
        task = (await served.call("SendMessage", message("go"), ALL))["result"]["task"]
        listed = task["status"]["message"]["parts"][1]["data"]["interrupts"]
        plain = await served.call("SendMessage", message("both", taskId=task["id"]))
        unknown = await served.call("SendMessage", answering(task["id"], {"q9": 1}))
        done = await served.call("SendMessage", answering(task["id"], {"q1": 1, "q2": {"b": 2}}))

    assert [each["id"] for each in listed] == ["q1", "q2"]
    assert plain["error"]["code"] == -32602
    assert unknown["error"]["code"] == -32602
    assert done["result"]["task"]["artifacts"][0]["parts"][0]["data"] == {
        "q1": 1,
        "q2": {"b": 2},
    }


@pytest.mark.requirement("A2A-47")
async def test_an_unknown_task_and_a_task_of_another_context_are_refused(served: Served) -> None:
    first = (await served.call("SendMessage", message("a", contextId="mine")))["result"]["task"]
    unknown = await served.call("SendMessage", message("b", taskId="f" * 32))
    other = message("c", taskId=first["id"], contextId="another")

    assert first["contextId"] == "mine"
    assert unknown["error"]["code"] == -32001
    assert (await served.call("SendMessage", other))["error"]["code"] == -32602


async def test_a_message_to_a_task_that_ended_or_works_is_refused() -> None:
    peer = ScriptedPeer(until_told)
    async with agent(peer) as served:
        at_once: JsonObject = {"configuration": {"returnImmediately": True}}
        task = (await served.call("SendMessage", {**message("a"), **at_once}))["result"]["task"]
        busy = await served.call("SendMessage", message("b", taskId=task["id"]))
        peer.go.set()
        await served.runs.wait(LOCAL, task["id"], seconds=5)
        ended = await served.call("SendMessage", message("c", taskId=task["id"]))

    assert busy["error"]["code"] == -32004
    assert ended["error"]["code"] == -32004


async def test_a_blocking_send_waits_no_longer_than_its_limit() -> None:
    peer = ScriptedPeer(until_told)
    async with agent(peer, limits=TaskLimits(block_s=0.05)) as served:
        with anyio.fail_after(5):
            task = (await served.call("SendMessage", message("a")))["result"]["task"]
        peer.go.set()
        done = await served.runs.wait(LOCAL, task["id"], seconds=5)

    assert task["status"]["state"] == "TASK_STATE_WORKING"
    assert done.status == "completed"


@pytest.mark.requirement("A2A-22")
async def test_a_message_sent_twice_is_executed_once(served: Served) -> None:
    twice = message("hello", message_id=new_id())

    async with anyio.create_task_group() as group:
        answers: list[object] = []

        async def send() -> None:
            answers.append((await served.call("SendMessage", twice))["result"]["task"]["id"])

        for _ in range(8):
            group.start_soon(send)
    stream = await (await served.stream("SendStreamingMessage", twice)).all()

    assert len(set(answers)) == 1
    assert stream[0][1]["task"]["id"] == answers[0]
    assert stream[-1][1]["statusUpdate"]["status"]["state"] == "TASK_STATE_COMPLETED"
    assert len(served.peer.runs) == 1


@pytest.mark.requirement("A2A-53")
async def test_an_id_used_for_another_content_is_refused_but_metadata_may_differ(
    served: Served,
) -> None:
    used = new_id()
    await served.call("SendMessage", message("hello", message_id=used))

    other = await served.call("SendMessage", message("goodbye", message_id=used))
    same = await served.call(
        "SendMessage", message("hello", message_id=used, metadata={"trace": "x"})
    )

    assert other["error"]["code"] == -32602
    assert "result" in same
    assert len(served.peer.runs) == 1


@pytest.mark.requirement("A2A-53")
async def test_an_id_that_is_not_unique_by_form_is_never_taken_for_a_repeat(
    served: Served,
) -> None:
    first = await served.call("SendMessage", message("hello", message_id="msg-1"))
    second = await served.call("SendMessage", message("hello", message_id="msg-1"))

    assert first["result"]["task"]["id"] != second["result"]["task"]["id"]


@pytest.mark.requirement("A2A-54")
async def test_times_are_utc_with_milliseconds_and_unknown_fields_are_ignored(
    served: Served,
) -> None:
    sent: JsonObject = {**message("hello", surprise=[1]), "another": {"x": 1}}

    task = (await served.call("SendMessage", sent))["result"]["task"]

    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", task["status"]["timestamp"])


@pytest.mark.requirement("A2A-55")
@pytest.mark.parametrize("prompt", ["raise", "nothing", "budget_exhausted", "deadline_exceeded"])
async def test_what_did_not_succeed_is_never_completed_and_shows_no_bug(prompt: str) -> None:
    async with agent(ScriptedPeer(failing)) as served:
        task = (await served.call("SendMessage", message(prompt)))["result"]["task"]

    assert task["status"]["state"] == "TASK_STATE_FAILED"
    assert task["status"]["message"]["parts"][0]["text"]
    assert "exploded" not in str(task)
    assert "secret" not in str(task)


async def test_a_denied_task_is_rejected_and_an_expired_one_says_so() -> None:
    async with agent(ScriptedPeer(failing)) as served:
        denied = (await served.call("SendMessage", message("policy_denied")))["result"]["task"]
        late = (await served.call("SendMessage", message("deadline_exceeded")))["result"]["task"]

    assert denied["status"]["state"] == "TASK_STATE_REJECTED"
    assert late["metadata"]["reason"] == "expired"


@pytest.mark.requirement("SEC-34")
@pytest.mark.parametrize(("length", "turns"), [(0, 0), (1, 1), (9, 1), (None, 1)])
async def test_history_is_as_long_as_asked_for(
    served: Served, length: int | None, turns: int
) -> None:
    task = (await served.call("SendMessage", message("hello")))["result"]["task"]

    found = (await served.call("GetTask", {"id": task["id"], "historyLength": length}))["result"]

    assert len(found.get("history", [])) == turns
    assert ("history" in found) == bool(turns)


async def test_a_negative_history_length_is_refused(served: Served) -> None:
    answer = await served.call("GetTask", {"id": "x", "historyLength": -1})

    assert answer["error"]["code"] == -32602


async def test_cancel_stops_the_executor_and_cannot_be_repeated() -> None:
    peer = ScriptedPeer(until_told)
    async with agent(peer) as served:
        stream = await served.stream("SendStreamingMessage", message("a"))
        frames = stream.frames()
        task = (await anext(frames))[1]["task"]
        with anyio.fail_after(1):
            canceled = await served.call("CancelTask", {"id": task["id"]}, ALL)
        last = [frame async for frame in frames][-1][1]
        again = await served.call("CancelTask", {"id": task["id"]})
        found = await served.call("GetTask", {"id": task["id"]})

    assert canceled["result"]["status"]["state"] == "TASK_STATE_CANCELED"
    assert canceled["result"]["metadata"]["outcomes"] == []
    assert last["statusUpdate"]["status"]["state"] == "TASK_STATE_CANCELED"
    assert peer.runs[0].canceled
    assert again["error"]["code"] == -32002
    assert found["result"]["status"]["state"] == "TASK_STATE_CANCELED"


@pytest.mark.requirement("A2A-71")
async def test_without_extensions_a_task_is_plain_a2a() -> None:
    async def asks(run: ScriptedRun) -> AsyncIterator[Event | Result]:
        if run.task.answers:
            yield Result(status="completed", text="ok", reasons=(Reason(code="x", message="y"),))
        else:
            yield Result(status="interrupted", interrupts=(question(),))

    async with agent(ScriptedPeer(asks)) as served:
        waiting = (await served.call("SendMessage", message("go")))["result"]["task"]
        done = await served.call("SendMessage", message("yes", taskId=waiting["id"]))

    assert waiting["status"]["message"]["parts"] == [{"text": "Which 1?"}]
    assert "metadata" not in waiting
    assert "metadata" not in done["result"]["task"]


async def test_claims_and_data_stand_beside_the_text() -> None:
    async def claims(_: ScriptedRun) -> AsyncIterator[Event | Result]:
        yield Result(status="completed", text="slow", claims=(Claim(text="p99 up"),), data={"n": 1})

    async with agent(ScriptedPeer(claims)) as served:
        task = (await served.call("SendMessage", message("go")))["result"]["task"]

    text, data, findings = task["artifacts"][0]["parts"]
    assert text == {"text": "slow"}
    assert data == {"data": {"n": 1}}
    assert findings["data"]["claims"][0]["text"] == "p99 up"


def answering(task_id: str, answers: JsonObject) -> JsonObject:
    responses = [{"interruptId": name, "payload": value} for name, value in answers.items()]
    return message("", taskId=task_id, parts=[{"data": {"responses": [*responses]}}])

"""Artifacts grow: a plain caller sees a model's text as it comes, and what is stored is all of it."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import anyio
import pytest
from a2a.types import TaskState
from hypothesis import given
from hypothesis import strategies as st

from tests.libs.a2a.harness import ScriptedPeer, ScriptedRun, Served, agent, message
from tests.libs.a2a.test_reference import reference_client, request
from tests.libs.a2a.test_streams import EVENTS
from weft.a2a.client.picture import Picture
from weft.a2a.events import ArtifactChunk, ArtifactUpdated
from weft.a2a.server.growing import Growing
from weft.a2a.wire.outcomes import to_wire_artifact
from weft.a2a.wire.parts import joined
from weft.core import Artifact, JsonObject, JsonValue, Part, Result, parts_of
from weft.events import Envelope, Event
from weft.loop import Agent
from weft.loop.events import (
    Chunk,
    ModelCall,
    ModelChunked,
    ModelCompleted,
    ModelRetried,
    ModelRetryData,
)
from weft.models import get_model
from weft.models.retry import ModelRetryConfig
from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import Matching, WireCall, WireReply
from weft.tools import tool

TASK = "f" * 32


def text(content: str) -> Event:
    return ModelChunked(data=Chunk(content=content))


def retry() -> Event:
    return ModelRetried(data=ModelRetryData(attempt=2))


def completed() -> Event:
    return ModelCompleted(data=ModelCall(model="m"))


def piece(
    *parts: Part, artifact_id: str = "file", append: bool = True, last: bool = False
) -> Event:
    artifact = Artifact(id=artifact_id, name="rows", parts=parts)
    return ArtifactUpdated(data=ArtifactChunk(artifact=artifact, append=append, last_chunk=last))


def shows(frames: list[tuple[int | None, Any]]) -> list[Any]:
    return [frame["artifactUpdate"] for _, frame in frames if "artifactUpdate" in frame]


def marks(updates: list[Any]) -> list[tuple[str, bool, bool]]:
    return [
        (
            "".join(part.get("text", "*") for part in each["artifact"]["parts"]),
            each["append"],
            each["lastChunk"],
        )
        for each in updates
    ]


def seen_by_a_reader(frames: list[tuple[int | None, Any]]) -> list[Any]:
    """Return the artifacts that a reader of plain A2A puts together from the updates."""
    artifacts: dict[str, Any] = {}
    for each in shows(frames):
        artifact = each["artifact"]
        old = artifacts.get(artifact["artifactId"]) if each["append"] else None
        parts = [*(old["parts"] if old else []), *artifact["parts"]]
        joined: list[Any] = []
        for part in parts:
            if joined and "text" in joined[-1] and "text" in part:
                joined[-1] = {**joined[-1], "text": joined[-1]["text"] + part["text"]}
            else:
                joined.append(part)
        artifacts[artifact["artifactId"]] = {**artifact, "parts": joined}
    return list(artifacts.values())


async def stored(served: Served, task_id: str) -> list[Any]:
    task: Any = (await served.call("GetTask", {"id": task_id}))["result"]
    artifacts: list[Any] = task.get("artifacts", [])
    return artifacts


async def streamed(
    *events: Event | Result, headers: dict[str, str] | None = None
) -> tuple[list[tuple[int | None, Any]], list[Any]]:
    async def script(_: ScriptedRun) -> AsyncIterator[Event | Result]:
        for event in events:
            yield event

    async with agent(ScriptedPeer(script)) as served:
        frames = await (await served.stream("SendStreamingMessage", message("go"), headers)).all()
        return frames, await stored(served, frames[0][1]["task"]["id"])


@pytest.mark.requirement("A2A-10")
async def test_a_models_text_is_shown_as_it_comes_over_http() -> None:
    reply = WireReply(chunks=("It is ", "the ", "database."), after=2, waits=True)
    async with (
        ScriptedOpenAIServer([reply]) as server,
        aclosing(get_model("openai:gpt-4o", base_url=server.base_url, api_key="k")) as model,
        agent(Agent(model, name="echo")) as served,
    ):
        stream = await served.stream("SendStreamingMessage", message("Why?"))
        frames = stream.frames()
        with anyio.fail_after(10):
            early = [await anext(frames)]
            while not shows(early):
                early.append(await anext(frames))
            # The model is still writing, which only this lets it end.
            server.go.set()
            late = [frame async for frame in frames]
        whole = await stored(served, early[0][1]["task"]["id"])

    assert marks(shows(early)) == [("It is ", False, False)]
    updates = marks(shows(late))
    assert all(append for _, append, _ in updates)
    assert [last for _, _, last in updates] == [False] * (len(updates) - 1) + [True]
    assert seen_by_a_reader([*early, *late]) == whole
    assert whole[0]["parts"] == [{"text": "It is the database."}]
    numbers = [number for number, _ in [*early, *late] if number is not None]
    assert numbers == sorted(set(numbers))


@pytest.mark.requirement("A2A-10")
async def test_what_a_broken_reply_had_said_is_replaced_by_the_next() -> None:
    broken = WireReply(chunks=("It is ", "the cache", " I think"), after=3, fault="cut", waits=True)
    replies = [broken, WireReply(chunks=("It is ", "the database."))]
    async with (
        ScriptedOpenAIServer(replies) as server,
        aclosing(get_model("openai:gpt-4o", base_url=server.base_url, api_key="k")) as model,
        agent(
            Agent(model, name="echo", model_retry=ModelRetryConfig(initial_delay=0.05))
        ) as served,
    ):
        stream = (await served.stream("SendStreamingMessage", message("Why?"))).frames()
        with anyio.fail_after(10):
            frames = [await anext(stream)]
            while "cache" not in "".join(said for said, _, _ in marks(shows(frames))):
                frames.append(await anext(stream))
            server.go.set()
            frames += [frame async for frame in stream]
        whole = await stored(served, frames[0][1]["task"]["id"])

    updates = marks(shows(frames))
    anew = [said for said, append, _ in updates if not append]
    assert len(anew) == 2
    assert updates[-1][2] is True
    assert seen_by_a_reader(frames) == whole
    assert whole[0]["parts"] == [{"text": "It is the database."}]


@pytest.mark.requirement("A2A-10")
async def test_words_before_a_tool_call_are_not_the_answer() -> None:
    @tool
    async def look() -> str:
        """Look."""
        return "seen"

    replies: list[str | WireReply | Matching] = [
        WireReply(text="Let me look.", calls=(WireCall(name="look"),)),
        "It is green.",
    ]
    async with (
        ScriptedOpenAIServer(replies) as server,
        aclosing(get_model("openai:gpt-4o", base_url=server.base_url, api_key="k")) as model,
        agent(Agent(model, [look], name="echo")) as served,
    ):
        with anyio.fail_after(10):
            frames = await (await served.stream("SendStreamingMessage", message("Why?"))).all()
        whole = await stored(served, frames[0][1]["task"]["id"])

    assert [said for said, append, _ in marks(shows(frames)) if not append] == [
        "Let me look.", "It is green.",
    ]  # fmt: skip
    assert seen_by_a_reader(frames) == whole
    assert whole[0]["parts"] == [{"text": "It is green."}]


@pytest.mark.requirement("A2A-10")
async def test_the_reference_client_reads_an_answer_that_grows() -> None:
    async def writes(_: ScriptedRun) -> AsyncIterator[Event | Result]:
        for event in (text("It is "), text("the database."), completed()):
            yield event
        yield Result(status="completed", text="It is the database.")

    async with agent(ScriptedPeer(writes)) as served, reference_client(served) as client:
        updates = [each async for each in client.send_message(request("Why?"))]

    grown = [
        each.artifact_update for each in updates if each.WhichOneof("payload") == "artifact_update"
    ]
    assert [each.artifact.parts[0].text for each in grown] == ["It is ", "the database.", ""]
    assert [(each.append, each.last_chunk) for each in grown] == [
        (False, False), (True, False), (True, True),
    ]  # fmt: skip
    assert updates[-1].status_update.status.state == TaskState.TASK_STATE_COMPLETED


@pytest.mark.requirement("A2A-10")
@pytest.mark.parametrize(
    ("events", "result", "expected"),
    [
        (
            [text("a"), text("b"), completed()],
            Result(status="completed", text="ab", data={"n": 1}),
            [("a", False, False), ("b", True, False), ("*", True, True)],
        ),
        (
            [text("a"), completed()],
            Result(status="completed", text="abc"),
            [("a", False, False), ("bc", True, True)],
        ),
        (
            [text("a"), retry(), text("b"), completed()],
            Result(status="completed", text="b"),
            [("a", False, False), ("b", False, False), ("", True, True)],
        ),
        (
            [text("a"), completed()],
            Result(status="completed", text="other"),
            [("a", False, False), ("other", False, True)],
        ),
        (
            [text("a"), completed()],
            Result.failed("x", "y"),
            [("a", False, False), ("", False, True)],
        ),
        (
            [text("a"), completed()],
            Result(status="completed", parts=(*parts_of("a"), *parts_of("b"))),
            [("a", False, False), ("ab", False, True)],
        ),
        (
            [text("sub").under(("call_1",))],
            Result(status="completed", text="a"),
            [("a", False, True)],
        ),
        (
            [piece(Part(text="x"), append=False), piece(Part(data=1), last=True)],
            Result(status="completed", text="a"),
            [("x", False, False), ("*", True, True), ("a", False, True)],
        ),
        (
            [piece(Part(url="u"), append=True), piece(Part(text="x"))],
            Result(
                status="completed",
                artifacts=(
                    Artifact(id="file", name="rows", parts=(Part(url="u"), Part(text="xy"))),
                ),
            ),
            [("*", False, False), ("x", True, False), ("y", True, True)],
        ),
    ],
)
async def test_a_stream_shows_each_artifact_whole_and_once(
    events: list[Event], result: Result, expected: list[tuple[str, bool, bool]]
) -> None:
    frames, whole = await streamed(*events, result)

    assert marks(shows(frames)) == expected
    seen = [each for each in seen_by_a_reader(frames) if each["parts"] != [{"text": ""}]]
    flat = [
        {
            **each,
            "parts": seen_by_a_reader(
                [(0, {"artifactUpdate": {"append": False, "artifact": each}})]
            )[0]["parts"],
        }
        for each in whole
    ]
    assert sorted(seen, key=str) == sorted(flat, key=str)


async def test_an_artifact_that_grew_is_stored_though_its_result_does_not_name_it() -> None:
    _, whole = await streamed(
        piece(Part(text="old"), append=False),
        piece(Part(text="a"), append=False),
        piece(Part(text="b"), Part(data=None)),
        Result(status="completed", text="see the file"),
    )

    assert whole[1] == {
        "artifactId": "file", "name": "rows", "parts": [{"text": "ab"}, {"data": None}],
    }  # fmt: skip


async def test_a_chunk_that_no_log_keeps_is_shown_at_the_end() -> None:
    long = "x" * 100_000
    frames, whole = await streamed(
        piece(Part(text=long), append=False), Result(status="completed", text="a")
    )

    assert marks(shows(frames)) == [("a", False, True), (long, False, True)]
    assert whole[1]["parts"] == [{"text": long}]


async def test_who_is_told_all_events_gets_artifacts_whole_only() -> None:
    events = [text("a"), text("b"), completed()]

    frames, _ = await streamed(*events, Result(status="completed", text="ab"), headers=EVENTS)

    assert marks(shows(frames)) == [("ab", False, True)]


@pytest.mark.requirement("A2A-11")
async def test_every_reader_is_shown_the_same_chunks_wherever_it_comes_in() -> None:
    events = [text("a"), retry(), text("b"), text("c"), completed()]

    async def script(run: ScriptedRun) -> AsyncIterator[Event | Result]:
        for event in events:
            yield event
        await run.go.wait()
        yield Result(status="completed", text="bcd")

    peer = ScriptedPeer(script)
    async with agent(peer) as served:
        frames = (await served.stream("SendStreamingMessage", message("go"))).frames()
        with anyio.fail_after(10):
            first = [await anext(frames)]
            while len(shows(first)) < 3:
                first.append(await anext(frames))
            task_id = first[0][1]["task"]["id"]
            late = (await served.stream("SubscribeToTask", {"id": task_id})).frames()
            snapshot = (await anext(late))[1]["task"]
            peer.go.set()
            rest = [frame async for frame in late]
            first += [frame async for frame in frames]
            whole = await stored(served, task_id)
            again = []
            for number, _ in first:
                if number is None:
                    continue
                seen = {"last-event-id": str(number)}
                stream = await served.stream("SubscribeToTask", {"id": task_id}, seen)
                again.append((number, await stream.all()))

    assert snapshot["artifacts"][0]["parts"] == [{"text": "bc"}]
    assert marks(shows(rest)) == [("d", True, True)]
    for number, frames_after in again:
        place = next(at for at, (n, _) in enumerate(first) if n == number)
        assert shows(frames_after) == shows(first[place + 1 :])
    assert seen_by_a_reader(first) == whole


def envelope(event: Event, seq: int) -> Envelope:
    return Envelope(
        run_id=TASK, seq=seq, type=event.type, ts="", tenant="t", thread_id="c",
        data=event.data.to_json(),
    )  # fmt: skip


texts = st.text("ab", max_size=2)
parts = st.one_of(
    texts.map(lambda each: Part(text=each)), st.sampled_from([Part(data=1), Part(url="u")])
)
logs = st.lists(
    st.one_of(
        texts.map(text),
        st.just(retry()),
        st.just(completed()),
        st.builds(
            lambda held, append, last: piece(*held, append=append, last=last),
            st.lists(parts, min_size=1, max_size=2),
            st.booleans(),
            st.booleans(),
        ),
    ),
    max_size=6,
)
answers = st.lists(
    st.builds(
        lambda name, held: Artifact(id=name, name="answer" if name == TASK else "rows", parts=held),
        st.sampled_from([TASK, "file"]),
        st.lists(parts, min_size=1, max_size=3).map(tuple),
    ),
    max_size=2,
    unique_by=lambda each: each.id,
)


@pytest.mark.requirement("A2A-10")
@given(logs, answers)
def test_whatever_was_shown_a_reader_has_in_the_end_what_is_stored(
    log: list[Event], artifacts: list[Artifact]
) -> None:
    growing, picture = Growing(TASK), Picture()
    list(picture.show({"task": {"id": TASK, "status": {"state": "TASK_STATE_WORKING"}}}))
    updates: list[JsonObject] = [
        update
        for seq, event in enumerate(log, start=1)
        if (update := growing.take(envelope(event, seq))) is not None
    ]
    updates += growing.rest([to_wire_artifact(each) for each in artifacts])
    for update in updates:
        list(picture.show({"artifactUpdate": {"taskId": TASK, **update}}))

    shown: dict[JsonValue, JsonObject] = {each["artifactId"]: each for each in picture._whole()}
    void = [{"text": ""}]
    for each in artifacts:
        seen, kept = shown.pop(each.id)["parts"], to_wire_artifact(each)["parts"]
        assert isinstance(kept, list)
        assert isinstance(seen, list)
        assert seen == kept or joined(seen) == joined(kept)
    assert all(each["parts"] == void for each in shown.values())
    ends = {}
    for update in updates:
        artifact = update["artifact"]
        assert isinstance(artifact, dict)
        assert artifact["artifactId"] in ends or update["append"] is False
        ends[artifact["artifactId"]] = update["lastChunk"]
    assert all(ends.values())

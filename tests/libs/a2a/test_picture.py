"""What a caller makes of a remote task's updates."""

import pytest

from tests.architecture.test_linear_time import MOST_GROWTH, growth
from weft.a2a.client.picture import Picture
from weft.core import JsonObject, JsonValue, Part

TASK = "f" * 32


@pytest.mark.requirement("EV-13")
def test_what_a_remote_run_tells_of_itself_is_not_adopted() -> None:
    kinds = ["run.started", "agent.think", "interrupt.requested", "thread.deleted", "agent.custom"]
    events: list[JsonValue] = [
        {"run_id": TASK, "seq": seq, "type": kind, "ts": "", "tenant": "t", "thread_id": "c"}
        for seq, kind in enumerate(kinds, start=1)
    ]
    status: JsonObject = {"state": "TASK_STATE_WORKING"}
    update: JsonObject = {"taskId": TASK, "status": status, "metadata": {"events": events}}
    picture = Picture()
    list(picture.show({"task": {"id": TASK, "status": status}}))

    told = list(picture.show({"statusUpdate": update}))

    assert [event.type for event in told] == ["agent.think", "agent.custom"]
    assert [event.origin.seq for event in told if event.origin] == [2, 5]


def grown_by(pieces: str) -> Picture:
    """Return a picture of an artifact that came as one piece of text for each `t`, else of data."""
    picture = Picture()
    list(picture.show({"task": {"id": TASK, "status": {"state": "TASK_STATE_WORKING"}}}))
    for place, piece in enumerate(pieces):
        part: JsonObject = {"text": piece, "filename": f"{place}"} if piece == "t" else {"data": 1}
        shown: JsonObject = {"artifactId": "a", "parts": [part]}
        update: JsonObject = {"taskId": TASK, "artifact": shown, "append": place > 0}
        picture.show({"artifactUpdate": update})
    picture.show({"statusUpdate": {"taskId": TASK, "status": {"state": "TASK_STATE_COMPLETED"}}})
    return picture


@pytest.mark.requirement("A2A-10")
def test_pieces_of_an_artifact_are_joined_where_they_are_texts_side_by_side() -> None:
    result = grown_by("ttddtdttt").result()

    (artifact,) = result.artifacts
    assert artifact.text == "tt\nt\nttt"
    assert [part.data for part in artifact.parts if part.kind == "data"] == [1, 1, 1]


def shown(*statuses: JsonObject, **task: JsonValue) -> Picture:
    """Return a picture of a task, and of the statuses that followed."""
    picture = Picture()
    first: JsonObject = {"id": TASK, "status": {"state": "TASK_STATE_WORKING"}, **task}
    picture.show({"task": first})
    for status in statuses:
        picture.show({"statusUpdate": {"taskId": TASK, "status": status}})
    return picture


def status(state: str, *parts: JsonValue) -> JsonObject:
    bare: JsonObject = {"state": f"TASK_STATE_{state}"}
    return {**bare, "message": {"role": "ROLE_AGENT", "parts": [*parts]}} if parts else bare


@pytest.mark.requirement("A2A-33")
def test_an_answer_without_artifact_is_what_the_agent_said_last_with_all_its_parts() -> None:
    file: JsonObject = {"url": "https://x/a", "filename": "a"}
    turns: list[JsonValue] = [
        {"role": "ROLE_AGENT", "parts": [{"text": "earlier"}]},
        {"role": "ROLE_USER", "parts": [{"text": "mine"}]},
    ]
    on_the_way = status("WORKING", {"text": "on the way"})

    final = shown(on_the_way, status("COMPLETED", {"text": "done"}, file), history=turns)
    past = shown(on_the_way, status("COMPLETED"), history=turns)
    streamed = shown(on_the_way, status("WORKING"), status("COMPLETED"))

    assert final.result().parts == (Part(text="done"), Part(url="https://x/a", filename="a"))
    assert past.result().text == "earlier"
    assert streamed.result().text == "on the way"


@pytest.mark.requirement("A2A-63")
@pytest.mark.parametrize("pieces", ["t", "d", "td"])
def test_an_artifact_that_comes_in_pieces_costs_time_in_proportion(pieces: str) -> None:
    assert growth(lambda each: grown_by(each).result(), pieces) <= MOST_GROWTH

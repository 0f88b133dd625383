"""What a caller makes of a remote task's updates."""

import pytest

from weft.a2a.client.picture import Picture
from weft.core import JsonObject, JsonValue

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

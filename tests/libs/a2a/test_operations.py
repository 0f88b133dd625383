"""The operations as a binding that is no JSON-RPC would use them: a table, and updates of values."""

import json
from collections.abc import AsyncIterator

import pytest

from tests.libs.a2a.harness import ScriptedPeer, ScriptedRun, agent, message
from weft.a2a.server.operations import STREAMS, UNARY, unserved
from weft.a2a.server.streams import TaskStream
from weft.a2a.server.tasks import CallContext
from weft.a2a.server.updates import Update, Updates
from weft.a2a.wire import extensions
from weft.core import LOCAL, Authority, Result
from weft.core.errors import InputError
from weft.events import AnyData, Event
from weft.identity import Caller

CALLER = Caller(Authority(LOCAL))
ALL_EVENTS = frozenset({extensions.EVENTS})


async def tells(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    yield Event(type="agent.custom", data=AnyData.model_validate({"prompt": run.task.prompt}))
    yield Result(status="completed", text="told")


async def test_a_binding_needs_a_name_and_values_and_gets_values() -> None:
    async with agent(ScriptedPeer()) as served:
        tasks, context = served.server.tasks, CallContext(CALLER)
        sent = await UNARY["SendMessage"](tasks, context, message("hello"))
        task = sent["task"]
        assert isinstance(task, dict)
        again = await UNARY["GetTask"](tasks, context, {"id": task["id"]})

    assert again["id"] == task["id"]
    assert json.loads(json.dumps(sent)) == sent


@pytest.mark.parametrize("name", sorted({*UNARY, *STREAMS}))
async def test_no_operation_is_done_for_a_tenant_that_is_not_the_callers(name: str) -> None:
    params = {**message("hello"), "id": "t", "runs": ["r"], "run": "r", "tenant": "another"}
    async with agent(ScriptedPeer()) as served:
        with pytest.raises(InputError, match="tenant is not the caller's"):
            await (UNARY.get(name) or STREAMS[name])(
                served.server.tasks, CallContext(CALLER), params
            )


@pytest.mark.parametrize("active", [frozenset(), ALL_EVENTS], ids=["plain", "all events"])
async def test_an_update_is_a_value_of_json_whatever_is_in_force(active: frozenset[str]) -> None:
    async with agent(ScriptedPeer(tells)) as served:
        tasks, context = served.server.tasks, CallContext(CALLER, active)
        start = await STREAMS["SendStreamingMessage"](tasks, context, message("hello"))
        updates = Updates(tasks, context, start)
        shown = [await updates.first()]
        async for page in tasks.runs.pages(LOCAL, start.run.run_id, after=0):
            shown += await updates.of(page)

    bodies = [update.body for update in shown if update is not None]
    assert json.loads(json.dumps(bodies)) == bodies
    events = [json.loads(text) for update in shown if update for text in update.events]
    kinds = [event["type"] for event in events]
    assert kinds[-2:] == (["agent.custom", "run.completed"] if active else [])
    assert updates.over


async def test_a_binding_says_how_an_update_becomes_bytes() -> None:
    pieces: list[bytes] = []

    def frame(update: Update) -> bytes:
        return b"<%s>" % next(iter(update.body)).encode()

    async def send(piece: dict[str, object]) -> None:
        body = piece.get("body")
        pieces.append(body if isinstance(body, bytes) else b"")

    async def receive() -> dict[str, object]:
        return {"type": "http.disconnect"}

    async with agent(ScriptedPeer(tells)) as served:
        tasks, context = served.server.tasks, CallContext(CALLER)
        start = await STREAMS["SendStreamingMessage"](tasks, context, message("hello"))
        updates = Updates(tasks, context, start)
        stream = TaskStream(updates, await updates.first(), frame)
        await stream.run(receive, send)  # type: ignore[arg-type]

    frames = [line for line in b"".join(pieces).split(b"\n") if line.startswith(b"data: ")]
    assert frames[0] == b"data: <task>"
    assert frames[-1] == b"data: <statusUpdate>"


def test_what_stands_in_no_table_is_refused_by_what_it_is() -> None:
    names = ("ListTasks", "CreateTaskPushNotificationConfig", "Nothing")
    assert [type(unserved(name)).__name__ for name in names] == [
        "UnsupportedOperationError",
        "PushNotSupportedError",
        "UnknownMethodError",
    ]

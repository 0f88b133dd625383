"""How an agent answers calls: one task from send to end, and what must be refused."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import get_args

import orjson

from weft.a2a.checks.exchange import NO_STATUS, Exchange, RawReply
from weft.a2a.checks.model import Check, judged
from weft.a2a.wire.models import ENDED, TaskState
from weft.core import JsonObject, JsonValue, new_id

ABSENT = "no-such-task-anywhere"
UNHEARD = "application/x-nobody-takes-this"


@dataclass(frozen=True, slots=True)
class AgentCalls:
    """AgentCalls of one agent by JSON-RPC."""

    exchange: Exchange
    url: str

    async def call(self, method: str, params: JsonObject, *, version: str = "1.0") -> RawReply:
        body = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return await self.exchange.post(self.url, orjson.dumps(body), version=version)

    async def refusal(self, refused: "Refusal") -> Check:
        """Return whether the agent refuses as it must."""
        reply = await self.call(refused.method, refused.params, version=refused.version)
        return _refused(refused.subject, reply, refused.code)

    async def unreadable(self) -> Check:
        """Return whether what is no JSON is refused as such."""
        reply = await self.exchange.post(self.url, b"{")
        return _refused("no JSON", reply, -32700)


@dataclass(frozen=True, slots=True)
class Refusal:
    """A call that must be refused, and the code of it."""

    subject: str
    method: str
    params: JsonObject
    code: int
    version: str = "1.0"


def message_of(text: str, **more: JsonValue) -> JsonObject:
    """Return the parameters of a send."""
    message: JsonObject = {
        "messageId": new_id(),
        "role": "ROLE_USER",
        "parts": [{"text": text}],
        **more,
    }
    return {"message": message}


async def call_checks(
    calls: AgentCalls, card: JsonObject, text: str
) -> AsyncGenerator[Check, None]:
    """Yield how the agent behaves when it is sent `text`, twice at most with a stream."""
    sent = message_of(text)
    reply = await calls.call("SendMessage", sent)
    result = _result(reply)
    task, message = result.get("task"), result.get("message")
    yield judged(
        "send",
        isinstance(task, dict) or isinstance(message, dict),
        f"SendMessage gives neither a task nor a message but {_shown(reply)}",
    )
    for refused in _refusals(card):
        yield await calls.refusal(refused)
    yield await calls.unreadable()
    if isinstance(task, dict):
        async for check in _task_checks(calls, task, sent):
            yield check
    async for check in _stream_checks(calls, card, text):
        yield check


async def _task_checks(
    calls: AgentCalls, task: JsonObject, sent: JsonObject
) -> AsyncGenerator[Check, None]:
    yield from_task(task)
    task_id = str(task.get("id"))
    read = _result(await calls.call("GetTask", {"id": task_id}))
    yield judged(
        "get", read.get("id") == task_id, "GetTask does not give the task that SendMessage made"
    )
    short = _result(await calls.call("GetTask", {"id": task_id, "historyLength": 0}))
    yield judged("history of none", not short.get("history"), "historyLength 0 leaves history in")
    again = _result(await calls.call("SendMessage", sent)).get("task")
    yield judged(
        "one message, one task",
        isinstance(again, dict) and again.get("id") == task_id,
        "the same messageId sent again made another task: a client that lost an answer cannot repeat",
        verdict="advice",
    )
    if _state(task) in ENDED:
        yield await calls.refusal(
            Refusal("cancel of what ended", "CancelTask", {"id": task_id}, -32002)
        )


def from_task(task: JsonObject) -> Check:
    """Return whether the task has what each has."""
    status = task.get("status")
    stamp = status.get("timestamp") if isinstance(status, dict) else None
    state = _state(task)
    faults = [
        words
        for words, wrong in (
            ("no id", not task.get("id")),
            ("no contextId", not task.get("contextId")),
            (f"state {state!r}", state not in get_args(TaskState)),
            (f"timestamp {stamp!r}", stamp is not None and not _is_time(stamp)),
            (
                "completed with nothing to read",
                state == "TASK_STATE_COMPLETED"
                and not task.get("artifacts")
                and not (isinstance(status, dict) and status.get("message")),
            ),
        )
        if wrong
    ]
    return judged("task", not faults, "; ".join(faults))


async def _stream_checks(
    calls: AgentCalls, card: JsonObject, text: str
) -> AsyncGenerator[Check, None]:
    offered = card.get("capabilities")
    if not (isinstance(offered, dict) and offered.get("streaming") is True):
        yield await calls.refusal(
            Refusal("stream not offered", "SendStreamingMessage", message_of(text), -32004)
        )
        return
    reply = await calls.call("SendStreamingMessage", message_of(text))
    yield judged(
        "stream media type",
        reply.media_type == "text/event-stream",
        f"SendStreamingMessage answers as {reply.media_type or 'nothing'}, not as text/event-stream",
    )
    results = [
        result for event in reply.events() if isinstance(result := event.get("result"), dict)
    ]
    yield judged("stream", not _stream_fault(results), _stream_fault(results))
    if results and isinstance(task := results[0].get("task"), dict):
        yield await calls.refusal(
            Refusal("subscription to what ended", "SubscribeToTask", {"id": task.get("id")}, -32004)
        )


def _stream_fault(results: list[JsonObject]) -> str:
    if not results:
        return "it holds no result"
    if isinstance(results[0].get("message"), dict):
        return "" if len(results) == 1 else "a message is followed by more"
    if not isinstance(results[0].get("task"), dict):
        return "it begins with neither the task nor a message"
    last = results[-1].get("statusUpdate") or results[-1].get("task")
    state = _state(last) if isinstance(last, dict) else ""
    if state not in ENDED and state not in {
        "TASK_STATE_INPUT_REQUIRED",
        "TASK_STATE_AUTH_REQUIRED",
    }:
        return f"it ends with {state or 'no status'}, not with a state that the task rests in"
    return ""


def _refusals(card: JsonObject) -> list[Refusal]:
    offered = card.get("capabilities")
    able: Mapping[str, JsonValue] = offered if isinstance(offered, dict) else {}
    rows = [
        Refusal("absent task", "GetTask", {"id": ABSENT}, -32001),
        Refusal("cancel of an absent task", "CancelTask", {"id": ABSENT}, -32001),
        Refusal("unknown method", "NoSuchMethod", {}, -32601),
        Refusal(
            "message without parts", "SendMessage", {"message": {"messageId": new_id()}}, -32602
        ),
        Refusal("version nobody speaks", "GetTask", {"id": ABSENT}, -32009, version="99.0"),
    ]
    if able.get("pushNotifications") is not True:
        config: JsonObject = {"taskId": ABSENT, "url": "https://example.com/"}
        rows.append(Refusal("push not offered", "CreateTaskPushNotificationConfig", config, -32003))
    modes = card.get("defaultInputModes")
    if isinstance(modes, list) and "*/*" not in modes:
        part: JsonObject = {"raw": "AA==", "mediaType": UNHEARD}
        rows.append(
            Refusal("media type not taken", "SendMessage", message_of("", parts=[part]), -32005)
        )
    return rows


def _refused(subject: str, reply: RawReply, code: int) -> Check:
    error = reply.document().get("error")
    given = error.get("code") if isinstance(error, dict) else None
    return judged(subject, given == code, f"must be refused with {code}; it gives {_shown(reply)}")


def _result(reply: RawReply) -> JsonObject:
    result = reply.document().get("result")
    return result if isinstance(result, dict) else {}


def _shown(reply: RawReply) -> str:
    error = reply.document().get("error")
    if isinstance(error, dict):
        return f"error {error.get('code')}: {str(error.get('message'))[:120]}"
    if reply.status == NO_STATUS:
        return "no answer: the connection was cut"
    return f"HTTP {reply.status}" + ("" if reply.document() else ", no JSON object")


def _state(holder: JsonObject) -> str:
    status = holder.get("status")
    return str(status.get("state")) if isinstance(status, dict) else ""


def _is_time(value: JsonValue) -> bool:
    try:
        return datetime.fromisoformat(str(value)).tzinfo is not None
    except ValueError:
        return False

"""`POST /stream`: a run's events as a few plain frames, for clients that want only the answer."""

from dataclasses import dataclass
from typing import Final

from weft.checkpoint import Run
from weft.core import JsonObject, JsonValue, dumps
from weft.events import Envelope
from weft.server.views import interrupts_of

_END: Final = b"data: [DONE]\n\n"


@dataclass(frozen=True, slots=True)
class AliasFrames:
    """`think`, `token`, `tool_start`, `tool_complete`, then one `done` or `error`, then `[DONE]`."""

    until_interrupt: bool = True

    def event(self, event: Envelope) -> bytes:
        data = event.data
        match event.type:
            case "agent.think":
                frame = _frame(event.seq, {"type": "think", "content": _thought(data)})
            case "agent.model.chunk":
                content = data.get("content")
                frame = _frame(event.seq, {"type": "token", "content": content}) if content else b""
            case "agent.tool.started":
                frame = _frame(event.seq, _tool("tool_start", data, "arguments"))
            case "agent.tool.completed":
                frame = _frame(event.seq, _tool("tool_complete", data, "result", "error"))
            case "run.completed":
                frame = _done(event.seq, data, str(data.get("stop_reason") or "complete"))
            case "run.canceled":
                frame = _done(event.seq, data, "canceled")
            case "run.failed" | "run.expired":
                frame = _error(event)
            case _:
                frame = b""
        return frame

    def replayed(self, through: int) -> bytes:  # noqa: ARG002 - these readers do not ask
        return b""

    def draining(self, resume_after: int) -> bytes:  # noqa: ARG002 - the ids say it
        return b""

    def paused(self, run: Run) -> bytes:
        frames = [
            _frame(run.last_seq, {**interrupt, "type": "interrupt"})
            for interrupt in interrupts_of(run)
            if isinstance(interrupt, dict)
        ]
        return b"".join(frames) + _done(run.last_seq, {}, "interrupted")


def _frame(seq: int, shown: JsonObject) -> bytes:
    return b"id: %d\ndata: %s\n\n" % (seq, dumps(shown))


def _thought(data: JsonObject) -> JsonValue:
    return data.get("reasoning_preview") or ""


def _tool(kind: str, data: JsonObject, *names: str) -> JsonObject:
    shown: JsonObject = {
        "type": kind,
        "tool": data.get("tool_name"),
        "tool_call_id": data.get("tool_call_id"),
    }
    return shown | {name: data.get(name) for name in names}


def _done(seq: int, data: JsonObject, reason: str) -> bytes:
    output = data.get("output")
    message = output.get("text", output.get("preview")) if isinstance(output, dict) else ""
    if isinstance(message, dict):
        # The store left an over-long text out of the event; the run itself has the whole.
        message = message.get("preview")
    return _frame(seq, {"type": "done", "message": message, "reason": reason}) + _END


def _error(event: Envelope) -> bytes:
    error = event.data.get("error")
    said = error.get("message") if isinstance(error, dict) else None
    shown: JsonObject = {
        "type": "error",
        "error": said or "the run's time was over before it ended",
        "correlation_id": event.trace_id or event.run_id,
    }
    return _frame(event.seq, shown) + _END

"""`POST /stream`: a run's events as a few plain frames, for clients that want only the answer."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from weft.checkpoint import Run
from weft.core import JsonObject, JsonValue, dumps
from weft.events import Envelope
from weft.server.views import interrupts_of

_END: Final = b"data: [DONE]\n\n"
TOKEN_LENGTH: Final = 256
"""Characters of a token of the answer."""


@dataclass(slots=True)
class AliasFrames:
    """`think`, `token`, `tool_start`, `tool_complete`, then one `done` or `error`, then `[DONE]`.

    Each says whose it is: the `agent`, and its `path` in the run. Where no agent stands at the root
    of the run, whose tokens are the answer already, the answer comes as tokens of the path [] before
    `done`: those of this path join to it in any case.
    """

    until_interrupt: bool = True
    _live: bool = False
    """An agent at the root wrote tokens on this stream."""

    def event(self, event: Envelope) -> bytes:
        data = event.data
        match event.type:
            case "agent.think":
                frame = _shown(event, {"type": "think", "content": _thought(data)})
            case "agent.model.chunk":
                frame = self._token(event)
            case "agent.tool.started":
                frame = _shown(event, _tool("tool_start", event, "arguments"))
            case "agent.tool.completed":
                frame = _shown(event, _completed(event))
            case "run.completed":
                text, cut = _message(data)
                # An answer that the log cut is whole in the run alone.
                tokens = b"" if self._live or cut else b"".join(_answer_tokens(text))
                frame = tokens + _done(event.seq, data, str(data.get("stop_reason") or "complete"))
            case "run.canceled":
                frame = _done(event.seq, data, "canceled")
            case "run.failed" | "run.expired":
                frame = _error(event)
            case _:
                frame = b""
        return frame

    def _token(self, event: Envelope) -> bytes:
        content = event.data.get("content")
        if not content:
            return b""
        self._live |= not event.path
        return _shown(event, {"type": "token", "content": content})

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


def _shown(event: Envelope, frame: JsonObject) -> bytes:
    """Return a frame with whose it is."""
    return _frame(event.seq, {**frame, "agent": event.agent, "path": [*event.path]})


def _answer_tokens(text: str) -> Iterator[bytes]:
    """Yield the answer in tokens without a number: whoever resumes gets all of them again."""
    for start in range(0, len(text), TOKEN_LENGTH):
        frame = {"type": "token", "content": text[start : start + TOKEN_LENGTH], "agent": None}
        yield b"data: %s\n\n" % dumps({**frame, "path": []})


def _thought(data: JsonObject) -> JsonValue:
    return data.get("reasoning_preview") or ""


def _tool(kind: str, event: Envelope, *names: str) -> JsonObject:
    data = event.data
    # What a model calls its calls is its own: another agent's first is `call_1`, too.
    place = "/".join((*event.path, str(data.get("tool_call_id"))))
    shown: JsonObject = {
        "type": kind,
        "tool": data.get("tool_name"),
        "tool_call_id": data.get("span_id") or place,
    }
    return shown | {name: data.get(name) for name in names}


def _completed(event: Envelope) -> JsonObject:
    shown = _tool("tool_complete", event, "result", "error")
    if shown["result"] is None and shown["error"] is None:
        # A long result is not repeated in the log.
        shown["result"] = event.data.get("output_preview")
        return {**shown, "result_cut": True}
    return {**shown, "result_cut": False}


def _message(data: JsonObject) -> tuple[str, bool]:
    """Return what a run's last event says of its answer, and whether that is its beginning only."""
    output = data.get("output")
    message = output.get("text", output.get("preview")) if isinstance(output, dict) else ""
    if isinstance(message, dict):
        # The store left an over-long text out of the event; the run itself has the whole.
        return str(message.get("preview") or ""), True
    return str(message or ""), isinstance(output, dict) and "text" not in output


def _done(seq: int, data: JsonObject, reason: str) -> bytes:
    message, _ = _message(data)
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

"""Events that nobody has read yet.

They are bounded. From `CROWDED` on, progress of tools is dropped and pieces of a reply are joined to
the last one, so that no text is lost; everything else is kept, up to `FULL`: then its reader has
left without saying so.
"""

from collections import deque
from collections.abc import Callable
from dataclasses import replace
from typing import Generic, TypeVar

from weft.loop.events import Chunk, ModelChunked
from weft.loop.stream import ModelChunkEvent, ToolProgressEvent
from weft.tools.events import ToolProgress

E = TypeVar("E")

CROWDED = 1024
FULL = 16 * CROWDED
LONGEST_PIECE = 64 * 1024
"""Pieces are joined up to this length: to copy a long text for each piece would take for ever."""


class Unread(Generic[E]):
    """Keeps events until they are taken; `overflow` is called when they are too many."""

    def __init__(self, overflow: Callable[[], None]) -> None:
        self._events: deque[E] = deque()
        self._overflow = overflow

    def __len__(self) -> int:
        return len(self._events)

    def take(self) -> E:
        """Return the oldest event."""
        return self._events.popleft()

    def add(self, event: E) -> None:
        if len(self._events) < CROWDED:
            self._events.append(event)
        elif not isinstance(event, ToolProgress | ToolProgressEvent):
            self._crowd(event)

    def _crowd(self, event: E) -> None:
        joined = _joined(self._events[-1], event)
        if joined is not None:
            self._events[-1] = joined
            return
        self._events.append(event)
        if len(self._events) >= FULL:
            self._overflow()


def _joined(last: E, event: E) -> E | None:
    """Return two pieces of one reply as one; None where they are something else."""
    match last, event:
        case ModelChunkEvent(done=False), ModelChunkEvent() if len(last.content) < LONGEST_PIECE:
            content, reasoning = last.content + event.content, last.reasoning + event.reasoning
            return replace(last, content=content, reasoning=reasoning, done=event.done)
        case ModelChunked(data=old), ModelChunked(data=new) if _goes_on(last, event):
            data = Chunk(
                content=old.content + new.content,
                reasoning=old.reasoning + new.reasoning,
                done=new.done,
                has_tool_calls=old.has_tool_calls or new.has_tool_calls,
            )
            return last.model_copy(update={"data": data})
        case _:
            return None


def _goes_on(last: ModelChunked, event: ModelChunked) -> bool:
    same = last.path == event.path and not last.data.done
    return same and len(last.data.content) < LONGEST_PIECE

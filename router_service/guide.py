"""The peer that says what the mesh can do, and what nobody in it can: no model, and nothing to know.

What was wanted and is not done is said by a failure, so that nobody takes the words for the deed.
"""

from collections.abc import AsyncIterator, Generator
from dataclasses import dataclass

from weft.core import JsonValue, Reason, Result
from weft.events import Event
from weft.loop import PeerRun, Task


class Guide:
    """Says what its task brings; routing, which sees the catalogue, found the words."""

    name = "guide"

    def start(self, task: Task) -> PeerRun:
        code = task.arguments.get("code")
        text = str(task.arguments.get("text") or task.prompt)
        return _Saying(text, code if isinstance(code, str) else None)


@dataclass(frozen=True, slots=True)
class _Saying:
    text: str
    code: str | None
    """Why the request fails, if it does."""

    async def __aiter__(self) -> AsyncIterator[Event]:
        nothing: tuple[Event, ...] = ()
        for event in nothing:
            yield event

    def __await__(self) -> Generator[object, None, Result]:
        return self._result().__await__()

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        return {"outcome": "not_started", "reason": reason, "grace_s": grace_s}

    async def _result(self) -> Result:
        if self.code is None:
            return Result(status="completed", text=self.text, generated_by="rules")
        reason = Reason(code=self.code, message=self.text.partition("\n")[0])
        return Result(status="failed", text=self.text, generated_by="rules", reasons=(reason,))

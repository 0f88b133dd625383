"""The two ways to follow an agent's run: as its caller, and as a peer."""

from collections.abc import Generator
from dataclasses import replace

import anyio

from weft.core import JsonValue, Result
from weft.core.errors import RunFailedError
from weft.events import Event
from weft.loop.result import AgentResult
from weft.loop.running import Running
from weft.loop.stream import LoopEvent

FAILURES = frozenset({"error", "grounding_failed", "context_exhausted"})


class AgentRun(Running[LoopEvent, AgentResult]):
    """A run of an agent: its typed events, and its result.

    Awaiting it raises `RunFailedError` where the run failed; iterating never does.
    """

    _seq = 0

    def cancel(self) -> None:
        """Ask for the end, from any thread; the result says `canceled`."""
        self._control.cancel()

    def __await__(self) -> Generator[object, None, AgentResult]:
        return self._checked().__await__()

    async def _checked(self) -> AgentResult:
        result = await self._awaited()
        if result.stop_reason in FAILURES:
            told = result.error.message if result.error else result.stop_explanation
            raise RunFailedError(f"run {result.run_id} failed: {told}", result=result)
        return result

    def _shown(self, event: LoopEvent) -> LoopEvent:
        # Numbered when read, so that what a slow reader lost leaves no gap.
        self._seq += 1
        return replace(event, seq=self._seq)


class TaskRun(Running[Event, Result]):
    """A peer's task: the mesh's events, and a `Result`; a failure is a result too.

    With a journal the events go there, and iterating yields none of them again.
    """

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        """Ask for the end and return what became of the task and of each tool call."""
        self._control.cancel(reason)
        outcome = "not_started"
        if self._started:
            with anyio.move_on_after(grace_s):
                await self._ended.wait()
            outcome = "unknown" if not self._ended.is_set() else "canceled"
        if self._result is not None and self._result.status != "canceled":
            outcome = "done"
        return {"outcome": outcome, **self._control.report}

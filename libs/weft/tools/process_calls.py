"""One call in its process: the job goes in, progress and the last word come out."""

import asyncio
import signal
from dataclasses import dataclass

from pydantic import JsonValue, ValidationError

from weft.core.process_errors import (
    ToolCpuError,
    ToolCrashedError,
    ToolMemoryError,
    ToolProcessError,
    ToolResultTooLargeError,
)
from weft.tools.context import ToolContext
from weft.tools.interrupts import InterruptRaised
from weft.tools.not_done import EffectNotDone
from weft.tools.process_frames import RESULT_BYTES, BodyFailure, Reply, framed, read_frame
from weft.tools.process_job import ProcessLimits
from weft.tools.process_link import Forked, ProcessEnd

_MOST_REPLY = RESULT_BYTES + (1 << 16)
_NEARLY = 0.8
"""Which share of its memory a crashed process had, if the limit is to blame."""
_OUT_OF_MEMORY = frozenset({signal.SIGABRT, signal.SIGSEGV, signal.SIGBUS, signal.SIGKILL})
"""How libraries that cannot go on without memory end, and what the kernel does."""


class UnbegunError(Exception):
    """The process ended before it took the job: another one may have it."""


class BodyError(Exception):
    """What a body raised in its process; the subclass has the name of the original."""


class ProcessTracebackError(Exception):
    """Shows in the log where in its process a body raised."""

    def __str__(self) -> str:
        return f"\n{self.args[0]}"


@dataclass(frozen=True, slots=True)
class ProcessCall:
    """A call of a tool, ready to be sent."""

    tool: str
    content: bytes
    """The pickled job."""
    limits: ProcessLimits

    async def made_in(self, forked: Forked, context: ToolContext) -> JsonValue:
        """Send the job to `forked` and return its result; the caller ends the process.

        Raises:
            UnbegunError: The process ended before it took the job.
            ToolProcessError: It ended before there was a result, or the result is too large.
            InterruptRaised: The body asks somebody.
            BodyError: The body raised.
        """
        reader, writer = await asyncio.open_unix_connection(sock=forked.sock)
        try:
            return await self._told(_Conversation(reader, writer), forked, context)
        finally:
            writer.close()

    async def _told(
        self, conversation: "_Conversation", forked: Forked, context: ToolContext
    ) -> JsonValue:
        await conversation.send(self.content)
        begun: Reply | None = None
        while (reply := await conversation.reply()) is not None:
            if reply.says == "begun":
                begun = reply
            elif reply.step is not None:
                step = reply.step
                context.report_progress(step.progress, step.total, step.message)
            else:
                return self._result(reply)
        ended = await forked.ended
        if begun is None:
            raise UnbegunError
        raise self._reason(ended, begun)

    def _result(self, reply: Reply) -> JsonValue:
        if reply.says == "memory":
            raise ToolMemoryError(self.tool, memory=self.limits.memory)
        if reply.says == "too_large":
            raise ToolResultTooLargeError(self.tool, most=RESULT_BYTES)
        if reply.interrupt is not None:
            raise InterruptRaised(reply.interrupt)
        if reply.failure is not None:
            raise _raised(reply.failure)
        return reply.value

    def _reason(self, ended: ProcessEnd, begun: Reply) -> ToolProcessError:
        """Tell why a process ended in the midst of its call."""
        limits = self.limits
        number = -(ended.code or 0)
        if number == signal.SIGXCPU or ended.cpu_seconds >= limits.cpu_seconds:
            return ToolCpuError(self.tool, cpu_seconds=limits.cpu_seconds)
        grown = ended.resident - begun.resident
        if number in _OUT_OF_MEMORY and grown >= _NEARLY * limits.memory:
            return ToolMemoryError(self.tool, memory=limits.memory)
        if number == signal.SIGKILL:
            return ToolMemoryError(self.tool, memory=limits.memory, killed=True)
        return ToolCrashedError(self.tool, _how(ended), memory=limits.memory)


@dataclass(frozen=True, slots=True)
class _Conversation:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def send(self, content: bytes) -> None:
        """Send one frame; a process that is gone shows when it is read from."""
        try:
            self.writer.write(framed(content))
            await self.writer.drain()
        except ConnectionError:
            return

    async def reply(self) -> Reply | None:
        """Return what comes next; None if nothing will, or nothing that can be read."""
        try:
            frame = await read_frame(self.reader, most=_MOST_REPLY)
            return None if frame is None else Reply.model_validate_json(frame)
        except ValidationError:
            return None


def _raised(failure: BodyFailure) -> BodyError:
    """Make an exception that shows as the original does; its class stays in its process."""
    bases = (BodyError, EffectNotDone) if failure.not_done else (BodyError,)
    error: BodyError = type(failure.kind, bases, {})(failure.text)
    error.__cause__ = ProcessTracebackError(failure.trace)
    return error


def _how(ended: ProcessEnd) -> str:
    if ended.refused:
        return f"could not be made ({ended.refused})"
    if ended.code is None:
        return "was lost"
    if ended.code < 0:
        return f"ended by {signal.Signals(-ended.code).name}"
    return f"ended with exit code {ended.code}"

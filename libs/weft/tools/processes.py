"""Runs each call in a process of its own, which can be killed: a few at a time, the rest in line."""

import asyncio
import os
from collections import deque
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from pydantic import JsonValue

from weft.core.process_errors import ToolCrashedError
from weft.tools.context import ToolContext
from weft.tools.process_calls import ProcessCall, UnbegunError
from weft.tools.process_job import ProcessLimits
from weft.tools.process_link import Forked, ProcessLink
from weft.tools.turns import FairQueue

AT_A_TIME = 2
WAITING = 64
MEMORY = 1 << 30
CPU_SECONDS = 60.0
_TRIES = 3


class Processes:
    """A fork server that has loaded the code of its tools, and a process for each of their calls.

    `at_a_time` calls run, up to `waiting` more stand in line. Inside `async with` it is ready for
    the first call and ends with the block; without, it starts with the first call and ends with
    this process. Tools may share one.
    """

    def __init__(
        self,
        *,
        at_a_time: int = AT_A_TIME,
        waiting: int = WAITING,
        memory: int = MEMORY,
        cpu_seconds: float = CPU_SECONDS,
    ) -> None:
        self.limits = ProcessLimits(memory, cpu_seconds)
        """Of a call, where its tool does not say."""
        self._at_a_time = at_a_time
        self._waiting = waiting
        self._modules: dict[str, None] = {}
        self._homes: dict[asyncio.AbstractEventLoop, _Home] = {}

    def preload(self, *modules: str) -> None:
        """Have `modules` loaded before the first call; a server imports them once."""
        self._modules |= dict.fromkeys(modules)

    async def run(self, call: ProcessCall, context: ToolContext) -> JsonValue:
        """Return what the call's function returns, as JSON, or raise what it raised.

        Cancelling kills the process and whatever it started.

        Raises:
            ToolBusyError: Too many calls wait; no body ran.
            ToolProcessError: The process ended first, by itself or at a limit.
        """
        home = self._home()
        await home.turns.take(f"{context.principal.tenant}\n{context.principal.subject}")
        forked = home.taken()
        try:
            for _ in range(_TRIES - 1):
                try:
                    return await call.made_in(forked, context)
                except UnbegunError:  # a spare that died while nobody looked
                    forked = self._home().taken()
            return await call.made_in(forked, context)
        except UnbegunError as error:
            how = "ended before it began"
            raise ToolCrashedError(call.tool, how, memory=call.limits.memory) from error
        finally:
            forked.link.kill(forked)
            # Not before it is gone: never more than allowed exist.
            forked.ended.add_done_callback(home.one_ended)

    def _home(self) -> "_Home":
        """Return what belongs to this process and event loop."""
        loop = asyncio.get_running_loop()
        home = self._homes.get(loop)
        if home is None or home.link.owner != os.getpid():
            for closed in [home for home in self._homes if home.is_closed()]:
                self._homes.pop(closed).drop()
            home = _Home(ProcessLink(self._modules), FairQueue(self._at_a_time, self._waiting))
            self._homes[loop] = home
        elif home.link.is_lost:
            home.drop()
            home.link = ProcessLink(self._modules)
        return home

    async def aclose(self) -> None:
        """End every process that was started from this event loop."""
        home = self._homes.pop(asyncio.get_running_loop(), None)
        if home is not None:
            home.drop()
            await home.link.gone()

    async def __aenter__(self) -> Self:
        self._home().refill()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()


@dataclass(slots=True)
class _Home:
    link: ProcessLink
    turns: FairQueue
    spares: deque[Forked] = field(default_factory=deque)

    def taken(self) -> Forked:
        """Return a process that waits for its job."""
        while self.spares:
            spare = self.spares.popleft()
            if not spare.ended.done():
                return spare
            spare.sock.close()
        return self.link.fork()

    def refill(self) -> None:
        """Keep one process ready: a fork takes the longer, the more the server has loaded."""
        if not self.spares and not self.link.is_lost:
            self.spares.append(self.link.fork())

    def one_ended(self, _ended: object) -> None:
        self.turns.give()
        self.refill()

    def drop(self) -> None:
        """Let go of the server and what waits in it."""
        self.link.close()
        while self.spares:
            self.spares.popleft().sock.close()

"""Wakes a run when time alone may end it, though a model or a tool is still at work."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

from weft.core.errors import WeftError
from weft.loop.terminate import Moment, Stop, failed, stopped
from weft.termination import Condition, CustomCondition, StopCause, next_wakeup
from weft.tools.threads import in_thread

logger = logging.getLogger(__name__)


class Wakeup:
    """A timer for the next time threshold anywhere in a condition."""

    def __init__(
        self,
        condition: Condition,
        now: Callable[[Moment], Moment],
        on_stop: Callable[[Stop], None],
    ) -> None:
        self._condition = condition
        self._now = now
        self._on_stop = on_stop
        self._moment = Moment()
        self._timer: asyncio.TimerHandle | None = None
        self._asking: asyncio.Future[frozenset[StopCause]] | None = None
        self._in_thread = any(isinstance(leaf, CustomCondition) for leaf in condition.leaves())

    def arm(self, moment: Moment) -> None:
        """Wait for the threshold that follows `moment`, whose counters count until the next."""
        self.disarm()
        self._moment = moment
        self._wait()

    def disarm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._asking is not None:
            self._asking.cancel()
            self._asking = None

    def _wait(self) -> None:
        delay = next_wakeup(self._condition, self._now(self._moment))
        if delay is not None:
            self._timer = asyncio.get_running_loop().call_later(delay, self._ring)

    def _ring(self) -> None:
        now = self._now(self._moment)
        if not self._in_thread:
            self._judge(self._condition.reasons(now))
            return
        # Kept, because the loop alone would let go of it.
        self._asking = asyncio.ensure_future(in_thread(partial(self._condition.reasons, now)))
        self._asking.add_done_callback(self._answered)

    def _answered(self, answer: "asyncio.Future[frozenset[StopCause]]") -> None:
        if self._timer is None or answer.cancelled():
            return
        error = answer.exception()
        if isinstance(error, WeftError):
            self._on_stop(failed(error))
        elif error is None:
            self._judge(answer.result())
        else:
            # The end of the iteration meets it again, and ends the run by it.
            logger.error("agent.wakeup_failed", exc_info=error)

    def _judge(self, causes: frozenset[StopCause]) -> None:
        stop = stopped(self._condition, causes)
        if stop is None:
            self._wait()
        else:
            self._on_stop(stop)

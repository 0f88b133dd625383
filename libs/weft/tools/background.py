"""Lets a body that began an effect go on though its call gave up waiting."""

import logging
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import anyio
from anyio.abc import TaskGroup

from weft.core.contained import contained

__all__ = ["INTERRUPT_GRACE", "Underway"]

logger = logging.getLogger(__name__)

INTERRUPT_GRACE = 10.0
CANCEL_GRACE = 2.0


class Underway:
    """Work that its starter may stop waiting for."""

    def __init__(self) -> None:
        self.ended = anyio.Event()
        self._error: BaseException | None = None
        self._awaited = False
        self._scope = anyio.CancelScope(shield=True)

    async def run(self, work: Callable[[], Awaitable[None]]) -> None:
        try:
            with self._scope, contained():
                await work()
        except Exception as error:  # the group's other work goes on
            self._error = error
            if not self._awaited:
                logger.exception("tool.effect_failed_unattended")
        finally:
            self.ended.set()

    async def result(self) -> None:
        """Wait for the end.

        Raises:
            Exception: Whatever the work raised.
        """
        self._awaited = True
        try:
            await self.ended.wait()
        finally:
            self._awaited = False
        if self._error is not None:
            raise self._error

    def end_by(self, deadline: float) -> None:
        self._scope.deadline = min(self._scope.deadline, deadline)


class EffectHost:
    """Owns a run's effects under way; leaving it waits for them, within limits.

    An ordinary end waits `grace_s`, a cancelled one `cancel_grace_s`; then what still runs is
    cancelled and its effect is unknown.
    """

    def __init__(
        self, *, grace_s: float = INTERRUPT_GRACE, cancel_grace_s: float = CANCEL_GRACE
    ) -> None:
        self._grace_s = grace_s
        self._cancel_grace_s = cancel_grace_s
        self._group: TaskGroup | None = None
        self._underway: set[Underway] = set()

    async def __aenter__(self) -> Self:
        self._group = anyio.create_task_group()
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> bool | None:
        canceled = isinstance(error, anyio.get_cancelled_exc_class())
        grace = self._cancel_grace_s if canceled else self._grace_s
        for call in self._underway:
            call.end_by(anyio.current_time() + grace)
        group, self._group = self._group, None
        if group is None:
            return None
        if canceled:
            return await group.__aexit__(kind, error, traceback)
        # Any other error passes by: inside the group it would leave wrapped in an exception group.
        return await group.__aexit__(None, None, None)

    def start(self, work: Callable[[], Awaitable[None]]) -> Underway:
        """Begin `work`; an end of the caller does not end it.

        Raises:
            RuntimeError: The host is closed.
        """
        if self._group is None:
            raise RuntimeError("an EffectHost starts work only inside its `async with`")
        underway = Underway()
        self._underway.add(underway)
        self._group.start_soon(self._run, underway, work)
        return underway

    async def _run(self, underway: Underway, work: Callable[[], Awaitable[None]]) -> None:
        try:
            await underway.run(work)
        finally:
            self._underway.discard(underway)

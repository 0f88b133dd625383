"""An answer lasts no longer than the authority it is given to."""

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self

import anyio

from weft.core.supervision import report

__all__ = ["AuthorityWatch", "Lease"]

RECHECK_SECONDS = 2.0
"""With the two seconds after which keys are read again, less than the five of a revocation."""

Stands = Callable[[], Awaitable[bool]]
"""Tells whether an authority still counts; what it raises is no word against it."""


class AuthorityWatch:
    """Calls `over`, once, when an authority that is asked after again and again has ended.

    Most answers are over before the first look: they pay for a timer, not for a task.
    """

    def __init__(self, stands: Stands, over: Callable[[], None]) -> None:
        self._stands = stands
        self._over = over
        self._look: asyncio.TimerHandle | None = None
        self._looking: asyncio.Task[None] | None = None

    def __enter__(self) -> Self:
        self._look_later()
        return self

    def __exit__(self, *_: object) -> None:
        if self._look is not None:
            self._look.cancel()
        if self._looking is not None:
            self._looking.cancel()

    def _look_later(self) -> None:
        loop = asyncio.get_running_loop()
        self._look = loop.call_later(RECHECK_SECONDS, self._look_now)

    def _look_now(self) -> None:
        self._looking = asyncio.get_running_loop().create_task(self._recheck())

    async def _recheck(self) -> None:
        try:
            stands = await self._stands()
        except Exception as error:  # noqa: BLE001 - whoever knows cannot be asked now
            report("authority check", error)
            stands = True
        if stands:
            self._look_later()
        else:
            self._over()


class Lease:
    """Cancels what runs in it once the authority has ended, which `lost` then tells."""

    def __init__(self, stands: Stands) -> None:
        self._watch = AuthorityWatch(stands, self._lose)
        self._scope = anyio.CancelScope()
        self.lost = False

    def __enter__(self) -> Self:
        self._scope.__enter__()
        self._watch.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        self._watch.__exit__()
        return bool(self._scope.__exit__(kind, error, trace))

    def _lose(self) -> None:
        self.lost = True
        self._scope.cancel()

"""A store whose methods fail when a test says so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import ParamSpec, TypeVar

import pytest

from weft.core.errors import StoreError

P = ParamSpec("P")
R = TypeVar("R")


class Outage:
    """Makes one method of an object fail, again and again, until `over`."""

    def __init__(
        self, patch: pytest.MonkeyPatch, owner: object, method: str, error: StoreError
    ) -> None:
        self.on = False
        self.failures = 0
        self._error = error
        self._news = asyncio.Event()
        patch.setattr(owner, method, self._wrapped(getattr(owner, method)))

    def _wrapped(self, method: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
        async def call(*args: P.args, **kwargs: P.kwargs) -> R:
            if not self.on:
                return await method(*args, **kwargs)
            self.failures += 1
            self._news.set()
            raise self._error

        return call

    async def failed(self, times: int = 1) -> None:
        """Return once the method failed so often."""
        async with asyncio.timeout(10):
            while self.failures < times:
                self._news.clear()
                await self._news.wait()

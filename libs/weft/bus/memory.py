"""A bus inside one process: for tests, lone agents and the compact mesh."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from itertools import groupby

from weft.bus.base import Bus


class MemoryBus(Bus):
    """Delivers to subscribers of this object; what they do not take in time is dropped."""

    def __init__(self) -> None:
        self._subscriptions: list[_Subscription] = []
        self._turn = 0

    @property
    def connected(self) -> bool:
        return True

    def publish(self, subject: str, payload: bytes) -> None:
        takers = [
            subscription for subscription in self._subscriptions if subscription.takes(subject)
        ]
        for subscription in takers:
            if subscription.queue is None:
                subscription.put(subject, payload)
        grouped = sorted(
            (subscription for subscription in takers if subscription.queue),
            key=lambda subscription: subscription.queue or "",
        )
        for _, members in groupby(grouped, key=lambda subscription: subscription.queue):
            choice = list(members)
            self._turn += 1
            choice[self._turn % len(choice)].put(subject, payload)

    @asynccontextmanager
    async def subscribe(
        self, subject: str, *, queue: str | None = None, places: int = 1024
    ) -> AsyncIterator[AsyncGenerator[tuple[str, bytes], None]]:
        subscription = _Subscription(subject, queue, places)
        self._subscriptions.append(subscription)
        messages = subscription.messages()
        try:
            yield messages
        finally:
            self._subscriptions.remove(subscription)
            await messages.aclose()

    async def flush(self) -> None:
        """Nothing waits here."""

    async def aclose(self) -> None:
        self._subscriptions.clear()


class _Subscription:
    def __init__(self, subject: str, queue: str | None, places: int) -> None:
        self._tokens = subject.split(".")
        self.queue = queue
        self._waiting: asyncio.Queue[tuple[str, bytes]] = asyncio.Queue(places)

    def takes(self, subject: str) -> bool:
        """Tell whether `subject` is meant; `*` stands for one token that is not empty."""
        tokens = subject.split(".")
        if len(tokens) != len(self._tokens):
            return False
        return all(
            token == ours or (bool(token) and ours == "*")
            for ours, token in zip(self._tokens, tokens, strict=True)
        )

    def put(self, subject: str, payload: bytes) -> None:
        if not self._waiting.full():
            self._waiting.put_nowait((subject, payload))

    async def messages(self) -> AsyncGenerator[tuple[str, bytes], None]:
        while True:
            yield await self._waiting.get()

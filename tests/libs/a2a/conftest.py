from collections.abc import AsyncIterator

import pytest

from tests.libs.a2a.harness import Served, agent


@pytest.fixture
async def served() -> AsyncIterator[Served]:
    """An agent that says what it hears, for callers on this machine."""
    async with agent() as running:
        yield running

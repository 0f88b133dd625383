"""PostgreSQL, on a real server, against the contract that every database keeps."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from weft.checkpoint import Checkpointer, postgres_checkpointer
from weft.testing import CheckpointerContract, DurabilityContract, ScriptedFaults


@pytest.mark.timeout(120)
class TestPostgres(CheckpointerContract):
    @pytest.fixture
    async def checkpointer(
        self, postgres_url: str, faults: ScriptedFaults
    ) -> AsyncIterator[Checkpointer]:
        async with aclosing(postgres_checkpointer(postgres_url, faults=faults)) as opened:
            yield opened


@pytest.mark.timeout(120)
class TestPostgresAmongProcesses(DurabilityContract):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url

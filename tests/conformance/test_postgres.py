"""PostgreSQL, on a real server, against the contract that every database keeps."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest

from weft.checkpoint import Checkpointer, postgres_checkpointer
from weft.checkpoint.postgres import database
from weft.testing import CheckpointerContract, DurabilityContract, ScriptedFaults


@pytest.mark.timeout(120)
class TestPostgres(CheckpointerContract):
    @pytest.fixture
    async def checkpointer(
        self, postgres_url: str, faults: ScriptedFaults, monkeypatch: pytest.MonkeyPatch
    ) -> AsyncIterator[Checkpointer]:
        # The contract asks for hundreds of things at once, on whatever machine tests run on.
        monkeypatch.setattr(database, "OPERATION_SECONDS", 60.0)
        async with aclosing(postgres_checkpointer(postgres_url, faults=faults)) as opened:
            yield opened


@pytest.mark.timeout(120)
class TestPostgresAmongProcesses(DurabilityContract):
    @pytest.fixture
    def url(self, postgres_url: str) -> str:
        return postgres_url

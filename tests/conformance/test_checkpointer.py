"""Each database against the contract that all of them keep."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import pytest

from weft.checkpoint import Checkpointer, memory_checkpointer, sqlite_checkpointer
from weft.testing import CheckpointerContract, DurabilityContract, ScriptedFaults


class TestMemory(CheckpointerContract):
    @pytest.fixture
    async def checkpointer(self, faults: ScriptedFaults) -> AsyncIterator[Checkpointer]:
        async with aclosing(memory_checkpointer(faults=faults)) as opened:
            yield opened


class TestSqlite(CheckpointerContract):
    @pytest.fixture
    async def checkpointer(
        self, tmp_path: Path, faults: ScriptedFaults
    ) -> AsyncIterator[Checkpointer]:
        async with aclosing(sqlite_checkpointer(tmp_path / "db", faults=faults)) as opened:
            yield opened


class TestSqliteAmongProcesses(DurabilityContract):
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:{tmp_path / 'db'}"

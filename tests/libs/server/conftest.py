"""A house for every test; a module that depends on the store takes `STORES`."""

from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import httpx
import pytest

from tests.libs.server.door import House, opened
from weft.checkpoint import Checkpointer, get_checkpointer
from weft.server.admission import ApiOptions


@pytest.fixture
async def checkpointer(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Checkpointer]:
    url = str(getattr(request, "param", "memory:"))
    async with aclosing(get_checkpointer(url.format(tmp_path / "db"))) as store:
        yield store


@pytest.fixture
async def house(checkpointer: Checkpointer) -> AsyncIterator[House]:
    async with opened(checkpointer, options=ApiOptions(agents=lambda: ["logs", "metrics"])) as made:
        yield made


@pytest.fixture
async def ana(house: House) -> httpx.AsyncClient:
    return await house.client("ana")

"""What PostgreSQL adds to the contract: addresses, servers that are away, transactions that meet."""

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from functools import partial

import anyio
import pytest

from tests.libs.checkpoint.raw import Raw, execute, select
from tests.postgres import PostgresServer
from weft.checkpoint import get_checkpointer, postgres_checkpointer
from weft.checkpoint.postgres import database
from weft.checkpoint.postgres.address import address_of
from weft.checkpoint.postgres.database import PostgresDatabase
from weft.checkpoint.script import Script
from weft.checkpoint.store import DatabaseCheckpointer
from weft.core.errors import (
    ConfigError,
    ForkedStoreError,
    LayoutError,
    StoreFullError,
    StoreUnavailableError,
)
from weft.local.ports import free_port
from weft.testing.store_values import ALICE, ending, new_run, running

RAISE = "DO $$ BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{code}'; END $$"


@pytest.fixture
async def them(postgres_url: str) -> AsyncIterator[DatabaseCheckpointer]:
    async with aclosing(postgres_checkpointer(postgres_url)) as opened:
        yield opened


@pytest.fixture
def own_server() -> Iterator[PostgresServer]:
    """A server that nobody else uses, so that it can be killed."""
    server = PostgresServer.made(free_port())
    try:
        server.start()
        yield server
    finally:
        server.stop()


@pytest.mark.requirement("RS-19", "CKPT-4", "CKPT-12")
@pytest.mark.timeout(120)
async def test_a_killed_server_is_unavailable_and_has_all_it_acknowledged_once_it_is_back(
    own_server: PostgresServer,
) -> None:
    async with aclosing(postgres_checkpointer(own_server.url)) as them:
        kept = [await running(them) for _ in range(5)]
        await them.runs.finish(kept[0], ending())

        await asyncio.to_thread(own_server.kill)
        with pytest.raises(StoreUnavailableError):
            await running(them)

        await asyncio.to_thread(own_server.start)
        statuses = [(await them.runs.read(ALICE, held.run_id)).status for held in kept]
        assert statuses == ["completed", *["running"] * 4]
        assert (await running(them)).epoch == 1


@pytest.mark.requirement("CKPT-12")
async def test_a_server_that_is_not_there_is_named_without_its_password() -> None:
    url = f"postgresql://weft:geheim@127.0.0.1:{free_port()}/mesh"
    async with aclosing(get_checkpointer(url)) as them:
        with anyio.fail_after(10), pytest.raises(StoreUnavailableError) as caught:
            await them.ping()

    assert "mesh at 127.0.0.1" in str(caught.value)
    assert "geheim" not in str(caught.value)
    assert "geheim" not in repr(address_of(url))


@pytest.mark.requirement("CKPT-12")
async def test_a_server_that_says_nothing_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://a@127.0.0.1:{silent.getsockname()[1]}/b"
        async with aclosing(postgres_checkpointer(url)) as them:
            with anyio.fail_after(10), pytest.raises(StoreUnavailableError):
                await them.ping()


async def test_a_statement_that_hangs_is_given_up(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "OPERATION_SECONDS", 1.0)
    async with aclosing(postgres_checkpointer(postgres_url)) as them:
        await them.ping()
        with anyio.fail_after(10), pytest.raises(StoreUnavailableError, match="more than 1 s"):
            await select(them, "SELECT pg_sleep(60)")
        assert (await running(them)).epoch == 1


@pytest.mark.requirement("RS-22", "CKPT-14")
async def test_a_newer_layout_is_refused(postgres_url: str) -> None:
    async with aclosing(postgres_checkpointer(postgres_url)) as them:
        await running(them)
        await execute(them, "UPDATE layout SET number = number + 1")

    async with aclosing(postgres_checkpointer(postgres_url)) as newer:
        with pytest.raises(LayoutError):
            await newer.ping()


@pytest.mark.requirement("CKPT-14")
async def test_a_layout_is_made_once_however_many_open_it_at_once(postgres_url: str) -> None:
    stores = [postgres_checkpointer(postgres_url) for _ in range(4)]
    helds = await asyncio.gather(*[running(store) for store in stores])
    for store in stores:
        for held in helds:
            assert (await store.runs.read(ALICE, held.run_id)).status == "running"
        await store.aclose()


async def test_schemas_of_one_database_share_nothing(postgres_url: str) -> None:
    async with (
        aclosing(postgres_checkpointer(postgres_url)) as one,
        aclosing(postgres_checkpointer(postgres_url + "_too")) as other,
    ):
        held = await running(one, new_run(key="k"))
        assert await other.runs.find(ALICE, "run", "k") is None
        assert (await one.runs.read(ALICE, held.run_id)).status == "running"


def failing(plays: list[int], code: str, *, times: int) -> Callable[[], Script[str]]:
    """Return a script whose first plays end as the server ends one of two that met."""

    def script() -> Script[str]:
        plays.append(len(plays))
        if len(plays) <= times:
            yield from Raw(RAISE.format(code=code))
        yield from Raw("SELECT 1")
        return "kept"

    return script


@pytest.mark.parametrize("code", ["40001", "40P01", "23505"])
async def test_a_transaction_that_another_one_stood_in_the_way_of_is_played_again(
    them: DatabaseCheckpointer, code: str
) -> None:
    plays: list[int] = []
    assert await them._database.write(failing(plays, code, times=3)) == "kept"
    assert len(plays) == 4


async def test_one_that_never_comes_through_is_given_up(
    them: DatabaseCheckpointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "MOST_PLAYS", 3)
    plays: list[int] = []
    with pytest.raises(StoreUnavailableError, match="3 times"):
        await them._database.write(failing(plays, "40001", times=99))
    assert len(plays) == 3
    assert (await running(them)).epoch == 1


@pytest.mark.requirement("CKPT-12")
async def test_a_full_disk_is_told_apart(them: DatabaseCheckpointer) -> None:
    with pytest.raises(StoreFullError):
        await them._database.write(failing([], "53100", times=1))


async def test_connections_are_few_however_much_waits(them: DatabaseCheckpointer) -> None:
    helds = await asyncio.gather(*[running(them) for _ in range(60)])
    assert len({held.run_id for held in helds}) == 60
    assert isinstance(them._database, PostgresDatabase)
    pool = them._database._pool
    assert pool is not None
    assert 1 <= pool.get_size() <= database.CONNECTIONS


async def test_a_caller_that_goes_away_breaks_nothing_off(them: DatabaseCheckpointer) -> None:
    await them.ping()
    new = new_run()
    call = asyncio.ensure_future(them.runs.accept(new, on_busy="reject"))
    await anyio.lowlevel.checkpoint()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    again = await them.runs.accept(new, on_busy="reject")
    assert again.run.run_id == new.run_id


async def test_closing_finishes_what_was_submitted(postgres_url: str) -> None:
    them = postgres_checkpointer(postgres_url)
    news = [new_run() for _ in range(20)]
    calls = [asyncio.ensure_future(them.runs.accept(new, on_busy="reject")) for new in news]
    await anyio.lowlevel.checkpoint()
    await them.aclose()
    assert len(await asyncio.gather(*calls)) == 20


async def test_it_is_as_durable_as_the_server(them: DatabaseCheckpointer) -> None:
    promises = [them.runs.durability]
    await them.ping()
    promises.append(them.runs.durability)
    assert promises == ["weak", "strong"]


async def test_a_forked_child_is_told_that_the_database_is_its_parents(
    them: DatabaseCheckpointer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await them.ping()
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", partial(int, -1))
        with pytest.raises(ForkedStoreError):
            await them.ping()
    await them.ping()


@pytest.mark.parametrize(
    ("url", "dsn", "schema", "shown"),
    [
        ("postgresql://u@h:1/mesh", "postgresql://u@h:1/mesh", "weft", "mesh at h"),
        ("postgres://h/m?schema=one", "postgresql://h/m", "one", "m at h"),
        (
            "postgresql:///m?host=/run&schema=s_1&sslmode=require",
            "postgresql:///m?host=%2Frun&sslmode=require",
            "s_1",
            "m at /run",
        ),
    ],
)
def test_an_address_names_server_database_and_schema(
    url: str, dsn: str, schema: str, shown: str
) -> None:
    address = address_of(url)
    assert (address.dsn, address.schema, address.shown) == (dsn, schema, shown)


@pytest.mark.parametrize(
    "url", ["postgresql://host", "postgresql://host/m?schema=a-b", "postgresql://host/m?schema="]
)
def test_an_address_without_a_database_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        get_checkpointer(url)


def test_a_missing_driver_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("weft.checkpoint.postgres")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "asyncpg", None)
    with pytest.raises(ConfigError, match=r"weft-mesh\[postgres\]"):
        get_checkpointer("postgresql://host/mesh")

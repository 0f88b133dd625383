"""Discovery over a real NATS server: who starts is known, who dies is forgotten, and only those."""

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from stat import S_IMODE

import anyio
import pytest

from tests.conftest import NatsServer
from tests.libs.catalog.mesh import Living, entry, sealed
from weft.bus.nats import nats_bus
from weft.catalog import Catalog, Entry, announcing
from weft.catalog import nats_kv as module
from weft.catalog.announcing import nats_announcer
from weft.catalog.listing import SilencePatience
from weft.catalog.memory import MemoryCatalog
from weft.catalog.nats_kv import STREAM, NatsCatalog, nats_catalog

QUICK = SilencePatience(silent=1.0, away=0.6, look=0.1)
LOGS, CODE = entry("logs", port=1), entry("code", port=2)


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what takes 15 s in life take one."""
    monkeypatch.setattr(announcing, "TTL_SECONDS", 1)
    monkeypatch.setattr(announcing, "PUT_SECONDS", 0.3)
    monkeypatch.setattr(module, "READ_SECONDS", 0.1)
    monkeypatch.setattr(module, "STALE_SECONDS", 0.75)


@pytest.fixture
def living() -> Living:
    made = Living()
    made.live(LOGS, CODE)
    return made


@asynccontextmanager
async def router(
    server: NatsServer, living: Living, file: Path | None = None
) -> AsyncIterator[NatsCatalog]:
    async with (
        nats_bus(server.url, name="router") as bus,
        nats_catalog(bus, living, patience=QUICK, file=file) as catalog,
    ):
        yield catalog


@asynccontextmanager
async def announced(server: NatsServer, *entries: Entry) -> AsyncIterator[None]:
    async with (
        nats_bus(server.url, name="other") as bus,
        nats_announcer(bus) as announcer,
    ):
        for each in entries:
            await announcer.publish(each, lambda each=each: sealed(each))  # type: ignore[misc]
        yield
        for each in entries:
            await announcer.withdraw(each)


def names(catalog: Catalog) -> list[str]:
    return sorted(each.service for each in catalog.snapshot().entries)


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(15):
        while True:
            if holds():
                return
            await anyio.sleep(0.01)


async def until_services(catalog: Catalog, *wanted: str) -> None:
    await until(lambda: names(catalog) == sorted(wanted))


async def watched(catalog: Catalog, seconds: float) -> set[tuple[str, ...]]:
    """Return every list that was seen within the time."""
    seen = set()
    with anyio.move_on_after(seconds):
        while True:
            seen.add(tuple(names(catalog)))
            await anyio.sleep(0.01)
    return seen


async def test_memory_catalogue_counts_revisions() -> None:
    catalog = MemoryCatalog()

    await catalog.publish(LOGS)
    before = catalog.snapshot()
    await catalog.withdraw(LOGS)

    assert [each.service for each in before.entries] == ["logs"]
    assert catalog.snapshot().entries == ()
    assert catalog.snapshot().revision > before.revision


async def test_an_entry_published_later_reaches_everybody_and_its_withdrawal_too(
    nats_server: NatsServer, living: Living
) -> None:
    async with router(nats_server, living) as catalog:
        assert catalog.snapshot().entries == ()
        async with announced(nats_server, LOGS):
            await until_services(catalog, "logs")
            assert not catalog.snapshot().stale
            living.die(LOGS)

        # Leaving withdraws.
        await until_services(catalog)
        assert catalog.snapshot().withdrawn == {"logs"}
        assert not catalog.snapshot().hanging


async def test_an_announcement_that_comes_before_the_bucket_is_made_again_soon(
    nats_server: NatsServer, living: Living
) -> None:
    async with announced(nats_server, LOGS), router(nats_server, living) as catalog:
        await until_services(catalog, "logs")


async def test_who_is_there_before_the_bucket_is_ready_only_once_it_stands_in_it(
    nats_server: NatsServer, living: Living, caplog: pytest.LogCaptureFixture
) -> None:
    found: list[bytes | None] = []

    async def announce() -> None:
        async with announced(nats_server, LOGS), nats_bus(nats_server.url, name="third") as bus:
            kept = await (await bus.jetstream()).key_value(announcing.BUCKET)
            found.append((await kept.get(LOGS.key)).value)

    with anyio.fail_after(15):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(announce)
            await until(lambda: "catalog_put_failed" in caplog.text)
            async with router(nats_server, living):
                await until(lambda: bool(found))

    assert found == [sealed(LOGS)]


async def test_a_process_that_died_is_forgotten_and_a_silent_one_is_not(
    nats_server: NatsServer, living: Living
) -> None:
    async with router(nats_server, living) as catalog, announced(nats_server, CODE):
        async with nats_bus(nats_server.url, name="logs") as bus:
            # Nobody puts it again.
            await announcing.Announcer(bus).publish(LOGS, lambda: sealed(LOGS))
            await until_services(catalog, "code", "logs")
        assert await watched(catalog, 2) == {("code", "logs")}
        living.die(LOGS)
        await until_services(catalog, "code")


async def test_a_frozen_server_empties_no_list(nats_server: NatsServer, living: Living) -> None:
    async with router(nats_server, living) as catalog, announced(nats_server, LOGS, CODE):
        await until_services(catalog, "code", "logs")
        assert nats_server.process is not None
        os.kill(nats_server.process.pid, signal.SIGSTOP)
        try:
            assert await watched(catalog, 2) == {("code", "logs")}
            assert catalog.snapshot().stale
            living.die(LOGS)
            await until_services(catalog, "code")
            living.live(LOGS)
        finally:
            os.kill(nats_server.process.pid, signal.SIGCONT)
        await until_services(catalog, "code", "logs")


@pytest.mark.parametrize("also", [False, True])
async def test_a_killed_server_empties_no_list_before_nor_after(
    nats_server: NatsServer, living: Living, *, also: bool
) -> None:
    """`also`: a peer dies while the bus is away, and only that one is forgotten."""
    async with router(nats_server, living) as catalog, announced(nats_server, LOGS, CODE):
        await until_services(catalog, "code", "logs")
        nats_server.kill()
        assert await watched(catalog, 2) == {("code", "logs")}
        assert catalog.snapshot().stale
        if also:
            living.die(LOGS)
            await until_services(catalog, "code")
        nats_server.start()
        expected = ("code",) if also else ("code", "logs")
        assert await watched(catalog, 2) == {expected}


@pytest.mark.parametrize("how", ["purged", "deleted"])
async def test_a_bucket_that_somebody_empties_or_deletes_empties_no_list(
    nats_server: NatsServer, living: Living, how: str
) -> None:
    async with router(nats_server, living) as catalog, announced(nats_server, LOGS, CODE):
        await until_services(catalog, "code", "logs")
        async with nats_bus(nats_server.url, name="somebody") as bus:
            js = await bus.jetstream()
            if how == "purged":
                await js.purge_stream(STREAM)
            else:
                await js.delete_stream(STREAM)

        assert await watched(catalog, 2) == {("code", "logs")}
        if how == "deleted":
            # Made again by who reads it, and heard of again.
            await until(lambda: not catalog.snapshot().stale)


async def test_a_start_without_the_bus_begins_with_the_last_good_list(
    nats_server: NatsServer, living: Living, tmp_path: Path
) -> None:
    file = tmp_path / "catalog" / "router.json"
    async with router(nats_server, living, file) as catalog, announced(nats_server, LOGS, CODE):
        await until_services(catalog, "code", "logs")
        await until(file.exists)
    assert S_IMODE(file.stat().st_mode) == 0o600
    nats_server.kill()
    living.die(CODE)

    async with (
        nats_bus(nats_server.url, name="router", patience=0.1) as bus,
        nats_catalog(bus, living, patience=QUICK, file=file, wait=0.1) as catalog,
    ):
        await until_services(catalog, "logs")
        assert catalog.snapshot().stale


@pytest.mark.parametrize("text", ["", "{", '[{"service": 1}]', "[[[["])
async def test_a_last_good_list_that_is_none_is_left_aside(
    nats_server: NatsServer, living: Living, tmp_path: Path, text: str
) -> None:
    file = tmp_path / "router.json"
    file.write_text(text)

    async with router(nats_server, living, file) as catalog:
        assert names(catalog) == []


async def test_a_bucket_of_an_earlier_release_is_made_anew(
    nats_server: NatsServer, living: Living
) -> None:
    async with nats_bus(nats_server.url, name="old") as bus:
        js = await bus.jetstream()
        await js.add_stream(
            name=STREAM, subjects=["$KV.weft_agents.>"], allow_rollup_hdrs=True, allow_msg_ttl=True,
            max_msgs_per_subject=1, allow_direct=True,
        )  # fmt: skip
        async with router(nats_server, living) as catalog, announced(nats_server, LOGS):
            await until_services(catalog, "logs")
        found = await js.stream_info(STREAM)

    assert not found.config.allow_rollup_hdrs


async def test_leaving_ends_the_watch_even_when_a_cancellation_gets_lost(
    nats_server: NatsServer, living: Living
) -> None:
    async with nats_bus(nats_server.url, name="router") as bus:
        catalog = NatsCatalog(bus, living)

        with anyio.fail_after(8):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(catalog.watch)
                assert await catalog.wait_listed(seconds=5)
                # Nobody cancels the watch: as if `wait_for` had swallowed it.
                catalog.leave()


def test_a_key_is_made_of_the_entrys_own_names() -> None:
    assert LOGS.key != entry("logs", "b").key != entry("code", "b").key

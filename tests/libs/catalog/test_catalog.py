"""Discovery over a real NATS server: who starts is known, who dies is forgotten."""

import anyio
import pytest

from tests.conftest import NatsServer
from weft.bus.nats import nats_bus
from weft.catalog import Catalog, Entry
from weft.catalog import nats_kv as module
from weft.catalog.memory import MemoryCatalog
from weft.catalog.nats_kv import nats_catalog


def entry(service: str, instance: str = "a") -> Entry:
    return Entry(service=service, instance=instance, url="http://127.0.0.1:1", card="{}")


async def until_services(catalog: Catalog, *names: str) -> None:
    with anyio.fail_after(8):
        while [each.service for each in catalog.snapshot().entries] != sorted(names):
            await anyio.lowlevel.checkpoint()


async def test_memory_catalogue_counts_revisions() -> None:
    catalog = MemoryCatalog()

    await catalog.publish(entry("logs"))
    before = catalog.snapshot()
    await catalog.withdraw(entry("logs"))

    assert [each.service for each in before.entries] == ["logs"]
    assert catalog.snapshot().entries == ()
    assert catalog.snapshot().revision > before.revision


async def test_an_entry_published_later_reaches_everybody_without_a_restart(
    nats_server: NatsServer,
) -> None:
    async with (
        nats_bus(nats_server.url, name="router") as bus,
        nats_catalog(bus) as router,
        nats_bus(nats_server.url, name="logs") as other_bus,
    ):
        assert router.snapshot().entries == ()
        async with nats_catalog(other_bus) as logs:
            await logs.publish(entry("logs"))
            await until_services(router, "logs")

        # Leaving withdraws.
        await until_services(router)


async def test_an_entry_whose_process_died_expires(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TTL_SECONDS", 1)
    monkeypatch.setattr(module, "READ_SECONDS", 0.1)
    async with (
        nats_bus(nats_server.url, name="router") as bus,
        nats_catalog(bus) as router,
        nats_bus(nats_server.url, name="logs") as other_bus,
    ):
        dying = module.NatsCatalog(other_bus)
        await dying.publish(entry("logs"))
        await until_services(router, "logs")

        # Nobody puts it again.
        await until_services(router)


async def test_while_nats_is_away_the_last_good_list_stays_and_says_so(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TTL_SECONDS", 1)
    monkeypatch.setattr(module, "READ_SECONDS", 0.1)
    async with (
        nats_bus(nats_server.url, name="router") as bus,
        nats_catalog(bus) as catalog,
    ):
        await catalog.publish(entry("logs"))
        await until_services(catalog, "logs")

        nats_server.kill()

        with anyio.fail_after(8):
            while not catalog.snapshot().stale:
                await anyio.lowlevel.checkpoint()
        assert [each.service for each in catalog.snapshot().entries] == ["logs"]


async def test_leaving_ends_the_watch_even_when_a_cancellation_gets_lost(
    nats_server: NatsServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "READ_SECONDS", 0.1)
    async with nats_bus(nats_server.url, name="router") as bus:
        catalog = module.NatsCatalog(bus)

        with anyio.fail_after(8):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(catalog.watch)
                assert await catalog.wait_listed(seconds=5)
                # Nobody cancels the watch: as if `wait_for` had swallowed it.
                catalog.leave()

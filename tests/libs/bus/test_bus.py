"""One contract for every bus, and what only the NATS one can show."""

from collections.abc import AsyncIterator, Callable

import anyio
import pytest

from tests.conftest import NatsServer
from weft.bus import Bus, MemoryBus
from weft.bus.nats import nats_bus
from weft.bus.subjects import all_runs, run, work
from weft.core import new_run_id
from weft.local.ports import free_port


class BusContract:
    @pytest.fixture
    def bus(self) -> Bus:
        raise NotImplementedError

    async def test_every_subscriber_hears_what_is_published(self, bus: Bus) -> None:
        subject = run("acme", new_run_id())

        async with bus.subscribe(all_runs()) as first, bus.subscribe(subject) as second:
            await bus.flush()
            bus.publish(subject, b"hello")

            with anyio.fail_after(5):
                assert await anext(first) == (subject, b"hello")
                assert await anext(second) == (subject, b"hello")

    async def test_of_a_queue_one_subscriber_hears(self, bus: Bus) -> None:
        async with (
            bus.subscribe(work("router"), queue="workers") as first,
            bus.subscribe(work("router"), queue="workers") as second,
        ):
            await bus.flush()
            for number in range(20):
                bus.publish(work("router"), str(number).encode())
            heard: list[bytes] = []
            with anyio.fail_after(5):
                async with anyio.create_task_group() as tasks:

                    async def take(source: AsyncIterator[tuple[str, bytes]]) -> None:
                        async for _, payload in source:
                            heard.append(payload)
                            if len(heard) == 20:
                                tasks.cancel_scope.cancel()

                    tasks.start_soon(take, first)
                    tasks.start_soon(take, second)

        assert sorted(heard, key=int) == [str(number).encode() for number in range(20)]

    async def test_a_subscriber_that_does_not_read_delays_nobody(self, bus: Bus) -> None:
        async with bus.subscribe(work("a"), places=2) as slow, bus.subscribe(work("a")) as quick:
            await bus.flush()
            for number in range(10):
                bus.publish(work("a"), str(number).encode())

            with anyio.fail_after(5):
                heard = [await anext(quick) for _ in range(10)]
                kept = [await anext(slow) for _ in range(2)]

        assert [payload for _, payload in heard] == [str(n).encode() for n in range(10)]
        assert [payload for _, payload in kept] == [b"0", b"1"]


class TestMemoryBus(BusContract):
    @pytest.fixture
    def bus(self) -> Bus:
        return MemoryBus()


class TestNatsBus(BusContract):
    @pytest.fixture
    async def bus(self, nats_server: NatsServer) -> AsyncIterator[Bus]:
        async with nats_bus(nats_server.url, name="test") as opened:
            yield opened


@pytest.mark.parametrize(
    ("subject", "published", "heard"),
    [
        ("a.*.c", "a.b.c", True),
        ("a.*.c", "a..c", False),
        ("a.*", "a.b.c", False),
        ("a.b", "a.b", True),
        ("a.b", "axb", False),
    ],
)
async def test_in_memory_a_star_stands_for_one_token(
    subject: str, published: str, *, heard: bool
) -> None:
    bus = MemoryBus()
    async with bus.subscribe(subject) as messages, bus.subscribe("end") as end:
        bus.publish(published, b"")
        bus.publish("end", b"")
        await anext(end)

        with anyio.move_on_after(0 if not heard else 5):
            assert await anext(messages) == (published, b"")
            assert heard


async def until(holds: Callable[[], bool]) -> None:
    with anyio.fail_after(10):
        while not holds():
            await anyio.lowlevel.checkpoint()


async def test_a_bus_whose_server_dies_reconnects_and_carries_on(nats_server: NatsServer) -> None:
    async with (
        nats_bus(nats_server.url, name="test") as bus,
        bus.subscribe(work("a")) as heard,
    ):
        nats_server.kill()
        bus.publish(work("a"), b"lost without harm")
        await until(lambda: not bus.connected)
        nats_server.start()
        await until(lambda: bus.connected)
        with anyio.fail_after(5):
            await bus.flush()
            bus.publish(work("a"), b"back")
            payload = b""
            while payload != b"back":
                _, payload = await anext(heard)


async def test_an_absent_server_stops_nobody(unused_url: str) -> None:
    with anyio.fail_after(5):
        async with nats_bus(unused_url, name="test", patience=0.1) as bus:
            bus.publish(work("a"), b"into the void")
            async with bus.subscribe(work("a")):
                assert not bus.connected


@pytest.fixture
def unused_url() -> str:
    return f"nats://127.0.0.1:{free_port()}"


@pytest.mark.requirement("EV-31")
@pytest.mark.parametrize("bad", ["*", ">", "a.b", "", "g" * 32, "a" * 65, "abc 0123456789abcdef"])
def test_a_subject_is_made_of_hex_only(bad: str) -> None:
    with pytest.raises(ValueError, match="hex"):
        run("acme", bad)  # type: ignore[arg-type]


async def test_a_server_that_is_not_there_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    url = f"nats://127.0.0.1:{free_port()}"
    tries: list[str] = []

    async with nats_bus(url, name="alone", patience=0.6) as bus:
        # By then it has tried more than once.
        tries = [record.getMessage() for record in caplog.records if record.name == "weft.bus.nats"]
        assert not bus.connected

    assert tries == ["bus_not_connected"]
    [said] = [record for record in caplog.records if record.getMessage() == "bus_not_connected"]
    assert vars(said)["bus"] == url
    assert vars(said)["reason"] == "ConnectionRefusedError"
    assert "bus_disconnected" not in caplog.text

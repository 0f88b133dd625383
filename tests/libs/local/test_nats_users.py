"""Who may do what on the bus of one machine, asked of the real server."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from stat import S_IMODE

import nats.errors
import pytest
from nats.aio.client import Client
from nats.js.errors import Error as JetStreamError

from tests.conftest import NatsServer
from tests.e2e.bus import agents_key, connected
from weft.a2a.client import MeshVouch
from weft.bus import subjects
from weft.bus.credentials import FOLDER, read_user
from weft.bus.nats import nats_bus
from weft.catalog import Entry
from weft.catalog.announcing import nats_announcer
from weft.catalog.nats_kv import STREAM, nats_catalog
from weft.core import new_run_id
from weft.core.errors import ConfigError
from weft.local.nats_users import make_users
from weft.local.ports import free_port

SERVICES = ("log_analyst", "code_analyst")
RUN = new_run_id()


class Guarded(NatsServer):
    """A server with the users that `weft up` makes."""

    def config(self) -> str:
        users = make_users(self.directory, SERVICES, url="nats://127.0.0.1:1")
        return super().config() + users


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Guarded]:
    made = Guarded(tmp_path / "home", free_port())
    made.directory.mkdir()
    try:
        made.start()
        yield made
    finally:
        made.kill()


async def _refused(client: Client, refusals: list[str]) -> bool:
    # The first ping may overtake what was written before it; nothing overtakes the second.
    await client.flush()
    await client.flush()
    return any("permissions violation" in each.lower() for each in refusals)


async def refused_to_publish(home: Path, user: str, subject: str) -> bool:
    refusals: list[str] = []
    async with connected(home, user, refusals) as client:
        await client.publish(subject, b"x")
        return await _refused(client, refusals)


async def refused_to_subscribe(home: Path, user: str, subject: str) -> bool:
    refusals: list[str] = []
    async with connected(home, user, refusals) as client:
        await client.subscribe(subject)
        return await _refused(client, refusals)


@pytest.mark.requirement("EV-34")
@pytest.mark.parametrize("password", [None, "a tenant's own key"])
async def test_a_stranger_gets_no_connection(server: Guarded, password: str | None) -> None:
    if password:
        (server.directory / FOLDER / "stranger.json").write_text(
            json.dumps({"name": "router", "password": password})
        )
    with pytest.raises((nats.errors.Error, OSError)):
        async with connected(server.directory, "stranger"):
            raise AssertionError("it was let in")


@pytest.mark.requirement("EV-34")
@pytest.mark.parametrize("user", ["log_analyst", "specialist"])
async def test_a_specialist_hears_and_writes_what_is_its_own_and_nothing_else(
    server: Guarded, user: str
) -> None:
    home = server.directory
    own = "log_analyst" if user == "log_analyst" else "greeter"
    other = "code_analyst"
    heard = [
        ">", "weft.>", "weft.run.>", "weft.run.*.*", subjects.run("t", RUN), "$KV.>", "_INBOX.>",
        "$KV.weft_agents.>", "$JS.>", subjects.work("router"), subjects.work(other),
        subjects.all_cancels("router"), subjects.all_tasks(other),
    ]  # fmt: skip
    written = [
        subjects.run("t", RUN), subjects.work("router"), subjects.cancel("router", RUN),
        subjects.task(other, RUN), subjects.work(other), agents_key(other, "1"),
        agents_key("router", "1"), f"$JS.API.STREAM.PURGE.{STREAM}",
        f"$JS.API.STREAM.DELETE.{STREAM}", "$JS.API.INFO", "anything",
        f"$JS.API.CONSUMER.CREATE.{STREAM}.x",
    ]  # fmt: skip

    assert [each for each in heard if not await refused_to_subscribe(home, user, each)] == []
    assert [each for each in written if not await refused_to_publish(home, user, each)] == []
    for each in (subjects.work(own), subjects.cancel(own, RUN), subjects.task(own, RUN)):
        assert not await refused_to_publish(home, user, each), each
        assert not await refused_to_subscribe(home, user, each), each
    assert not await refused_to_publish(home, user, agents_key(own, "1"))


@pytest.mark.requirement("EV-34")
async def test_the_front_tells_of_runs_and_neither_hears_the_specialists(server: Guarded) -> None:
    home = server.directory
    for user in ("router", "gateway"):
        assert not await refused_to_publish(home, user, subjects.run("t", RUN))
        for each in (">", subjects.work("code_analyst"), "$KV.weft_agents.>"):
            assert await refused_to_subscribe(home, user, each), (user, each)
        assert await refused_to_publish(home, user, agents_key("code_analyst", "1"))
    assert await refused_to_subscribe(home, "router", subjects.all_runs())
    assert not await refused_to_subscribe(home, "gateway", subjects.all_runs())
    assert await refused_to_publish(home, "gateway", agents_key("router", "1"))


class Believing(MeshVouch):
    """Takes every instance at its word: here the bus is tested."""

    def __init__(self) -> None:
        """It asks nobody."""

    async def read(self, sealed: bytes) -> Entry | None:
        return Entry.model_validate_json(sealed)

    async def prove(self, entry: Entry) -> Entry | None:
        return entry


@pytest.mark.parametrize("user", ["log_analyst", "specialist"])
async def test_with_these_rights_a_specialist_is_found_and_empties_nothing(
    server: Guarded, user: str
) -> None:
    home = server.directory
    service = "log_analyst" if user == "log_analyst" else "greeter"
    entry = Entry(service=service, instance="1", url="http://x", card="{}")
    other = Entry(service="code_analyst", instance="1", url="http://y", card="{}")
    router, analyst, own = [
        await asyncio.to_thread(read_user, home, name)
        for name in ("router", "code_analyst", service)
    ]
    async with (
        nats_bus(server.url, name="router", user=router) as bus,
        nats_catalog(bus, Believing()) as catalog,
        nats_bus(server.url, name="code", user=analyst) as code_bus,
        nats_bus(server.url, name=service, user=own) as own_bus,
        nats_announcer(code_bus) as code,
        nats_announcer(own_bus) as announcer,
        asyncio.timeout(10),
    ):
        await code.publish(other, lambda: other.model_dump_json().encode())
        await announcer.publish(entry, lambda: entry.model_dump_json().encode())
        while True:
            if len(catalog.snapshot().entries) == 2:
                break
            await asyncio.sleep(0.01)

        js = await own_bus.jetstream()
        with pytest.raises(JetStreamError):
            await js.publish(
                agents_key(service, "1"), b"", headers={"Nats-Rollup": "all"}, timeout=2
            )
        found = await (await bus.jetstream()).stream_info(STREAM)
        assert found.state.messages == 2


def test_credentials_are_new_each_time_and_for_their_owner_alone(tmp_path: Path) -> None:
    first = make_users(tmp_path, SERVICES, url="nats://127.0.0.1:1")
    second = make_users(tmp_path, SERVICES[:1], url="nats://127.0.0.1:1")

    files = sorted((tmp_path / FOLDER).iterdir())
    assert [each.stem for each in files] == ["gateway", "log_analyst", "router", "specialist"]
    assert {S_IMODE(each.stat().st_mode) for each in files} == {0o600}
    passwords = [json.loads(each.read_text())["password"] for each in files]
    assert len(set(passwords)) == len(passwords)
    assert all(each in second and each not in first for each in passwords)


def test_a_newcomer_gets_the_credential_for_newcomers(tmp_path: Path) -> None:
    assert read_user(tmp_path, "greeter") is None
    make_users(tmp_path, SERVICES, url="nats://127.0.0.1:1")

    found = [read_user(tmp_path, name) for name in ("log_analyst", "greeter")]
    assert [each.name if each else None for each in found] == ["log_analyst", "specialist"]
    assert {each.url if each else None for each in found} == {"nats://127.0.0.1:1"}


def test_a_credential_that_others_can_read_or_that_is_none_is_a_clear_error(
    tmp_path: Path,
) -> None:
    make_users(tmp_path, SERVICES, url="nats://127.0.0.1:1")
    path = tmp_path / FOLDER / "log_analyst.json"
    path.chmod(0o644)
    with pytest.raises(ConfigError, match="chmod 600"):
        read_user(tmp_path, "log_analyst")

    path.chmod(0o600)
    path.write_text("[]")
    with pytest.raises(ConfigError, match="weft up"):
        read_user(tmp_path, "log_analyst")

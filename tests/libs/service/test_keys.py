"""API keys: shown once, kept as hashes, revoked for everybody at once."""

import logging
from dataclasses import dataclass
from pathlib import Path

import anyio
import pytest

from tests.libs.core.test_private_files import ODD, put_in_its_place
from weft.core.errors import ConfigError, UnauthenticatedError
from weft.service.keys import REREAD_SECONDS, KeyFile, NewKey, new_key


@dataclass
class Hands:
    """A clock that a test moves."""

    at: float = 1000.0

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
async def keys(tmp_path: Path, clock: Hands) -> KeyFile:
    return KeyFile(tmp_path / "home" / "keys.json", clock)


async def write(keys: KeyFile, *made: NewKey) -> None:
    for each in made:
        await anyio.to_thread.run_sync(keys.add, each.record)


@pytest.mark.requirement("AUTH-1")
async def test_a_key_is_shown_once_and_kept_as_a_hash(
    keys: KeyFile, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    made = new_key("laptop", tenant="acme", subject="ana", scopes={"runs:read"})
    await write(keys, made)

    principal = await keys.authenticate(made.text)

    assert (principal.tenant, principal.subject) == ("acme", "ana")
    assert principal.scopes == frozenset({"runs:read"})
    secret = made.text[-43:]
    text = await anyio.Path(keys.path).read_text()
    assert secret not in text + repr(made) + repr(keys.__dict__) + caplog.text
    assert (await anyio.Path(keys.path).stat()).st_mode & 0o777 == 0o600


@pytest.mark.requirement("AUTH-1", "SEC-8")
async def test_a_key_compares_whole(keys: KeyFile) -> None:
    made, other = new_key("one"), new_key("two")
    await write(keys, made, other)
    stem, secret = made.text[:-44], made.text[-43:]
    wrong = [
        made.text + "A", made.text[:-1], f"{stem}_{secret[::-1]}", secret, "",
        f"{stem}_{other.text[-43:]}", made.text.upper(), "wft__", made.text + "\n",
    ]  # fmt: skip

    for credential in wrong:
        with pytest.raises(UnauthenticatedError):
            await keys.authenticate(credential)

    assert (await keys.authenticate(made.text)).subject == made.record.subject


async def test_each_key_has_its_own_subject_unless_told_otherwise() -> None:
    made = new_key("one")

    assert made.record.subject != new_key("one").record.subject
    assert made.record.subject not in made.text
    assert new_key("two", subject="ana").record.subject == "ana"


@pytest.mark.requirement("AUTH-2", "SEC-9")
async def test_a_revoked_or_expired_key_is_refused_by_every_replica_in_time(
    keys: KeyFile, clock: Hands
) -> None:
    revoked, expiring = new_key("one"), new_key("two")
    soon = expiring.record.model_copy(update={"expires_at": clock.at + 3})
    await write(keys, revoked, NewKey(expiring.text, soon))
    replicas = [keys, KeyFile(keys.path, clock)]
    for replica in replicas:
        for made in (revoked, expiring):
            await replica.authenticate(made.text)

    await anyio.to_thread.run_sync(
        keys.revoke, lambda record: record.key_id == revoked.record.key_id
    )
    clock.at += 4.9

    for replica in replicas:
        for made in (revoked, expiring):
            with pytest.raises(UnauthenticatedError):
                await replica.authenticate(made.text)


async def test_a_file_that_breaks_later_leaves_the_last_good_keys(
    keys: KeyFile, clock: Hands
) -> None:
    made = new_key("one")
    await write(keys, made)
    await keys.authenticate(made.text)
    await anyio.Path(keys.path).write_text("{")
    clock.at += REREAD_SECONDS

    assert (await keys.authenticate(made.text)).subject == made.record.subject
    with pytest.raises(ConfigError):
        await anyio.to_thread.run_sync(KeyFile(keys.path).read)


async def test_without_a_file_nobody_has_a_key(keys: KeyFile) -> None:
    with pytest.raises(UnauthenticatedError):
        await keys.authenticate(new_key("one").text)


@ODD
async def test_what_is_put_in_the_place_of_the_key_file_stops_nobody(
    keys: KeyFile, clock: Hands, what: str
) -> None:
    made = new_key("ana")
    await write(keys, made)
    await keys.authenticate(made.text)
    keys.path.unlink()
    put_in_its_place(keys.path, what)

    for _ in range(2):
        clock.at += REREAD_SECONDS
        with anyio.fail_after(5):
            assert await keys.authenticate(made.text) == made.record.principal()

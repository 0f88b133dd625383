import asyncio
import json
import logging
from pathlib import Path

import pytest

from tests.libs.core.test_private_files import ODD, put_in_its_place
from weft.core import SystemClock
from weft.core.errors import ConfigError
from weft.identity import SigningKey, Trust, open_key, publish
from weft.identity.keys import LOOK_SECONDS


def test_a_key_file_is_made_once_for_its_owner_only(tmp_path: Path) -> None:
    first = open_key(tmp_path / "metrics.key", "metrics")

    again = open_key(tmp_path / "metrics.key", "metrics")

    assert again.public() == first.public()
    assert (tmp_path / "metrics.key").stat().st_mode & 0o777 == 0o600


def test_a_key_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    open_key(tmp_path / "k", "metrics")
    (tmp_path / "k").chmod(0o640)

    with pytest.raises(ConfigError, match="chmod 600"):
        open_key(tmp_path / "k", "metrics")


def test_a_file_that_is_no_key_is_refused(tmp_path: Path) -> None:
    (tmp_path / "k").write_bytes(b"short")
    (tmp_path / "k").chmod(0o600)

    with pytest.raises(ConfigError, match="holds no key"):
        open_key(tmp_path / "k", "metrics")


def test_no_repr_and_no_log_line_shows_key_material(caplog: pytest.LogCaptureFixture) -> None:
    key = SigningKey.generate("metrics")
    logging.getLogger("weft").warning("key %r %r", key, key.trusted())

    assert "Private" not in caplog.text
    assert "PublicKey" not in caplog.text
    assert key.kid in caplog.text


async def test_a_new_key_is_found_at_once_by_all_who_ask(tmp_path: Path) -> None:
    trust = Trust(directory=tmp_path)
    key = SigningKey.generate("metrics")
    assert await trust.find(key.kid) is None

    await asyncio.to_thread(publish, key, tmp_path)
    found = await asyncio.gather(*(trust.find(key.kid) for _ in range(16)))

    assert [each.service for each in found if each is not None] == ["metrics"] * 16


async def test_an_unchanged_directory_is_not_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trust = Trust(directory=tmp_path)
    reads: list[Path] = []

    def read(directory: Path) -> dict[str, object]:
        reads.append(directory)
        return {}

    monkeypatch.setattr("weft.identity.keys._read_all", read)

    for _ in range(100):
        assert await trust.find("0" * 16) is None

    assert reads == [tmp_path]


async def test_a_rotated_key_overlaps_with_its_predecessor(tmp_path: Path) -> None:
    old, new = SigningKey.generate("metrics"), SigningKey.generate("metrics")
    await asyncio.to_thread(publish, new, tmp_path)
    (tmp_path / "metrics.old.json").write_text(json.dumps(old.public().to_json()))
    trust = Trust(directory=tmp_path)

    found = [await trust.find(old.kid), await trust.find(new.kid)]

    assert [key.kid for key in found if key] == [old.kid, new.kid]


async def test_a_broken_file_does_not_hide_the_others(tmp_path: Path) -> None:
    key = SigningKey.generate("metrics")
    await asyncio.to_thread(publish, key, tmp_path)
    (tmp_path / "a.json").write_text("{")
    (tmp_path / "b.json").write_text('{"kid": "x", "service": "y", "public": "zz"}')

    assert await Trust(directory=tmp_path).find(key.kid) is not None


@ODD
async def test_what_is_no_file_hides_no_key(tmp_path: Path, what: str) -> None:
    key = SigningKey.generate("metrics")
    await asyncio.to_thread(publish, key, tmp_path)
    put_in_its_place(tmp_path / "another.json", what)

    assert await Trust(directory=tmp_path).find(key.kid) is not None


class ByHand(SystemClock):
    """A clock whose durations a test sets."""

    at = 0.0

    def monotonic(self) -> float:
        return self.at


async def test_a_key_taken_out_of_the_directory_stops_within_seconds(tmp_path: Path) -> None:
    kept, taken = SigningKey.generate("metrics"), SigningKey.generate("evil")
    for key in (kept, taken):
        await asyncio.to_thread(publish, key, tmp_path)
    clock = ByHand()
    trust = Trust(directory=tmp_path, clock=clock)
    assert await trust.find(taken.kid) is not None

    (tmp_path / "evil.json").unlink()
    clock.at = LOOK_SECONDS + 0.1

    assert await trust.find(taken.kid) is None
    assert await trust.find(kept.kid) is not None


async def test_with_the_directory_every_key_of_it_is_gone(tmp_path: Path) -> None:
    key, pinned = SigningKey.generate("metrics"), SigningKey.generate("router")
    await asyncio.to_thread(publish, key, tmp_path / "trust")
    clock = ByHand()
    trust = Trust((pinned.trusted(),), directory=tmp_path / "trust", clock=clock)
    assert await trust.find(key.kid) is not None

    (tmp_path / "trust").rename(tmp_path / "elsewhere")
    clock.at = LOOK_SECONDS + 0.1

    assert await trust.find(key.kid) is None
    assert await trust.find(pinned.kid) is not None


async def test_a_directory_that_cannot_be_read_for_a_moment_costs_no_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = SigningKey.generate("metrics")
    await asyncio.to_thread(publish, key, tmp_path)
    clock = ByHand()
    trust = Trust(directory=tmp_path, clock=clock)
    assert await trust.find(key.kid) is not None

    def refuse(*_: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as broken:
        broken.setattr("weft.identity.keys._read_changed", refuse)
        clock.at = LOOK_SECONDS + 0.1
        found = await trust.find(key.kid)

    assert found is not None

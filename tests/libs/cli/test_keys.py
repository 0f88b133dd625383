"""`weft keys` and what the command line refuses before anything happens."""

import asyncio
import multiprocessing
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from weft.cli.main import app
from weft.core import RUN_SCOPES, Allowance
from weft.core.errors import ConfigError, UnauthenticatedError
from weft.service.keys import KeyFile, new_key


def weft(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), *arguments])


def test_a_created_key_is_printed_once_and_works(tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    made = weft(tmp_path / "home", "keys", "create", "for ana", "--subject", "ana")

    file = KeyFile(tmp_path / "home" / "keys.json")
    principal = asyncio.run(file.authenticate(made.stdout.strip()))
    assert made.exit_code == 0
    assert (principal.subject, principal.scopes) == ("ana", RUN_SCOPES)
    assert file.path.stat().st_mode & 0o077 == 0
    assert made.stdout.strip() not in file.path.read_text()
    assert made.stdout.strip() not in weft(tmp_path / "home", "keys", "ls").stdout


def test_keys_have_a_subject_each_and_only_the_scopes_asked_for(tmp_path: Path) -> None:
    one = weft(tmp_path, "keys", "create", "one", "--scope", "runs:read", "--scope", "agents:x")
    two = weft(tmp_path, "keys", "create", "two")

    file = KeyFile(tmp_path / "keys.json")
    first = asyncio.run(file.authenticate(one.stdout.strip()))
    second = asyncio.run(file.authenticate(two.stdout.strip()))
    assert first.scopes == {"runs:read", "agents:x"}
    assert not second.may("approve")
    assert not second.may("admin")
    assert first.subject != second.subject


def test_a_revoked_key_is_nobodys_and_the_others_stay(tmp_path: Path) -> None:
    gone = weft(tmp_path, "keys", "create", "gone").stdout.strip()
    kept = weft(tmp_path, "keys", "create", "kept").stdout.strip()

    revoked = weft(tmp_path, "keys", "revoke", gone.split("_")[1])

    file = KeyFile(tmp_path / "keys.json")
    listed = weft(tmp_path, "keys", "ls").stdout
    assert revoked.exit_code == 0
    assert (asyncio.run(file.authenticate(kept))).tenant == "local"
    with pytest.raises(UnauthenticatedError):
        asyncio.run(file.authenticate(gone))
    assert kept.split("_")[1] in listed
    states = {line.split()[0]: line.split()[1] for line in listed.splitlines()}
    assert states == {gone.split("_")[1]: "revoked", kept.split("_")[1]: "valid"}


def test_a_key_that_was_revoked_stays_so(tmp_path: Path) -> None:
    gone = weft(tmp_path, "keys", "create", "gone").stdout.strip()
    weft(tmp_path, "keys", "revoke", gone.split("_")[1])
    when = KeyFile(tmp_path / "keys.json").records()[0].revoked_at

    weft(tmp_path, "keys", "create", "other")
    again = weft(tmp_path, "keys", "revoke", gone.split("_")[1])

    assert again.exit_code == 0
    assert KeyFile(tmp_path / "keys.json").records()[0].revoked_at == when


def _ten_keys(home: Path, name: str) -> None:
    file = KeyFile(home / "keys.json")
    for number in range(10):
        file.add(new_key(f"{name}{number}").record)
        first = file.records()[0].key_id
        file.revoke(lambda record, first=first: record.key_id == first)  # type: ignore[misc]  # bound here


@pytest.mark.timeout(120)
def test_keys_made_at_once_by_four_processes_are_all_there(tmp_path: Path) -> None:
    spawning = multiprocessing.get_context("spawn")
    making = [spawning.Process(target=_ten_keys, args=(tmp_path, name)) for name in "abcd"]
    for each in making:
        each.start()
    for each in making:
        each.join(100)

    records = KeyFile(tmp_path / "keys.json").records()
    assert len({record.name for record in records}) == 40
    assert [bool(record.revoked_at) for record in records] == [True] + [False] * 39
    assert sorted(each.name for each in tmp_path.iterdir()) == [".keys.json.lock", "keys.json"]


@pytest.mark.parametrize("content", ["", "{", "[]]"])
def test_a_key_file_that_broke_says_what_to_do_and_stays(tmp_path: Path, content: str) -> None:
    (tmp_path / "keys.json").write_text(content)

    for arguments in (["create", "x"], ["ls"], ["revoke", "0" * 16]):
        refused = weft(tmp_path, "keys", *arguments)

        assert isinstance(refused.exception, ConfigError)
        assert "weft keys create" in str(refused.exception)
    assert (tmp_path / "keys.json").read_text() == content


def test_an_unknown_key_cannot_be_revoked(tmp_path: Path) -> None:
    refused = weft(tmp_path, "keys", "revoke", "0" * 16)

    assert refused.exit_code == 2
    assert "weft keys ls" in refused.stderr


def test_an_unknown_scope_is_named_beside_the_known_ones(tmp_path: Path) -> None:
    refused = weft(tmp_path, "keys", "create", "x", "--scope", "runs:raed")

    assert refused.exit_code == 2
    assert "runs:raed" in refused.stderr
    assert "runs:read" in refused.stderr
    assert not (tmp_path / "keys.json").exists()


@pytest.mark.parametrize(
    "arguments", [["up", "--port", "70000"], ["ask"], ["up", "--ask"], ["nonsense"]]
)
def test_wrong_usage_exits_with_2(tmp_path: Path, arguments: list[str]) -> None:
    assert weft(tmp_path, *arguments).exit_code == 2


@pytest.mark.parametrize(
    ("option", "url", "words"),
    [
        ("--loki", "here", "--loki takes an address such as http://127.0.0.1:3100"),
        ("--prometheus", "http://ana:secret@p:9090", "set WEFT_PROMETHEUS in the environment"),
    ],
)
def test_a_live_system_needs_an_address_and_no_password_on_the_command_line(
    tmp_path: Path, option: str, url: str, words: str
) -> None:
    refused = weft(tmp_path, "up", option, url)

    assert refused.exit_code == 2
    assert words in refused.stderr
    assert "secret" not in refused.output


def test_asking_and_tailing_without_a_mesh_exit_with_5(tmp_path: Path) -> None:
    for arguments in (["ask", "why?"], ["runs", "tail", "0" * 32]):
        refused = weft(tmp_path, *arguments)

        assert refused.exit_code == 5
        assert "weft up" in refused.stderr


@pytest.mark.requirement("GW-36")
def test_a_key_has_the_limits_it_was_given(tmp_path: Path) -> None:
    few = weft(tmp_path, "keys", "create", "few", "--limit", "per_s=5", "--limit", "queued=1")
    free = weft(tmp_path, "keys", "create", "free", "--limit", "none")
    plain = weft(tmp_path, "keys", "create", "plain")

    file = KeyFile(tmp_path / "keys.json")
    limits = [
        asyncio.run(file.authenticate(made.stdout.strip())).limits for made in (few, free, plain)
    ]
    assert limits == [Allowance(per_s=5, queued=1), "none", None]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fast"], "say none, or some of per_s=N"),
        (["speed=9"], "say none, or some of per_s=N"),
        (["per_s=quick"], "per_s: Input should be a valid number"),
        (["per_s=0"], "per_s: Input should be greater than 0"),
        (["per_s=inf"], "per_s: Input should be a finite number"),
        (["none", "queued=1"], "none stands alone"),
    ],
)
def test_a_limit_that_is_none_makes_no_key(tmp_path: Path, words: list[str], said: str) -> None:
    options = [part for word in words for part in ("--limit", word)]

    made = weft(tmp_path, "keys", "create", "few", *options)

    assert (made.exit_code, made.stdout) == (2, "")
    assert said in made.stderr
    assert not (tmp_path / "keys.json").exists()


@pytest.mark.parametrize("arguments", [["create", "x"], ["ls"], ["revoke", "0" * 16]])
def test_a_mistyped_home_gets_no_keys(tmp_path: Path, arguments: list[str]) -> None:
    refused = weft(tmp_path / "mistyped", "keys", *arguments)

    assert refused.exit_code == 2
    assert "there is no mesh in" in refused.stderr
    assert not (tmp_path / "mistyped").exists()

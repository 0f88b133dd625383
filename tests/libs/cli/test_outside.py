"""`weft agents add` and `rm`: what is written down, and what is said of what cannot be."""

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from tests.libs.a2a.outsiders import V1, Outsider, outsider
from weft.catalog.outside import read_outside
from weft.cli.main import app

HERE = ("--network", "127.0.0.0/8")


@contextmanager
def standing() -> Iterator[Outsider]:
    """Yield an agent of others that serves in a thread: the command has a loop of its own."""
    ready, stop = threading.Event(), asyncio.Event()
    agents: list[tuple[Outsider, asyncio.AbstractEventLoop]] = []

    async def keep() -> None:
        async with outsider(V1) as agent:
            agents.append((agent, asyncio.get_running_loop()))
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: asyncio.run(keep()), daemon=True)
    thread.start()
    assert ready.wait(10)
    agent, loop = agents[0]
    try:
        yield agent
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


@pytest.fixture(scope="module")
def agent() -> Iterator[Outsider]:
    with standing() as standing_agent:
        yield standing_agent


@pytest.fixture
def home(tmp_path: Path) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    return path


def weft(home: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["--home", str(home), "agents", *arguments])


def test_an_agent_is_added_with_its_card_and_terms_and_taken_out_again(
    agent: Outsider, home: Path
) -> None:
    terms = ("--domain", "travel", "--default", "--credential", "env:DESK_KEY", "--reads")
    added = weft(home, "add", agent.url, *HERE, *terms)
    again = weft(home, "add", agent.url, *HERE, "--tenant", "acme")
    file = home / "outside_agents.json"
    (record,) = read_outside(file.read_text())
    first_mode = file.stat().st_mode & 0o777
    gone = weft(home, "rm", "travel-desk")

    assert (added.exit_code, again.exit_code, gone.exit_code) == (0, 0, 0), added.output
    assert "travel-desk was added: Answers questions about journeys." in added.stdout
    assert "JSONRPC 1.0" in added.stdout
    assert "the variable DESK_KEY in the router's environment" in added.stdout
    assert "local (their default)" in added.stdout
    assert "was added again" in again.stdout
    assert (record.name, record.tenants, record.risk) == ("travel-desk", ("acme",), "medium")
    assert record.card == agent.card()
    assert first_mode == 0o600
    assert json.loads(file.read_text()) == {}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("add", "{url}"), "--network"),
        (("add", "ftp://desk.example", *HERE), "https://"),
        (("add", "http://127.0.0.1:1/", *HERE), "no card can be fetched"),
        (("add", "{url}nothing/", *HERE), "there is no card at"),
        (("add", "{url}", *HERE, "--name", "Router!"), "a small letter"),
        (("add", "{url}", *HERE, "--name", "router"), "no part of the mesh"),
        (("add", "{url}", *HERE, "--risk", "none"), "risk:"),
        (("add", "{url}", *HERE, "--credential", "s3cret"), "env:NAME"),
        (("add", "{url}", *HERE, "--credential", "env:X", "--header", "a b"), "letters, digits"),
        (("add", "{url}", "--network", "all"), "--network takes"),
        (("rm", "nobody"), "there is no agent 'nobody' outside (none was added)"),
    ],
)
def test_what_cannot_be_added_is_said_with_what_to_do(
    arguments: tuple[str, ...], words: str, agent: Outsider, home: Path
) -> None:
    outcome = weft(home, *(each.format(url=agent.url) for each in arguments))

    assert outcome.exit_code in (1, 2)
    assert words in outcome.stderr
    assert not (home / "outside_agents.json").exists()
    assert outcome.stdout == ""


def test_a_home_that_is_none_and_a_file_that_is_broken_are_told(
    agent: Outsider, home: Path
) -> None:
    nowhere = weft(home / "other", "add", agent.url, *HERE)
    (home / "outside_agents.json").write_text('{"agents": [{"nam": "x"}]}')
    broken = weft(home, "add", agent.url, *HERE)

    assert (nowhere.exit_code, "weft up" in nowhere.stderr) == (2, True)
    assert (broken.exit_code, "mend it, or remove it" in broken.stderr) == (2, True)


def test_two_defaults_of_one_tenant_exclude_each_other(agent: Outsider, home: Path) -> None:
    weft(home, "add", agent.url, *HERE, "--default")
    second = weft(home, "add", agent.url, *HERE, "--default", "--name", "second")

    assert second.exit_code == 2
    assert "two agents are the default of local" in second.stderr

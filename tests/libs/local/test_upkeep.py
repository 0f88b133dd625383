"""`weft prune` over the files of a home."""

import asyncio
import fcntl
import json
import sqlite3
from contextlib import aclosing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from weft.checkpoint import Run, sqlite_checkpointer
from weft.cli.main import app
from weft.testing import ScriptedFaults
from weft.testing.store_values import ALICE, ending, new_run, running, step


async def fill(path: Path, *, days_ago: float, runs: int = 20) -> None:
    """Write runs that ended so long ago."""
    faults = ScriptedFaults()
    faults.ahead_s = -days_ago * 86_400
    store = sqlite_checkpointer(path, faults=faults)
    for number in range(runs):
        held = await running(store, new_run(f"t{number}"))
        # Nothing in it repeats: what compresses well would take no room.
        words = " ".join(f"{number * 7919 * place:x}" for place in range(2000))
        await store.runs.record_step(held, step("look", words))
        await store.runs.finish(held, ending())
    await store.aclose()


async def newest(path: Path) -> Run:
    async with aclosing(sqlite_checkpointer(path)) as store:
        (run,) = (await store.index.runs(ALICE, limit=1)).entries
        return run


def prune(home: Path, *arguments: str) -> tuple[int, str]:
    outcome = CliRunner().invoke(app, ["--home", str(home), "prune", *arguments])
    return outcome.exit_code, outcome.output


@pytest.mark.requirement("RS-24")
def test_each_database_of_the_home_is_pruned_and_gives_its_room_back(tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path / "runs.db", days_ago=40))
    asyncio.run(fill(tmp_path / "log_analyst.db", days_ago=2, runs=1))
    code, said = prune(tmp_path, "--json")

    databases = {each["name"]: each for each in json.loads(said)["databases"]}
    assert code == 0
    assert databases["runs.db"]["pruned"] == {"runs": 20, "threads": 0, "forgotten": 0}
    assert databases["log_analyst.db"]["pruned"] == {"runs": 0, "threads": 0, "forgotten": 0}
    assert databases["runs.db"]["bytes_after"] < databases["runs.db"]["bytes_before"] / 2
    assert asyncio.run(newest(tmp_path / "runs.db")).pruned
    code, said = prune(tmp_path, "--keep-days", "1")
    assert (code, "log_analyst.db: contents of 1 runs" in said) == (0, True)


def test_the_files_of_a_running_mesh_are_pruned_and_keep_their_size(tmp_path: Path) -> None:
    asyncio.run(fill(tmp_path / "runs.db", days_ago=40))
    with (tmp_path / "up.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, said = prune(tmp_path)

    assert code == 0
    assert "runs.db: contents of 20 runs" in said
    assert "keep their size while the mesh runs" in said
    with sqlite3.connect(tmp_path / "runs.db") as database:
        assert database.execute("PRAGMA freelist_count").fetchone()[0] > 0
    database.close()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "there is no database in"),
        (("--keep-days", "0"), "--keep-days is more than 0"),
        (("--keep-days", "-1"), "keep-days"),
        (("--database", "nosuch:thing"), "nosuch"),
    ],
)
def test_what_cannot_be_pruned_is_said(
    tmp_path: Path, arguments: tuple[str, ...], words: str
) -> None:
    code, said = prune(tmp_path, *arguments)

    assert code == 2
    assert words in said

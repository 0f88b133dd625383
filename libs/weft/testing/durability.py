"""What a database promises that outlives its process and is shared by several."""

import asyncio
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from itertools import chain

import anyio
import pytest

from weft.checkpoint import LEASE_SECONDS, Checkpointer, ThreadKey, get_checkpointer
from weft.core import RunId
from weft.testing.store_process import APPENDS
from weft.testing.store_values import ALICE, RUNS, effect, new_run, running, started


class DurabilityContract:
    """Override the `url` fixture: it names an empty database that other processes reach too."""

    @pytest.fixture
    def url(self) -> str:
        raise NotImplementedError

    @pytest.mark.requirement("RS-19", "CKPT-4")
    async def test_all_that_was_acknowledged_survives_a_kill(self, url: str) -> None:
        acknowledged: list[str] = []
        async with process("work", url) as child:
            with anyio.fail_after(15):
                acknowledged += [await _line(child) for _ in range(40)]
            child.kill()
            acknowledged += await _lines(child)

        async with aclosing(get_checkpointer(url)) as them:
            for run_id in map(RunId, acknowledged):
                run = await them.runs.read(ALICE, run_id)
                assert run.status == "completed"
                events = await them.runs.events(ALICE, run_id)
                assert [event.seq for event in events] == [1, 2, 3, 4, 5]
                assert await them.runs.steps(ALICE, run_id) == {("collect",): {"text": "found"}}
                thread = await them.threads.load(ThreadKey("acme", "alice", run.thread_id))
                assert thread is not None
                assert thread.version == 1
                stored = await them.effects.find_effect(f"{run_id} effect")
                assert stored is not None
                assert stored.state == "settled"

    @pytest.mark.requirement("FX-1", "CKPT-9")
    async def test_a_killed_owners_run_is_taken_over_and_its_effect_is_unknown(
        self, url: str
    ) -> None:
        async with process("hold", url) as child:
            with anyio.fail_after(15):
                run_id = await _line(child)
            child.kill()

        async with aclosing(get_checkpointer(url)) as them:
            early = await them.effects.find_effect("held")
            with anyio.fail_after(3 * LEASE_SECONDS):
                while not (claimed := await them.runs.claim("parent", RUNS, limit=1)):
                    await anyio.lowlevel.checkpoint()
            late = await them.effects.intend(claimed[0].held, effect("held"))

        assert early is not None
        assert early.state == "in_progress"
        assert claimed[0].run.run_id == run_id
        assert claimed[0].events[0].type == "run.recovered"
        assert late.state == "unknown"

    @pytest.mark.requirement("RS-3")
    async def test_three_processes_claim_each_run_once(self, url: str) -> None:
        async with aclosing(get_checkpointer(url)) as them:
            # So few that all are taken, on a busy machine too, before the first lease ends.
            news = [new_run() for _ in range(200)]
            await asyncio.gather(*[them.runs.accept(new, on_busy="reject") for new in news])

            async with process("claim", url) as one, process("claim", url) as two:
                await _go(one, two)
                taken = await asyncio.gather(_claim_all(them), _lines(one), _lines(two))

        assert all(taken)
        assert sorted(chain.from_iterable(taken)) == sorted(new.run_id for new in news)

    @pytest.mark.requirement("CKPT-2")
    async def test_two_processes_append_to_one_thread_without_losing_a_word(self, url: str) -> None:
        async with aclosing(get_checkpointer(url)) as them:
            held = await running(them, new_run("t"))
            arguments = (held.run_id, "t")
            async with (
                process("append", url, "one", *arguments) as one,
                process("append", url, "two", *arguments) as two,
            ):
                await _go(one, two)
                await asyncio.gather(_lines(one), _lines(two))
            thread = await them.threads.load(ThreadKey("acme", "alice", "t"))

        assert thread is not None
        for name in ("one", "two"):
            mine = [entry for entry in thread.entries if entry.startswith(name.encode())]
            assert mine == [f"{name}:{number}".encode() for number in range(APPENDS)]
        assert thread.version == 2 * APPENDS

    @pytest.mark.requirement("CKPT-4")
    async def test_a_closed_database_opens_as_it_was(self, url: str) -> None:
        async with aclosing(get_checkpointer(url)) as them:
            claimed = await started(them, new_run("t"))

        async with aclosing(get_checkpointer(url)) as them:
            run = await them.runs.read(ALICE, claimed.held.run_id)

        assert (run.status, run.epoch, run.owner) == ("running", 1, "one")


@asynccontextmanager
async def process(task: str, url: str, *arguments: str) -> AsyncIterator[Process]:
    """Run a task of `store_process`; kill it if it outlives the context."""
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "weft.testing.store_process",
        task,
        url,
        *arguments,
        stdin=PIPE,
        stdout=PIPE,
    )
    try:
        yield child
    finally:
        if child.returncode is None:
            child.kill()
        await child.wait()


async def _line(child: Process) -> str:
    assert child.stdout is not None
    line = (await child.stdout.readline()).decode().strip()
    assert line, "the process ended early"
    return line


async def _go(*children: Process) -> None:
    """Let the children begin together, once each has opened the database."""
    with anyio.fail_after(15):
        for child in children:
            assert await _line(child) == "ready"
    for child in children:
        assert child.stdin is not None
        child.stdin.write(b"go\n")


async def _lines(child: Process) -> list[str]:
    """Return what is left; a line that a kill cut off was not acknowledged."""
    assert child.stdout is not None
    with anyio.fail_after(15):
        text = (await child.stdout.read()).decode()
    return text[: text.rfind("\n") + 1].split()


async def _claim_all(them: Checkpointer) -> list[str]:
    taken: list[str] = []
    while claimed := await them.runs.claim("parent", RUNS, limit=1):
        # A lease that ended on a busy machine is another matter.
        taken += [claim.run.run_id for claim in claimed if claim.held.epoch == 1]
    return taken

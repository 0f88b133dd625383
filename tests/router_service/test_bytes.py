"""What a diagnosis takes in the stores of the router and its specialists."""

from contextlib import AsyncExitStack, aclosing
from hashlib import sha512
from pathlib import Path

import anyio

from router_service.execute import execute_run
from router_service.routes import Routes
from tests.router_service.house import ANA, house
from tests.router_service.test_commits import specialist
from tests.router_service.test_execute import new_run
from tests.tools.bytes_stored import Stored, stored_in, table
from weft import tool
from weft.bus import MemoryBus
from weft.checkpoint import Run
from weft.checkpoint.sqlite import sqlite_checkpointer
from weft.core import JsonObject, JsonValue, Result, dumps
from weft.events import Envelope
from weft.loop import Agent, Peer
from weft.routing import Situation
from weft.runs import MESH_RUN, Runs, Worker
from weft.testing import ScriptedModel, call

NAMES = ("ants", "bees", "wasps", "moths")
FINDINGS = 24
CLAIMED = range(0, FINDINGS, 6)


def _noise(name: str, at: int) -> str:
    """Return half a kilobyte in which nothing repeats."""
    return "".join(sha512(f"{name} {at} {part}".encode()).hexdigest() for part in range(4))


def looking(name: str) -> Peer:
    """Return an agent that looks once and finds 12 kB, each claim with its evidence."""

    def look() -> JsonObject:
        """Look around."""
        findings: list[JsonValue] = [
            {"line": f"{name} {at}: {_noise(name, at)}", "count": at} for at in range(FINDINGS)
        ]
        claims: list[JsonValue] = [
            {"text": f"{name} saw {at}", "subject": name, "evidence_refs": [f"#/findings/{at}"]}
            for at in CLAIMED
        ]
        return {"summary": f"{name} saw much", "findings": findings, "claims": claims}

    model = ScriptedModel([call("look"), f"{name} looked"])
    return Agent(model, [tool(labels={"read"})(look)], name=name)


async def diagnosed(directory: Path) -> tuple[Run, tuple[Envelope, ...]]:
    """Return the run of a diagnosis over four specialists, and its log, as its owner reads them."""
    async with AsyncExitStack() as stack:
        mesh = await stack.enter_async_context(house())
        for name in NAMES:
            await stack.enter_async_context(
                specialist(looking(name), mesh, directory / f"{name}.db")
            )
        store = await stack.enter_async_context(
            aclosing(sqlite_checkpointer(directory / "runs.db"))
        )
        runs = Runs(store, MemoryBus(), pool="router")
        execute = execute_run(store, mesh.peers, Routes(situation=Situation(model=False)))
        worker = Worker(runs, execute, operations=(MESH_RUN,), name="router/1")
        await stack.enter_async_context(worker.working())
        new = new_run({"input": "Diagnose the checkout slowdown"})
        with anyio.fail_after(15):
            await runs.submit(new, on_busy="reject")
            run = await runs.wait(ANA, new.run_id, seconds=15)
            run = await store.runs.read(ANA, run.run_id)
        return run, await store.runs.events(ANA, run.run_id)


def shown(stored: Stored) -> str:
    return "\n".join(table(stored))


async def test_tool_output_is_kept_once_by_who_made_it_and_once_by_who_asked(
    tmp_path: Path,
) -> None:
    await diagnosed(tmp_path)

    stored = stored_in([tmp_path / f"{name}.db" for name in (*NAMES, "runs")])

    assert stored.output > 40_000
    # A tool that only reads may be called again: nothing is journalled.
    assert "ledger" not in {kind.table for kind in stored.kinds}
    assert stored.copies < 2.2, shown(stored)


async def test_a_diagnosis_takes_at_most_2400_bytes_for_each_kilobyte_of_tool_output(
    tmp_path: Path,
) -> None:
    await diagnosed(tmp_path)

    stored = stored_in([tmp_path / f"{name}.db" for name in (*NAMES, "runs")])

    assert stored.bytes * 1000 < 2_400 * stored.output, shown(stored)


async def test_what_is_kept_once_is_read_whole(tmp_path: Path) -> None:
    run, events = await diagnosed(tmp_path)

    assert run.result is not None
    result = Result.model_validate(run.result)
    quoted = dumps(result.data).decode()
    assert all(f"{name} {at}: " in quoted for name in NAMES for at in CLAIMED)
    last = events[-1]
    assert last.type == "run.completed"
    assert last.data["output"] == {"text": result.text, "data": result.data}

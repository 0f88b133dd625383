"""Effects over real databases: killed processes, other owners, other processes' results."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from tests.libs.tools import paying
from weft.checkpoint import Checkpointer, Claimed, memory_checkpointer, sqlite_checkpointer
from weft.core import Authority, JsonObject, ToolCall
from weft.core.errors import FencedError
from weft.runs import RunJournal
from weft.testing.store_values import ALICE, RUNS, new_run
from weft.tools import (
    EffectHost,
    EffectNotDone,
    InterruptRaised,
    Tool,
    ToolContext,
    ToolExecution,
    call_tool,
    tool,
)

ROOT = Path(__file__).parents[3]
POINTS = ("before", "after", "settled")


async def killed_at(directory: Path, point: str) -> None:
    """Run the paying process until it says that it is at `point`, then kill it."""
    await anyio.Path(directory).mkdir()
    arguments = [str(directory / "db"), str(directory / "outside"), point]
    command = [sys.executable, "-m", paying.__name__, *arguments]
    async with await anyio.open_process(command, cwd=ROOT, stderr=None) as process:
        try:
            assert process.stdout is not None
            assert await process.stdout.receive() == b"here\n"
        finally:
            process.kill()


async def taken_over(checkpointer: Checkpointer) -> Claimed:
    """Claim the dead owner's run as soon as its lease has ended."""
    while True:
        if claimed := await checkpointer.runs.claim("heir", RUNS, limit=1):
            return claimed[0]
        await anyio.sleep(0.05)


def paid(directory: Path) -> list[str]:
    book = directory / "outside"
    return book.read_text().splitlines() if book.exists() else []


async def retried(directory: Path, point: str) -> tuple[str, int]:
    """Retry the call under a new owner; return what came of it, and how often was paid."""
    checkpointer = sqlite_checkpointer(directory / "db")
    pay = paying.paying(directory / "outside")
    try:
        async with RunJournal(checkpointer, await taken_over(checkpointer)) as journal:
            try:
                result = await paying.called(journal, pay)
            except InterruptRaised as raised:
                first = raised.interrupt
            else:
                assert result.replayed
                return result.content, len(paid(directory))
            times = len(paid(directory))
            assert first.reason == "effect_unknown"
            with pytest.raises(InterruptRaised) as again:
                await paying.called(journal, pay)
            assert again.value.interrupt.id == first.id
            answer = "done" if point == "after" else "not_done"
            answers: JsonObject = {first.id: {"outcome": answer, "value": "a person saw it"}}
            settled = await paying.called(journal, pay, answers=answers)
            return f"asked, then {settled.content}", times
    finally:
        await checkpointer.aclose()


@pytest.mark.requirement("FX-4")
async def test_a_process_killed_anywhere_and_retried_pays_at_most_once(tmp_path: Path) -> None:
    found: dict[str, tuple[str, int]] = {}

    async def kill_and_retry(point: str) -> None:
        await killed_at(tmp_path / point, point)
        found[point] = await retried(tmp_path / point, point)

    with anyio.fail_after(15):
        async with anyio.create_task_group() as group:
            for point in POINTS:
                group.start_soon(kill_and_retry, point)

    assert found == {
        "before": ("asked, then paid 5", 0),
        "after": ("asked, then a person saw it", 1),
        "settled": ("paid 5", 1),
    }
    assert [len(paid(tmp_path / point)) for point in POINTS] == [1, 1, 1]


@pytest.mark.requirement("FX-14")
async def test_fifty_equal_calls_from_five_processes_run_one_body(tmp_path: Path) -> None:
    arguments = [str(tmp_path / "db"), str(tmp_path / "outside"), "crowd"]
    command = [sys.executable, "-m", paying.__name__, *arguments]
    told: list[str] = []

    async def crowd() -> None:
        done = await anyio.run_process(command, cwd=ROOT, stderr=None)
        told.extend(done.stdout.decode().splitlines())

    with anyio.fail_after(15):
        async with anyio.create_task_group() as group:
            for _ in range(5):
                group.start_soon(crowd)

    assert told == ["paid 5"] * 50
    assert len(paid(tmp_path)) == 1


@pytest.fixture(params=["memory", "sqlite"])
async def checkpointer(
    request: pytest.FixtureRequest, tmp_path: Path
) -> AsyncIterator[Checkpointer]:
    memory = request.param == "memory"
    opened = memory_checkpointer() if memory else sqlite_checkpointer(tmp_path / "db")
    yield opened
    await opened.aclose()


async def owned(checkpointer: Checkpointer) -> RunJournal:
    accepted = await checkpointer.runs.accept(new_run(), on_busy="reject", owner="me")
    assert accepted.claimed is not None
    return RunJournal(checkpointer, accepted.claimed)


class Till:
    """A tool with a scope wider than the run, and how often its body ran."""

    def __init__(self) -> None:
        self.bodies = 0
        self.attempts: list[tuple[str | None, int]] = []
        self.raising: list[Exception] = []
        self.begun = anyio.Event()
        self.release = anyio.Event()
        self.release.set()

    def tool(self, *, passes_key: bool = False) -> Tool:
        @tool(idempotent=True, scope="tenant", passes_key=passes_key, timeout=10)
        async def pay(context: ToolContext) -> str:
            self.bodies += 1
            self.attempts.append((context.idempotency_key, context.attempt))
            self.begun.set()
            await self.release.wait()
            if self.raising:
                raise self.raising.pop(0)
            return "paid"

        return pay


async def pay(journal: RunJournal, used: Tool, host: EffectHost | None = None) -> ToolExecution:
    context = ToolContext(authority=Authority(ALICE))
    return await call_tool(used, ToolCall(id="c1", name="pay"), context, journal=journal, host=host)


@pytest.mark.requirement("FX-2")
@pytest.mark.requirement("FX-3")
async def test_intent_and_outcome_are_durable_with_their_events_before_body_and_answer(
    checkpointer: Checkpointer,
) -> None:
    seen: list[list[str]] = []

    async with await owned(checkpointer) as journal:

        async def log() -> list[str]:
            events = await checkpointer.runs.events(ALICE, journal.run_id)
            return [event.type for event in events if event.type.startswith("agent.effect")]

        @tool(idempotent=True)
        async def look() -> str:
            seen.append(await log())
            return "seen"

        await call_tool(look, ToolCall(id="1", name="look"), ToolContext(), journal=journal)
        seen.append(await log())

    assert seen == [
        ["agent.effect.intended"],
        ["agent.effect.intended", "agent.effect.settled"],
    ]


@pytest.mark.requirement("FX-7")
async def test_another_runs_result_is_replayed_with_the_time_it_was_recorded(
    checkpointer: Checkpointer,
) -> None:
    till = Till()
    async with await owned(checkpointer) as first, await owned(checkpointer) as second:
        await pay(first, till.tool())
        own = await pay(first, till.tool())
        other = await pay(second, till.tool())

    assert (own.content, own.replayed, other.replayed, till.bodies) == ("paid", True, True, 1)
    assert other.content.startswith("(recorded at 20")
    assert other.content.endswith("not done again)\npaid")


@pytest.mark.requirement("FX-6")
@pytest.mark.requirement("FX-13")
async def test_not_done_runs_again_under_one_key_and_the_attempts_are_counted(
    checkpointer: Checkpointer,
) -> None:
    till = Till()
    till.raising = [EffectNotDone("closed"), OSError("reset")]
    used = till.tool(passes_key=True)
    async with await owned(checkpointer) as journal:
        outcomes = [(await pay(journal, used)).outcome for _ in range(4)]

    assert outcomes == ["not_done", "unknown", "ok", "ok"]
    assert len({key for key, _ in till.attempts}) == 1
    assert [attempt for _, attempt in till.attempts] == [1, 2, 3]


async def test_a_call_at_once_elsewhere_waits_and_runs_if_nothing_was_done(
    checkpointer: Checkpointer,
) -> None:
    till = Till()
    till.release = anyio.Event()
    till.raising = [EffectNotDone("closed")]
    made: list[str] = []

    async def one(journal: RunJournal) -> None:
        made.append((await pay(journal, till.tool())).outcome)

    with anyio.fail_after(5):
        async with (
            await owned(checkpointer) as first,
            await owned(checkpointer) as second,
            anyio.create_task_group() as group,
        ):
            group.start_soon(one, first)
            await till.begun.wait()
            group.start_soon(one, second)
            await anyio.lowlevel.checkpoint()
            till.release.set()

    assert (made, till.bodies) == (["not_done", "ok"], 2)


async def test_an_owner_that_lost_its_run_starts_no_body(checkpointer: Checkpointer) -> None:
    till = Till()
    async with await owned(checkpointer) as journal:
        await checkpointer.runs.release(journal.held)
        await checkpointer.runs.claim("other", RUNS, limit=1)

        with pytest.raises(FencedError):
            await pay(journal, till.tool())

    assert till.bodies == 0

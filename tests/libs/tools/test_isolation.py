"""Bodies that run in processes of their own: killed at once, limited, and told apart."""

import asyncio
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import psutil
import pytest
from anyio import to_thread

from tests.conftest import ROOT
from tests.libs.tools import bodies
from weft import Agent
from weft.checkpoint import memory_checkpointer
from weft.core import Authority, Deadline, Principal, ToolCall
from weft.core.errors import ToolDefinitionError
from weft.testing import ScriptedModel, call
from weft.tools import (
    InterruptRaised,
    Processes,
    Tool,
    ToolContext,
    ToolExecution,
    call_tool,
    tool,
)
from weft.tools.events import ToolProgress
from weft.tools.process_frames import RESULT_BYTES

pytestmark = pytest.mark.timeout(60)
MEMORY = 128 << 20


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Give all tests of this module one event loop, and so one fork server."""
    return "asyncio"


@pytest.fixture(scope="module")
async def processes(anyio_backend: str) -> AsyncIterator[Processes]:
    del anyio_backend
    async with Processes() as open_ones:
        yield open_ones


async def called(
    made: Tool, arguments: dict[str, Any], context: ToolContext | None = None
) -> ToolExecution:
    order = ToolCall(id="call", name=made.name, arguments=arguments)
    with anyio.fail_after(50):
        return await call_tool(made, order, context or ToolContext())


def structured(execution: ToolExecution) -> dict[str, Any]:
    assert isinstance(execution.structured, dict), execution
    return execution.structured


async def until(happened: Callable[[], object]) -> None:
    """Look until it is so: what other processes do sets no event here."""

    def look() -> None:
        deadline = time.monotonic() + 40
        while not happened():
            assert time.monotonic() < deadline
            os.sched_yield()

    await to_thread.run_sync(look)


def named(notes: Path) -> list[psutil.Process]:
    return [psutil.Process(int(pid)) for pid in notes.read_text().split()]


async def held(notes: Path) -> list[psutil.Process]:
    """Wait until a body holds; return its process, its child and its fork server."""
    await until(notes.exists)
    return await to_thread.run_sync(named, notes)


async def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = await to_thread.run_sync(partial(psutil.wait_procs, processes, timeout=10))
    assert alive == []


@pytest.mark.requirement("TOOL-5")
async def test_a_body_runs_in_another_process_and_its_result_comes_back(
    processes: Processes,
) -> None:
    made = tool(isolation=processes)(bodies.add)

    first = structured(await called(made, {"a": 1, "b": "2"}))
    second = structured(await called(made, {"a": 1, "b": 2}))

    assert first["sum"] == 3
    assert len({os.getpid(), first["pid"], second["pid"]}) == 3
    assert made(1, 2)["pid"] == os.getpid(), "called as a function it is one"


async def test_what_is_bound_goes_along_and_is_no_parameter(processes: Processes) -> None:
    made = tool(name="tripled", isolation=processes)(partial(bodies.scaled, 3))

    assert made.parameters["required"] == ["number"]
    assert (await called(made, {"number": 7})).content == "21"


async def test_progress_and_context_cross_the_border(processes: Processes) -> None:
    told: list[ToolProgress] = []
    context = ToolContext(
        authority=Authority(Principal(tenant="t", subject="ann")),
        emit=told.append,  # type: ignore[arg-type]
    )

    execution = await called(tool(isolation=processes)(bodies.steps), {"count": 3}, context)

    assert execution.content == "ann call"
    assert [(one.data.progress, one.data.total, one.data.message) for one in told] == [
        (1, 3, "step 1"),
        (2, 3, "step 2"),
        (3, 3, "step 3"),
    ]
    assert {one.data.tool_call_id for one in told} == {"call"}


async def test_an_interrupt_and_its_answer_cross_the_border(processes: Processes) -> None:
    made = tool(isolation=processes)(bodies.ask)

    with pytest.raises(InterruptRaised, match="Which"):
        await called(made, {})

    assert (await called(made, {}, ToolContext(answers={"q": "this"}))).content == "this"


@pytest.mark.requirement("TOOL-6")
async def test_an_exception_comes_back_as_it_would_from_a_thread(processes: Processes) -> None:
    isolated = await called(tool(isolation=processes)(bodies.wrong), {"text": "no such row"})
    in_thread = await called(tool(bodies.wrong), {"text": "no such row"})

    assert isolated.content == in_thread.content == "Error: LookupError: no such row"
    assert isolated.outcome == in_thread.outcome == "error"


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("exit", "SystemExit: 3"),
        ("interrupt", "KeyboardInterrupt"),
        ("at once", "ToolCrashedError: the process of 'leave' ended with exit code 7"),
        ("segv", "ToolCrashedError: the process of 'leave' ended by SIGSEGV"),
        ("SIGTERM", "ToolCrashedError: the process of 'leave' ended by SIGTERM"),
        ("SIGKILL", "ToolMemoryError: 'leave' was killed by the system, most likely for want"),
    ],
)
async def test_however_a_process_ends_only_its_call_fails(
    processes: Processes, how: str, told: str
) -> None:
    execution = await called(tool(isolation=processes)(bodies.leave), {"how": how})
    after = await called(tool(isolation=processes)(bodies.add), {"a": 1, "b": 1})

    assert (execution.error or "").startswith(told)
    assert after.ok


async def test_too_much_memory_is_an_error_that_names_the_limit(processes: Processes) -> None:
    made = tool(isolation=processes, memory=MEMORY)(bodies.eat)

    fits = await called(made, {"size": MEMORY // 2})
    bursts = await called(made, {"size": 2 * MEMORY})

    assert fits.ok, fits.error
    assert (bursts.error or "").startswith(
        "ToolMemoryError: 'eat' needed more than its memory limit of 128 MiB"
    )
    assert "give it less" in (bursts.error or "")


@pytest.mark.parametrize("ignore", [False, True])
async def test_too_much_computing_is_an_error_that_names_the_limit(
    processes: Processes,
    ignore: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    execution = await called(
        tool(isolation=processes, cpu_seconds=1)(bodies.burn), {"ignore": ignore}
    )

    assert (execution.error or "").startswith(
        "ToolCpuError: 'burn' used more than its limit of 1 s of CPU time"
    )


async def test_a_process_is_limited_in_files_and_leaves_no_dump(processes: Processes) -> None:
    found = structured(await called(tool(isolation=processes, cpu_seconds=7)(bodies.limits), {}))

    assert found["core"] <= 1
    assert found["files"] == 256
    assert found["cpu"] in {7, 8}


async def test_a_result_beyond_the_limit_is_an_error_that_names_it(processes: Processes) -> None:
    made = tool(isolation=processes)(bodies.large)

    execution = await called(made, {"size": RESULT_BYTES})

    assert execution.error == (
        "ToolResultTooLargeError: the result of 'large' is larger than the limit of 4 MiB: "
        "ask for less"
    )
    assert (await called(made, {"size": RESULT_BYTES - 100})).ok


@pytest.mark.requirement("TOOL-8")
async def test_a_timeout_kills_the_process_and_what_it_started(
    processes: Processes, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    made = tool(isolation=processes, timeout=30)(bodies.hold)

    async with anyio.create_task_group() as group:
        context = ToolContext(authority=Authority(deadline=Deadline.after(5)))
        group.start_soon(called, made, {"notes": str(notes)}, context)
        body, child, _ = await held(notes)

    await assert_gone([body, child])


@pytest.mark.requirement("LIM-1")
async def test_a_cancel_kills_the_process_and_what_it_started(
    processes: Processes, tmp_path: Path
) -> None:
    notes = tmp_path / "notes"
    agent = Agent(
        ScriptedModel([call("hold", notes=str(notes))]),
        [tool(isolation=processes, labels=["read"])(bodies.hold)],
        checkpointer=memory_checkpointer(),
    )

    async with anyio.create_task_group() as group:
        group.start_soon(agent.arun, "go")
        body, child, _ = await held(notes)
        began = time.monotonic()
        agent.cancel()
        await assert_gone([body, child])
    assert time.monotonic() - began < 10


async def test_closing_ends_the_server_and_all_its_processes(tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    async with Processes() as own:
        running = asyncio.ensure_future(
            called(tool(isolation=own)(bodies.hold), {"notes": str(notes)})
        )
        family = await held(notes)
        spares = family[2].children()

    await assert_gone([*family, *spares])
    assert "ToolCrashedError" in ((await running).error or "")


@pytest.mark.parametrize("victim", ["owner", "server"])
def test_no_process_outlives_an_owner_or_a_server_that_is_killed(
    tmp_path: Path, victim: str
) -> None:
    notes = tmp_path / "notes"
    script = textwrap.dedent("""
        import asyncio, sys
        from tests.libs.tools import bodies
        from weft import Agent, tool
        from weft.testing import ScriptedModel, call

        made = tool(isolation="process")(bodies.hold)
        script = [call("hold", notes=sys.argv[1]), "gone on"]
        print(asyncio.run(Agent(ScriptedModel(script), [made]).arun("go")).text)
    """)
    owner = subprocess.Popen(
        [sys.executable, "-c", script, str(notes)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    deadline = time.monotonic() + 40
    while not notes.exists() and time.monotonic() < deadline:
        os.sched_yield()
    body, child, server = named(notes)
    spares = [each for each in server.children() if each != body]

    (server if victim == "server" else owner).send_signal(signal.SIGKILL)

    expected = [body, server, *spares]
    if victim == "owner":
        expected.append(child)
    _, alive = psutil.wait_procs(expected, timeout=10)
    if child.is_running():  # a killed server can end nothing but its own processes
        child.kill()
    assert alive == []
    out, _ = owner.communicate(timeout=20)
    assert out == ("gone on\n" if victim == "server" else "")


async def test_a_lost_server_is_replaced(processes: Processes, tmp_path: Path) -> None:
    notes = tmp_path / "notes"
    made = tool(isolation=processes)(bodies.hold)
    async with anyio.create_task_group() as group:
        lost: list[ToolExecution] = []

        async def call_once() -> None:
            lost.append(await called(made, {"notes": str(notes)}))

        group.start_soon(call_once)
        *_, server = await held(notes)
        server.kill()

    assert "ToolCrashedError: the process of 'hold' was lost" in (lost[0].error or "")
    assert (await called(tool(isolation=processes)(bodies.add), {"a": 1, "b": 1})).ok


async def test_a_spare_that_died_unseen_costs_no_call(tmp_path: Path) -> None:
    async with Processes() as own:
        made = tool(isolation=own)(bodies.hold)
        notes = tmp_path / "first"
        await called(made, {"notes": str(notes), "seconds": 0})
        # The body has ended, its process with it: the server alone is left of the three.
        told = await to_thread.run_sync(notes.read_text)
        server = psutil.Process(int(told.split()[-1]))
        await until(server.children)
        for spare in server.children():
            with suppress(psutil.NoSuchProcess):
                spare.kill()

        assert (await called(tool(isolation=own)(bodies.add), {"a": 1, "b": 1})).ok


async def test_so_many_run_at_a_time_and_the_rest_waits(tmp_path: Path) -> None:
    async with Processes(at_a_time=2, waiting=4) as own:
        made = tool(isolation=own, timeout=50)(bodies.hold)
        ann = ToolContext(authority=Authority(Principal(tenant="t", subject="ann")))
        bob = ToolContext(authority=Authority(Principal(tenant="t", subject="bob")))
        refused: list[str | None] = []

        async def hold(name: str, context: ToolContext) -> None:
            found = await called(made, {"notes": str(tmp_path / name)}, context)
            refused.append(found.error)

        async with anyio.create_task_group() as group:
            for at in range(5):
                group.start_soon(hold, f"ann{at}", ann)
            await held(tmp_path / "ann0")
            await held(tmp_path / "ann1")
            await until(lambda: len(refused))
            group.start_soon(hold, "bob", bob)
            await anyio.wait_all_tasks_blocked()

            for ended in ("ann0", "ann1"):
                (await held(tmp_path / ended))[0].kill()
            await held(tmp_path / "bob")
            await held(tmp_path / "ann2")
            assert not await to_thread.run_sync((tmp_path / "ann3").exists)
            group.cancel_scope.cancel()

    assert (
        refused[0] == "ToolBusyError: 2 calls wait already for one of 2 processes: try again later"
    )


async def test_the_loop_stays_quick_while_a_body_computes(processes: Processes) -> None:
    isolated = tool(isolation=processes, name="isolated")(bodies.hog)
    in_thread = tool(name="in_thread")(bodies.hog)
    await called(tool(isolation=processes)(bodies.add), {"a": 1, "b": 1})

    async def longest_tick(made: Tool) -> float:
        longest = 0.0
        async with anyio.create_task_group() as group:

            async def watch() -> None:
                nonlocal longest
                while True:
                    began = time.monotonic()
                    await anyio.sleep(0.001)
                    longest = max(longest, time.monotonic() - began)

            group.start_soon(watch)
            await called(made, {"seconds": 2})
            group.cancel_scope.cancel()
        return longest

    slow, quick = await longest_tick(in_thread), await longest_tick(isolated)

    # Long calls hold the interpreter's lock for tens of milliseconds at a time.
    assert quick < max(0.1, slow), (quick, slow)


@pytest.mark.requirement("FX-1")
async def test_an_isolated_effect_goes_through_the_ledger() -> None:
    async with Processes() as own:
        made = tool(isolation=own, idempotent=True, passes_key=True, labels=["pay"])(bodies.add)
        model = ScriptedModel([call("add", a=1, b=2), call("add", a=1, b=2), "done"])
        result = await Agent(model, [made], checkpointer=memory_checkpointer()).arun("go")

    first, second = result.tool_executions
    assert (first.replayed, second.replayed) == (False, True)
    assert first.structured == second.structured


async def test_an_isolated_effect_that_was_not_done_is_known_not_to_be() -> None:
    async with Processes() as own:
        made = tool(isolation=own, idempotent=True, passes_key=True)(bodies.not_done)
        model = ScriptedModel([call("not_done"), "sorry"])
        result = await Agent(model, [made], checkpointer=memory_checkpointer()).arun("go")

    assert result.tool_executions[0].outcome == "not_done"


def test_run_sync_uses_a_server_of_its_own_loop() -> None:
    made = tool(isolation="process")(bodies.add)
    agent = Agent(
        ScriptedModel([call("add", a=1, b=2), "one", call("add", a=1, b=2), "two"]), [made]
    )

    assert agent.run_sync("go").tool_executions[0].ok
    assert asyncio.run(agent.arun("go")).tool_executions[0].ok
    asyncio.run(agent.aclose())


async def nothing() -> None:
    """Do nothing."""


class Holder:
    def method(self, n: int) -> int:
        return n


def local() -> Callable[[int], int]:
    def inner(n: int) -> int:
        return n

    return inner


@pytest.mark.requirement("TOOL-2")
@pytest.mark.parametrize(
    ("options", "fn", "why"),
    [
        ({"memory": MEMORY}, bodies.add, "add isolation='process'"),
        ({"cpu_seconds": 3}, bodies.add, "add isolation='process'"),
        ({"isolation": "thread"}, bodies.add, "'process' or a Processes"),
        ({"isolation": "process"}, nothing, "plain `def`"),
        ({"isolation": "process"}, Holder().method, "plain `def`"),
        ({"isolation": "process"}, local(), "top of a module"),
        ({"isolation": "process", "name": "x"}, lambda: 1, "top of a module"),
        ({"isolation": "process"}, partial(bodies.bound, lambda: 1), "cannot be sent"),
        ({"isolation": "process", "memory": 5}, bodies.add, "at least 16 MiB"),
        ({"isolation": "process", "cpu_seconds": 0}, bodies.add, "number of seconds"),
        ({"isolation": "process", "cpu_seconds": float("inf")}, bodies.add, "number of seconds"),
    ],
)
def test_what_cannot_be_isolated_is_refused_at_its_definition(
    options: dict[str, Any], fn: Callable[..., object], why: str
) -> None:
    with pytest.raises(ToolDefinitionError, match=why):
        tool(**options)(fn)


def test_a_model_and_a_reader_see_that_a_tool_is_isolated() -> None:
    assert tool(isolation="process")(bodies.add).spec.isolation == "process"
    assert tool(bodies.add).spec.isolation is None

"""Synchronous bodies: never on the loop, never in the way of leaving."""

import asyncio
import contextvars
import os
import signal
import subprocess
import sys
import textwrap
import threading
from functools import partial

import anyio
import pytest

from tests.conftest import ROOT
from weft import Agent, tool
from weft.testing import ScriptedModel, call
from weft.tools.threads import MOST_THREADS, in_thread

VARIABLE: contextvars.ContextVar[str] = contextvars.ContextVar("VARIABLE", default="unset")
STUCK = 600.0


def script(text: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(text)],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )


@pytest.mark.requirement("TOOL-8")
@pytest.mark.timeout(60)
def test_a_script_leaves_though_a_body_is_stuck() -> None:
    with script(f"""
        import asyncio, time
        from weft import Agent, tool
        from weft.testing import ScriptedModel, call

        @tool(timeout=0.2)
        def stuck() -> None:
            "Wait for a peer that never answers."
            time.sleep({STUCK})

        print(asyncio.run(Agent(ScriptedModel([call("stuck"), "done"]), [stuck]).arun("go")).text)
    """) as process:
        out, _ = process.communicate(timeout=50)

    assert (process.returncode, out) == (0, "done\n")


@pytest.mark.timeout(60)
def test_a_script_leaves_though_a_condition_is_stuck() -> None:
    with script(f"""
        import asyncio, time
        from weft import Agent, CustomCondition
        from weft.testing import FunctionModel

        condition = CustomCondition(lambda _: time.sleep({STUCK}), name="stuck")
        agent = Agent(FunctionModel(lambda _: "x"), termination=condition)
        try:
            asyncio.run(asyncio.wait_for(agent.arun("go"), 1))
        except TimeoutError:
            print("given up")
    """) as process:
        out, _ = process.communicate(timeout=50)

    assert (process.returncode, out) == (0, "given up\n")


async def test_context_variables_reach_a_thread_and_results_and_errors_come_back() -> None:
    VARIABLE.set("here")

    assert await in_thread(VARIABLE.get) == "here"
    with pytest.raises(ZeroDivisionError):
        await in_thread(partial(divmod, 1, 0))
    with pytest.raises(RuntimeError, match="StopIteration"):
        await in_thread(partial(next, iter(())))


async def test_there_are_never_more_threads_than_allowed() -> None:
    release, running, most = threading.Event(), 0, 0
    lock = threading.Lock()

    def body() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        release.wait(30)
        with lock:
            running -= 1

    async with anyio.create_task_group() as group:
        for _ in range(MOST_THREADS + 5):
            group.start_soon(in_thread, body)
        with anyio.fail_after(10):
            while running < MOST_THREADS:  # noqa: ASYNC110 - threads set no event of the loop
                await anyio.sleep(0.005)
        release.set()

    assert most == MOST_THREADS


async def test_a_call_that_is_given_up_keeps_its_place_until_it_ends() -> None:
    release = threading.Event()
    with anyio.move_on_after(0.05):
        async with anyio.create_task_group() as group:
            for _ in range(MOST_THREADS):
                group.start_soon(in_thread, partial(release.wait, 30))

    with anyio.move_on_after(0.05) as waiting:
        await in_thread(int)
    release.set()

    assert waiting.cancelled_caught
    with anyio.fail_after(10):
        assert await in_thread(int) == 0


@pytest.mark.timeout(60)
@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")
@pytest.mark.parametrize("used_before", [True, False])
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded")
def test_run_sync_in_a_forked_process_has_a_loop_of_its_own(
    used_before: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    @tool
    def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    def made() -> Agent:
        return Agent(ScriptedModel([call("add", a=1, b=2), "done"] * 2), [add])

    agent = made()
    if used_before:
        assert agent.run_sync("warm up").text == "done"
    child = os.fork()
    if child == 0:
        signal.alarm(30)
        code = 1
        try:
            code = 0 if agent.run_sync("work").text == "done" else 2
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)

    assert os.waitstatus_to_exitcode(status) == 0
    assert agent.run_sync("the parent's own loop still turns").text == "done"
    asyncio.run(agent.aclose())

"""Real children: started, watched, started again, stopped within a bound."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import anyio
import psutil
import pytest

from weft.core.errors import ConfigError
from weft.local.processes import Child, Command

SERVER = """
import os, socket, sys, time
s = socket.socket()
s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
s.bind(("127.0.0.1", int(os.environ.get("PORT", "0"))))
s.listen()
print(f"ready http://127.0.0.1:{s.getsockname()[1]}", flush=True)
time.sleep(60)
"""
DEAF = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)\n" + SERVER


def command(tmp_path: Path, code: str, patience: float = 20) -> Command:
    return Command(
        "child",
        (sys.executable, "-c", code),
        tmp_path / "child.log",
        dict(os.environ),
        port_variables=("PORT",),
        patience=patience,
    )


class Told:
    """Hears what is told for people; each `heard` waits for the next."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[str] = asyncio.Queue()

    def __call__(self, name: str, words: str) -> None:
        self.words.put_nowait(f"{name}: {words}")


@asynccontextmanager
async def kept(child: Child) -> AsyncIterator[None]:
    with anyio.fail_after(10):
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(child.keep())
            try:
                await child.ready.wait()
                yield
            finally:
                await child.stop()


async def answering(child: Child) -> None:
    """Return once the child accepts connections again."""
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", urlsplit(child.url).port)
        except OSError:
            continue
        writer.close()
        return


async def test_a_child_that_dies_is_started_again_on_its_port(tmp_path: Path) -> None:
    told = Told()
    child = Child(command(tmp_path, SERVER), told)
    async with kept(child):
        first, address = child.process, child.url
        assert first is not None
        first.kill()
        assert await told.words.get() == "child: died (signal 9), starting it again"
        await answering(child)

        assert child.process is not None
        assert child.process.pid != first.pid
        assert (child.url, child.restarts) == (address, 1)
    assert child.process.returncode is not None


async def test_a_child_that_ends_before_it_is_ready_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "child.log").write_text("words of an earlier start\n")
    child = Child(command(tmp_path, "import sys; sys.exit('the port is\\ntaken')"), Told())

    with pytest.raises(ConfigError) as caught:
        await child.keep()

    log = tmp_path / "child.log"
    assert str(caught.value) == f"child did not start: taken (log: {log})"


async def test_a_silent_death_does_not_repeat_what_an_earlier_start_said(tmp_path: Path) -> None:
    (tmp_path / "child.log").write_text("words of an earlier start\n")

    with pytest.raises(ConfigError, match="child did not start: it said nothing"):
        await Child(command(tmp_path, "raise SystemExit(3)"), Told()).keep()


async def test_a_child_that_never_gets_ready_is_ended_with_its_last_words(tmp_path: Path) -> None:
    code = "import sys, time; print('still waiting', file=sys.stderr, flush=True); time.sleep(60)"
    child = Child(command(tmp_path, code, patience=0.6), Told())

    with anyio.fail_after(5), pytest.raises(ConfigError) as caught:
        await child.keep()

    assert str(caught.value).startswith("child was not ready within 0.6 s: still waiting (log: ")
    assert child.process is not None
    assert child.process.returncode == -signal.SIGKILL


async def test_a_probed_child_that_dies_is_told_at_once(tmp_path: Path) -> None:
    async def never() -> None:
        await anyio.sleep_forever()

    broken = Command(
        "nats", (sys.executable, "-c", "raise SystemExit('bad config')"), tmp_path / "nats.log",
        dict(os.environ), says_ready=False, probe=never,
    )  # fmt: skip

    with anyio.fail_after(5), pytest.raises(ConfigError, match="nats did not start: bad config"):
        await Child(broken, Told()).keep()


async def test_a_child_that_will_not_leave_is_killed_with_what_it_started(tmp_path: Path) -> None:
    spawning = f"import subprocess, sys; subprocess.Popen(['sleep', '60'])\n{DEAF}"
    child = Child(command(tmp_path, spawning), Told())
    async with kept(child):
        assert child.process is not None
        family = psutil.Process(child.process.pid)
        started = family.children(recursive=True)

        await child.stop(within=0.3)

        assert child.process.returncode == -signal.SIGKILL
        gone, alive = await asyncio.to_thread(psutil.wait_procs, started, timeout=3)
        assert (len(gone), alive) == (1, [])


async def test_stopping_does_not_wait_for_the_next_start(tmp_path: Path) -> None:
    told = Told()
    child = Child(command(tmp_path, SERVER), told)
    with anyio.fail_after(5):
        async with kept(child):
            for _ in range(3):
                await answering(child)
                assert child.process is not None
                child.process.kill()
                await told.words.get()
            # The next start is due in 0.8 s or more.
            await child.stop()

    assert child.restarts == 3


@pytest.mark.parametrize("kernel", [True, False], ids=["by the kernel", "by a watcher"])
async def test_the_child_of_a_killed_parent_is_ended(tmp_path: Path, *, kernel: bool) -> None:
    parent = f"""
import asyncio, os, pathlib, sys
from weft.local.orphans import orphan_guard
from weft.local.processes import Child, Command
async def main():
    log = pathlib.Path({str(tmp_path / "child.log")!r})
    command = Command("c", (sys.executable, "-c", {SERVER!r}), log, dict(os.environ))
    async with orphan_guard(kernel={kernel}) as guard:
        child = Child(command, print, guard)
        keeping = asyncio.create_task(child.keep())
        await child.ready.wait()
        print(child.process.pid, flush=True)
        await keeping
asyncio.run(main())
"""
    with anyio.fail_after(15):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", parent, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        child = psutil.Process(int(await process.stdout.readline()))
        process.kill()
        await process.wait()
        gone, _ = await asyncio.to_thread(psutil.wait_procs, [child], timeout=5)
        await process.stdout.read()

    assert gone == [child]

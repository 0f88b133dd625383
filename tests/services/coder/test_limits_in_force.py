"""What a hostile project can do: each limit that is told is tried, by a program that breaks it."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from anyio import to_thread

from services.coder import running
from services.coder.project import Copied
from services.coder.running import LIMITS, Command, Limits, NotRunError, Runner
from tests.conftest import ROOT
from tests.e2e.mesh import until
from tests.services.coder import projects
from tests.services.coder.processes import left_of
from tests.services.coder.projects import ENVIRONMENT, QUICK, made, names_in, needs_shutting_in, ran
from weft.core import JsonObject, loads_object

pytestmark = pytest.mark.timeout(90)
REACHES = """
import json, os, socket, sys
from pathlib import Path
outside, port = sys.argv[1:]
def tried(act):
    try: act(); return True
    except OSError: return False
print(json.dumps({
    "network": tried(lambda: socket.create_connection(("127.0.0.1", int(port)), 3)),
    "written outside": [p for p in (outside, "/usr", "/etc", "/var", "/", os.path.expanduser("~"))
        if tried(lambda: (Path(p) / "weft-was-here").write_text("x")) and p != "/tmp"],
    "read outside": tried(lambda: (Path(outside) / "secret.txt").read_text()),
    "written here": tried(lambda: Path("new.txt").write_text("x")),
    "secrets": [name for name, text in os.environ.items() if "s3cr3t" in text],
    "others": [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, os.getpid())],
    "watcher": tried(lambda: Path("/proc/1/environ").read_bytes()),
    "root": tried(lambda: os.setuid(0)) and os.geteuid() == 0 and os.getuid() == 0,
    "mounts": os.system("mount -o remount,rw / 2>/dev/null") == 0,
}))
"""
NOTHING: JsonObject = {
    "network": False, "written outside": [], "read outside": False, "written here": True,
    "secrets": [], "others": [], "watcher": False, "root": False, "mounts": False,
}  # fmt: skip
FORKS = """
import os, time
made = 0
try:
    while made < 5000:
        if os.fork() == 0:
            time.sleep(600)
            os._exit(0)
        made += 1
except OSError:
    print(made)
"""
BOMB = "import os\nwhile True:\n    try: os.fork()\n    except OSError: pass\n"
HUGE = "x = bytearray(10 << 30)\nprint('taken')\n"
TOGETHER = """
import os, time
for _ in range(8):
    if os.fork() == 0:
        kept = bytearray(b"x" * (200 << 20))
        time.sleep(600)
time.sleep(600)
"""
FILLS = "for n in range(1000):\n    open(f'f{n}', 'wb').write(b'x' * (4 << 20))\n"
LARGE = "open('f', 'wb').write(b'x' * (16 << 20))\n"
LEAVES = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
print('left')
"""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    home = tmp_path / "home"
    needs_shutting_in(home)
    return Runner(home, QUICK)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "project").mkdir()
    return tmp_path / "project"


async def reached(runner: Runner, project: Path) -> JsonObject:
    """Return what a project reaches, where a listener waits for it and a secret lies beside it."""
    outside = made(project.parent / "outside", {"secret.txt": "s3cr3t"})
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        port = listener.getsockname()[1]
        ended = await ran(runner, project, REACHES, str(outside), str(port))
    assert ended.exit_code == 0, ended.output
    return loads_object(ended.output)


async def test_shut_in_there_is_nothing_but_the_copy(
    runner: Runner, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "s3cr3t")

    assert await reached(runner, project) == NOTHING
    assert names_in(project) == ["main.py"]


async def test_processes_are_counted_and_a_bomb_ends_in_time(runner: Runner, project: Path) -> None:
    few = Runner(runner.home, {**QUICK, "processes": 40})
    short = Runner(runner.home, {**QUICK, "processes": 40, "seconds": 1.0})

    counted = await ran(few, project, FORKS)
    bombed = await ran(short, project, BOMB)

    assert 10 < int(counted.output) < 40
    assert (bombed.exit_code, bombed.exceeded) == (None, "time")
    assert left_of() == []


@pytest.mark.parametrize(
    ("code", "words"),
    [(HUGE, "MemoryError"), (FILLS, "No space left on device"), (LARGE, "File too large")],
)
async def test_what_one_process_may_take_is_bounded(
    runner: Runner, project: Path, code: str, words: str
) -> None:
    ended = await ran(runner, project, code)

    assert ended.exit_code == 1
    assert words in ended.output


async def test_memory_is_bounded_for_all_processes_together(runner: Runner, project: Path) -> None:
    ended = await ran(runner, project, TOGETHER)

    assert (ended.exit_code, ended.exceeded) == (None, "memory")


async def test_what_is_said_steers_no_terminal_and_only_its_end_is_kept(
    runner: Runner, project: Path
) -> None:
    ended = await ran(runner, project, "print('x' * 200_000 + '\\x1b[2J\\0\\a\\tend ä')")

    assert ended.output.endswith("x[2J\tend ä\n")
    assert len(ended.output) < 70_000


async def test_cpu_and_time_are_bounded(runner: Runner, project: Path) -> None:
    burning = Runner(runner.home, {**QUICK, "cpu_seconds": 1})
    waiting = Runner(runner.home, {**QUICK, "seconds": 1.0})

    burned = await ran(burning, project, "while True: pass")
    waited = await ran(waiting, project, "import time; print('began', flush=True); time.sleep(600)")

    assert burned.exit_code is not None
    assert burned.exit_code < 0
    assert (waited.exit_code, waited.exceeded, waited.output) == (None, "time", "began\n")


async def test_nobody_outlives_the_command_or_its_cancelling(runner: Runner, project: Path) -> None:
    assert (await ran(runner, project, LEAVES)).output == "left\n"
    assert left_of() == []

    task = asyncio.create_task(ran(runner, project, "import time; time.sleep(600)"))
    await to_thread.run_sync(until, lambda: left_of() != [])
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task

    assert left_of() == []
    assert names_in(runner.home) == []


async def test_what_does_not_run_is_no_report(runner: Runner, project: Path) -> None:
    nowhere = Command(["/nowhere/at/all"], ENVIRONMENT, Copied(project, project))
    small: Limits = {**QUICK, "disk": 1 << 20}
    (project / "big.bin").write_bytes(os.urandom(4 << 20))
    large = Command(["true"], ENVIRONMENT, Copied(project, project, ["big.bin"]))

    with pytest.raises(NotRunError, match="/nowhere/at/all does not start: No such file"):
        await runner.run(nowhere)
    with pytest.raises(NotRunError, match="No space left"):
        await Runner(runner.home, small).run(large)


async def test_a_service_whose_files_are_private_runs_programs_that_are_not(
    runner: Runner, project: Path
) -> None:
    before = os.umask(0o077)
    try:
        ended = await ran(runner, project, "import os; print(os.getcwd())")
    finally:
        os.umask(before)

    assert ended.output == f"{project}\n"


async def test_nothing_is_written_through_a_link_of_the_project(
    runner: Runner, project: Path
) -> None:
    outside = made(project.parent / "outside", {"kept.txt": "kept"})
    (project / "out").symlink_to(outside)
    copied = Copied(project, project, ["out"], {"out/kept.txt": "changed", "out/new.txt": "new"})

    with pytest.raises(NotRunError, match="File exists"):
        await runner.run(Command(["true"], ENVIRONMENT, copied))

    assert (names_in(outside), (outside / "kept.txt").read_text()) == (["kept.txt"], "kept")


@pytest.mark.skipif(os.geteuid() != 0, reason="says what is so of root alone")
async def test_root_runs_nothing_that_is_not_shut_in(tmp_path: Path, project: Path) -> None:
    with pytest.raises(NotRunError, match="no limit of processes binds root"):
        await ran(Runner(tmp_path / "home", QUICK, shut_in=False), project, "print(1)")


@pytest.mark.parametrize("shut_in", [True, False])
async def test_an_ordinary_user_is_held_to_the_same(
    shut_in: bool,  # noqa: FBT001
    tmp_path: Path,
    project: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As an ordinary user the same holds; what is not shut in is bound by the other limits alone."""
    become_ordinary(monkeypatch, tmp_path)
    runner = Runner(tmp_path / "home", {**QUICK, "processes": 40, "seconds": 5.0}, shut_in=shut_in)
    if shut_in:
        needs_shutting_in(tmp_path / "home")

    reaches = await reached(runner, project)
    counted = await ran(runner, project, FORKS)
    together = await ran(runner, project, TOGETHER)

    if shut_in:
        assert reaches == NOTHING
    else:
        assert reaches["network"]
        assert not reaches["secrets"]
    assert 10 < int(counted.output) <= 40
    assert together.exceeded == "memory"
    assert left_of() == []


def become_ordinary(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the program be an ordinary user's, with the system's Python; skip where that cannot be."""
    if os.geteuid() != 0:
        return
    python, setpriv = shutil.which("python3", path="/usr/bin"), shutil.which("setpriv")
    fits = "import sys; sys.exit(sys.version_info < (3, 11))"
    readable = ROOT.stat().st_mode & 0o005
    if (
        not (python and setpriv and readable)
        or subprocess.run([python, "-c", fits], check=False).returncode
    ):
        pytest.skip("there is no Python here that another user may run")
    for above in (tmp_path, tmp_path.parent, tmp_path.parent.parent):
        above.chmod(0o755)
    before, place_before = running._argv, running._new_place

    def argv(report: int) -> list[str]:
        other = [setpriv, "--reuid=65534", "--regid=65534", "--clear-groups"]
        return [*other, python, *before(report)[1:]]

    def place(home: Path) -> str:
        new = place_before(home)
        for directory in (new, f"{new}/copy", f"{new}/root"):
            os.chown(directory, 65534, 65534)
        home.chmod(0o755)
        return new

    monkeypatch.setattr(running, "_argv", argv)
    monkeypatch.setattr(running, "_new_place", place)
    monkeypatch.setattr(projects, "PYTHON", python)
    monkeypatch.setattr(sys, "base_prefix", "/usr")


def test_the_limits_are_what_the_documents_say() -> None:
    document = (ROOT / "docs" / "coder.md").read_text()

    for size in (LIMITS["disk"], LIMITS["file"]):
        assert f"{size >> 20} MiB" in document
    assert f"{LIMITS['memory'] >> 30} GiB" in document
    assert f"{LIMITS['processes']} processes" in document

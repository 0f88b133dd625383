"""A child of `weft up` may print anything: it goes to the child's log, bounded, and hurts nobody."""

import asyncio
import sys
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from tests.libs.local.test_processes import SERVER, Told, answering, command, kept
from weft.local import childlog, processes
from weft.local.childlog import ChildLog
from weft.local.processes import Child


def saying(code: str) -> str:
    return SERVER.replace("time.sleep(60)", f"{code}\ntime.sleep(60)")


async def logged(child: Child, words: bytes) -> bytes:
    """Return the log once `words` are in it."""
    with anyio.fail_after(10):
        while words not in (said := await asyncio.to_thread(child.command.log.read_bytes)):
            await anyio.lowlevel.checkpoint()
    return said


@pytest.mark.parametrize(
    "odd",
    [
        "b'x' * 300_000",
        "b'x' * 300_000 + b'\\n'",
        "bytes(range(256)) * 1000",
        "b'\\xff\\n' * 50_000",
    ],
)
async def test_whatever_a_child_prints_it_lives_and_what_it_prints_next_is_kept(
    odd: str, tmp_path: Path
) -> None:
    code = f"sys.stdout.buffer.write({odd} + b'\\nthe end\\n'); sys.stdout.flush()"
    child = Child(command(tmp_path, saying(code)), Told())
    async with kept(child):
        assert child.process is not None
        said = await logged(child, b"\nthe end\n")

        assert child.process.returncode is None
        assert child.url.startswith("http://127.0.0.1:")
        await answering(child)
    assert child.restarts == 0
    assert max(map(len, said.split(b"\n"))) < 70_000


async def test_every_line_of_both_outputs_is_in_the_log(tmp_path: Path) -> None:
    code = "print('debugging', flush=True); print('a warning', file=sys.stderr, flush=True); print('end', flush=True)"
    child = Child(command(tmp_path, saying(code)), Told())
    async with kept(child):
        said = await logged(child, b"end\n")

    assert b"ready http://127.0.0.1:" in said
    assert {b"debugging", b"a warning", b"end"} <= set(said.splitlines())


@pytest.mark.parametrize("output", ["sys.stdout", "sys.stderr"])
async def test_a_child_that_never_stops_printing_fills_no_disk(
    output: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(childlog, "LOG_BYTES", 100_000)
    monkeypatch.setattr(processes, "BOUND_SECONDS", 0.01)
    line = f"print('endless ' * 100, file={output}, flush=True); time.sleep(0.001)"
    child = Child(command(tmp_path, saying(f"while True: {line}")), Told())
    older = tmp_path / "child.log.1"
    async with kept(child):
        with anyio.fail_after(10):
            while not await asyncio.to_thread(older.exists):
                await anyio.lowlevel.checkpoint()
        assert child.restarts == 0

    assert 0 < older.stat().st_size <= 100_000


async def test_a_line_without_end_is_cut_and_its_child_lives(tmp_path: Path) -> None:
    endless = "while True: sys.stdout.write('x' * 50_000); sys.stdout.flush(); time.sleep(0.001)"
    child = Child(command(tmp_path, saying(endless)), Told())
    async with kept(child):
        said = await logged(child, childlog.CUT)
        await answering(child)

        assert child.restarts == 0
    assert len(said) < 100_000


async def test_words_that_only_look_ready_change_no_address(tmp_path: Path) -> None:
    code = "print('ready to go'); print('ready http://127.0.0.1:99999999', flush=True); print('end', flush=True)"
    told = Told()
    child = Child(command(tmp_path, saying(code)), told)
    async with kept(child):
        address = child.url
        await logged(child, b"end\n")
        assert child.process is not None
        child.process.kill()
        await told.words.get()
        await answering(child)

        assert child.url == address


async def test_a_crash_loop_is_said_once_with_its_log_and_ends_when_its_cause_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(processes, "MAX_DELAY", 0.01)
    monkeypatch.setattr(processes, "LOOP_DELAY", 0.02)
    monkeypatch.setattr(processes, "STEADY_SECONDS", 0.5)
    broken = tmp_path / "broken"
    told = Told()
    code = f"import pathlib, sys\nif pathlib.Path({str(broken)!r}).exists(): sys.exit(3)\n{SERVER}"
    child = Child(command(tmp_path, code), told)
    async with kept(child):
        broken.touch()
        assert child.process is not None
        child.process.kill()
        said = [await told.words.get() for _ in range(processes.LOOP_DEATHS)]
        restarts = child.restarts
        with anyio.fail_after(10):
            while child.restarts < restarts + 2:
                await anyio.lowlevel.checkpoint()
        silent = told.words.empty()
        broken.unlink()
        after = await told.words.get()

    assert said[1] == "child: died (exit code 3), starting it again"
    assert "crash loop: 5 ends in " in said[-1]
    assert str(tmp_path / "child.log") in said[-1]
    assert silent
    assert after == f"child: is up again, after {child.restarts} restarts"


async def test_a_child_that_cannot_be_run_for_a_while_ends_nobody(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    told = Told()
    given = command(tmp_path, SERVER)
    child = Child(replace(given, argv=(str(python), *given.argv[1:])), told)
    async with kept(child):
        python.rename(tmp_path / "gone")
        assert child.process is not None
        child.process.kill()
        said = [await told.words.get() for _ in range(2)]
        (tmp_path / "gone").rename(python)
        await answering(child)

    assert said[1] == "child: cannot be run (No such file or directory), starting it again"


async def test_a_reader_of_the_words_that_left_ends_no_child(tmp_path: Path) -> None:
    told = Told()

    def tell(name: str, words: str) -> None:
        told(name, words)
        raise BrokenPipeError

    child = Child(command(tmp_path, SERVER), tell)
    async with kept(child):
        assert child.process is not None
        child.process.kill()
        await told.words.get()
        await answering(child)


def test_a_line_is_cut_wherever_its_parts_end(tmp_path: Path) -> None:
    log = ChildLog(tmp_path / "log")
    for part in (b"a" * 40_000, b"a" * 40_000, b"a" * 90_000, b"b\nnext", b" line\n", b"last"):
        log.append(part)
    log.finish()

    first, second, third = (tmp_path / "log").read_bytes().splitlines()

    assert first == b"a" * childlog.LINE_BYTES + childlog.CUT
    assert (second, third) == (b"next line", b"last")

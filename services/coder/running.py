"""Runs a command on a copy of the project, in a program of its own that shuts it in."""

import asyncio
import json
import os
import platform
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from anyio import CapacityLimiter, to_thread

from services.coder.order import Limits, Order
from services.coder.project import Copied
from weft.core import JsonObject, loads_object

__all__ = [
    "LIMITS",
    "LINUX",
    "Command",
    "Limits",
    "NotRunError",
    "Ran",
    "Runner",
    "why_not_shut_in",
]

LIMITS: Limits = {
    "seconds": 120.0,
    "cpu_seconds": 60,
    "memory": 4 << 30,
    "disk": 256 << 20,
    "file": 64 << 20,
    "processes": 128,
    "open_files": 512,
}
_PROGRAM = (
    "import sys; sys.path.insert(0, sys.argv[1]); from services.coder.confined import main; main()"
)
_ROOT = Path(__file__).parents[2]
"""Where `services` lies: the program knows no other place to look for modules."""
LINUX = "Linux"
_MOST_OUTPUT = 64 << 10
_BESIDE = 60.0
"""Seconds for all that is not the command: making the copy, and ending what it started."""
_ENDING = 5.0

Exceeded = Literal["time", "memory"]


class NotRunError(Exception):
    """The command did not run, and why; that says nothing of what it would have come to."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to run on which copy."""

    argv: Sequence[str]
    environment: Mapping[str, str]
    copied: Copied
    readable: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended."""

    exit_code: int | None
    """None: it was ended; below 0 by the signal of that number."""
    exceeded: Exceeded | None
    output: str
    """The end of what it said."""
    seconds: float


@dataclass(frozen=True, slots=True)
class Runner:
    """Runs commands, a few at a time, each within `limits`.

    Where `shut_in` is False nothing but those limits holds: a command reaches the network, and
    whatever this user may read and write.
    """

    home: Path
    """Where a command's own place is made, and taken away again."""
    limits: Limits
    shut_in: bool = True
    turns: CapacityLimiter = field(default_factory=lambda: CapacityLimiter(2))

    async def run(self, command: Command) -> Ran:
        """Return how it ended; cancelling ends it, and all that it started.

        Raises:
            NotRunError: It did not run.
        """
        async with self.turns:
            place = Path(await to_thread.run_sync(_new_place, self.home))
            try:
                return await self._run_in(command, place)
            finally:
                await to_thread.run_sync(_removed, place)

    async def _run_in(self, command: Command, place: Path) -> Ran:
        order = _order(command, place, self.limits, shut_in=self.shut_in)
        began = time.monotonic()
        async with _program(order) as program:
            try:
                async with asyncio.timeout(self.limits["seconds"] + _BESIDE):
                    await program.ended()
            except TimeoutError as error:
                raise NotRunError("it could not be ended in its time") from error
            report, words = program.report(), program.output.decode("utf-8", "replace")
        return _outcome(report, words, time.monotonic() - began)


def why_not_shut_in(home: Path) -> str | None:
    """Return why this machine shuts no command in; None where it does. Tries it, and waits."""
    if platform.system() != LINUX:
        return f"{platform.system()} has no namespaces"
    place = Path(_new_place(home))
    command = Command(["true"], {"PATH": "/usr/bin:/bin"}, Copied(place / "copy", place / "copy"))
    order = _order(command, place, LIMITS, shut_in=True)
    reading, writing = os.pipe()
    try:
        subprocess.run(  # noqa: S603 - our own program
            _argv(writing),
            input=json.dumps(order).encode(),
            pass_fds=(writing,),
            env={},
            capture_output=True,
            check=False,
            timeout=_BESIDE,
        )
        _outcome(_read(reading), "", 0.0)
    except NotRunError as error:
        return str(error)
    except subprocess.TimeoutExpired:
        return "it takes too long"
    finally:
        os.close(reading)
        os.close(writing)
        _removed(place)
    return None


@dataclass(slots=True)
class _Program:
    """The program while it runs."""

    process: asyncio.subprocess.Process
    reading: int
    output: bytearray = field(default_factory=bytearray)

    async def ended(self) -> None:
        listening = asyncio.create_task(self._listen())
        try:
            await self.process.wait()
            # Where a command is not shut in, what it left behind may hold its output open.
            await asyncio.wait({listening}, timeout=_ENDING)
        finally:
            listening.cancel()
            await asyncio.wait({listening})

    async def _listen(self) -> None:
        assert self.process.stdout is not None  # noqa: S101 - it was asked for
        while chunk := await self.process.stdout.read(1 << 16):
            self.output += chunk
            del self.output[:-_MOST_OUTPUT]

    def report(self) -> JsonObject:
        return _read(self.reading)


@asynccontextmanager
async def _program(order: Order) -> AsyncIterator[_Program]:
    reading, writing = os.pipe()
    try:
        try:
            process = await asyncio.create_subprocess_exec(
                *_argv(writing),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                pass_fds=(writing,),
                env={},
                start_new_session=True,
            )
        finally:
            os.close(writing)
        try:
            assert process.stdin is not None  # noqa: S101 - it was asked for
            process.stdin.write(json.dumps(order).encode())
            process.stdin.close()
            yield _Program(process, reading)
        finally:
            await _end(process)
    finally:
        os.close(reading)


async def _end(process: asyncio.subprocess.Process) -> None:
    """End the program, which first ends what it started; then whoever is left of its group."""
    if process.returncode is None:
        with suppress(ProcessLookupError):
            process.terminate()
        waiting = asyncio.create_task(process.wait())
        await asyncio.wait({waiting}, timeout=_ENDING)
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        await waiting


def _argv(report: int) -> list[str]:
    return [sys.executable, "-I", "-S", "-c", _PROGRAM, str(_ROOT), str(report)]


def _order(command: Command, place: Path, limits: Limits, *, shut_in: bool) -> Order:
    copied, environment = command.copied, dict(command.environment)
    if not shut_in:
        # An environment that knows the project by its path would load what is there.
        environment["PYTHONPATH"] = f"{place}/copy{os.pathsep}{place}/copy/src"
    return {
        "argv": list(command.argv),
        "environment": environment,
        "source": str(copied.source),
        "files": list(copied.files),
        "changes": dict(copied.changes),
        "place": str(copied.seen_at if shut_in else place / "copy"),
        "linked": list(copied.linked),
        "readable": list(command.readable),
        "shut_in": shut_in,
        "stage": str(place / "root"),
        "limits": limits,
    }


def _new_place(home: Path) -> str:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    place = tempfile.mkdtemp(prefix="run-", dir=home)
    for name in ("copy", "root"):
        Path(place, name).mkdir()
    return place


def _removed(place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)


def _read(report: int) -> JsonObject:
    """Return what the program said, which has ended: nothing is waited for."""
    os.set_blocking(report, False)
    try:
        lines = os.read(report, 1 << 16).splitlines()
    except BlockingIOError:
        lines = []
    return {name: value for line in lines for name, value in loads_object(line).items()}


def _outcome(report: JsonObject, output: str, seconds: float) -> Ran:
    if "cannot" in report:
        raise NotRunError(str(report["cannot"]))
    if "exceeded" not in report:
        words = output.strip().splitlines()[-1:] or ["it says nothing"]
        raise NotRunError(f"what watches the command was ended: {words[0]}")
    exceeded, code = report["exceeded"], report["exit_code"]
    # It may be shown on a terminal, and stored: nothing in it steers either.
    shown = "".join(char for char in output if char.isprintable() or char in "\n\t")
    return Ran(
        code if isinstance(code, int) else None,
        "time" if exceeded == "time" else "memory" if exceeded == "memory" else None,
        shown,
        seconds,
    )

"""Child processes of `weft up`: started, watched, started again when they die, stopped."""

import asyncio
import ctypes
import os
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from weft.core.errors import ConfigError

READY = "ready "
START_SECONDS = 20.0
STOP_SECONDS = 8.5
STEADY_SECONDS = 10.0
"""A process that lived this long may be started again at once when it dies."""
MAX_DELAY = 5.0
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class Command:
    """A process to keep running; its output goes to `log`."""

    name: str
    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    says_ready: bool = True
    """It prints `ready <url>`; otherwise it is ready once `probe` returns."""
    port_variables: Sequence[str] = ()
    """Set to the port it first listened on when it is started again: its address stays."""
    probe: Callable[[], Awaitable[None]] | None = None
    """Returns once it answers, for one that does not say so."""
    patience: float = START_SECONDS
    """Seconds it may take to get ready; then it is ended."""


@dataclass(slots=True)
class Child:
    """A command and the process that runs it now."""

    command: Command
    tell: Callable[[str, str], None]
    """Hears (name, what happened), for people."""
    process: asyncio.subprocess.Process | None = None
    url: str = ""
    restarts: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _log_start: int = 0
    """How long the log was before this start: what stands there was said by another."""
    _late: bool = False

    async def keep(self) -> None:
        """Run the command again and again, until `stop`.

        Raises:
            ConfigError: It ended, or took too long, before it was ready for the first time.
        """
        delay = 0.1
        while not self._stopping.is_set():
            began = asyncio.get_running_loop().time()
            how = _how(await self._run())
            if self._told_to_stop():
                return
            if self._late:
                how = f"was not ready within {self.command.patience:g} s"
            if not self.ready.is_set():
                wrong = how if self._late else "did not start"
                raise ConfigError(f"{self.command.name} {wrong}: {await self._last_words()}")
            lived = asyncio.get_running_loop().time() - began
            delay = 0.1 if lived > STEADY_SECONDS else min(delay * 2, MAX_DELAY)
            self.restarts += 1
            self.tell(self.command.name, f"{how}, starting it again")
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()

    def _told_to_stop(self) -> bool:
        return self._stopping.is_set()

    async def _start(self) -> asyncio.subprocess.Process:
        with self.command.log.open("ab") as log:
            self._log_start = log.tell()
            self.process = await asyncio.create_subprocess_exec(
                *self.command.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if self.command.says_ready else log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        return self.process

    async def _run(self) -> int:
        starting = asyncio.create_task(self._start())
        try:
            process = await asyncio.shield(starting)
        except asyncio.CancelledError:
            # A half-started process would be nobody's; a whole one is ended by `stop`.
            await asyncio.wait({starting})
            raise
        if self._stopping.is_set():
            self._signal(signal.SIGTERM)
        up = asyncio.Event()
        async with asyncio.TaskGroup() as tasks:
            watching = [
                tasks.create_task(self._until_up(process, up)),
                tasks.create_task(self._end_if_late(up)),
            ]
            code = await process.wait()
            for task in watching:
                task.cancel()
        return code

    async def _until_up(self, process: asyncio.subprocess.Process, up: asyncio.Event) -> None:
        if process.stdout is None:
            if self.command.probe is not None:
                await self.command.probe()
            up.set()
            self.ready.set()
            return
        async for line in process.stdout:
            text = line.decode(errors="replace").strip()
            if text.startswith(READY):
                self.url = text.removeprefix(READY)
                up.set()
                self.ready.set()

    async def _end_if_late(self, up: asyncio.Event) -> None:
        self._late = False
        try:
            async with asyncio.timeout(self.command.patience):
                await up.wait()
        except TimeoutError:
            self._late = True
            self._signal(signal.SIGKILL)

    def _environment(self) -> dict[str, str]:
        environment = dict(self.command.environment)
        port = urlsplit(self.url).port
        if port is not None:
            environment.update(dict.fromkeys(self.command.port_variables, str(port)))
        return environment

    async def stop(self, *, within: float = STOP_SECONDS) -> None:
        """Ask it to leave, and end it and whatever it started after `within` seconds."""
        self._stopping.set()
        if self.process is None or self.process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(within):
                await self.process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.process is None or self.process.returncode is not None:
            return
        if number is signal.SIGKILL:
            # Each child leads a group of its own; what it started dies with it.
            with suppress(ProcessLookupError):
                os.killpg(self.process.pid, number)
        else:
            self.process.send_signal(number)

    async def _last_words(self) -> str:
        return await asyncio.to_thread(self._read_last_words)

    def _read_last_words(self) -> str:
        with self.command.log.open("rb") as log:
            log.seek(self._log_start)
            lines = log.read().decode(errors="replace").splitlines()
        # A traceback of grouped errors ends in lines that only draw its frame.
        words = [text for line in lines if (text := line.strip(" |+-"))]
        return f"{words[-1][:300] if words else 'it said nothing'} (log: {self.command.log})"


def _how(code: int) -> str:
    return f"died ({f'signal {-code}' if code < 0 else f'exit code {code}'})"


def _die_with_parent() -> None:
    # A killed `weft up` can tidy up nothing; the kernel then ends its children.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

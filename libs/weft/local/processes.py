"""Child processes of `weft up`: started, watched, started again when they die, stopped."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from weft.core.errors import ConfigError
from weft.core.private_files import UMASK
from weft.core.supervision import guarded
from weft.local.childlog import ChildLog
from weft.local.orphans import KernelGuard, OrphanGuard

START_SECONDS = 20.0
STOP_SECONDS = 8.5
STEADY_SECONDS = 10.0
"""A process that lived this long may be started again at once when it dies."""
MAX_DELAY = 5.0
LOOP_DELAY = 30.0
"""The longest pause before the next start of one that dies again and again before it is ready."""
LOOP_DEATHS = 5
LOOP_SECONDS = 60.0
"""So many deaths within this time are a crash loop: that is said once, instead of each death."""
BOUND_SECONDS = 1.0
"""How often a log is looked at for having grown too long."""
CHUNK_BYTES = 64 * 1024
READY = b"ready "
MAX_URL = 2000


@dataclass(frozen=True, slots=True)
class Command:
    """A process to keep running; its output goes to `log`."""

    name: str
    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str]
    says_ready: bool = True
    """It prints `ready <url>` first; otherwise it is ready once `probe` returns."""
    port_variables: Sequence[str] = ()
    """Set to the port it first listened on when it is started again: its address stays."""
    probe: Callable[[], Awaitable[None]] | None = None
    """Returns once it answers, for one that does not say so."""
    patience: float = START_SECONDS
    """Seconds it may take to get ready; then it is ended."""


@dataclass(slots=True)
class Child:
    """A command and the process that runs it now.

    Whatever the process prints or does, and whatever becomes of its log, hurts nobody else.
    """

    command: Command
    tell: Callable[[str, str], None]
    """Hears (name, what happened), for people."""
    guard: OrphanGuard = field(default_factory=KernelGuard)
    process: asyncio.subprocess.Process | None = None
    url: str = ""
    restarts: int = 0
    ready: asyncio.Event = field(default_factory=asyncio.Event)
    _stopping: asyncio.Event = field(default_factory=asyncio.Event)
    _log: ChildLog = field(init=False)
    _deaths: deque[float] = field(default_factory=lambda: deque(maxlen=LOOP_DEATHS))
    _looping: bool = False
    _up: asyncio.Event = field(default_factory=asyncio.Event)
    """The present process is ready."""
    _late: bool = False

    def __post_init__(self) -> None:
        self._log = ChildLog(self.command.log)

    async def keep(self) -> None:
        """Run the command again and again, until `stop`.

        Raises:
            ConfigError: It ended, or took too long, before it was ready for the first time.
        """
        delay = 0.1
        while not self._stopping.is_set():
            began = asyncio.get_running_loop().time()
            how = await self._lived()
            if self._told_to_stop():
                return
            if not self.ready.is_set():
                wrong = how if self._late else "did not start"
                raise ConfigError(f"{self.command.name} {wrong}: {await self._last_words(how)}")
            ended = asyncio.get_running_loop().time()
            steady = ended - began > STEADY_SECONDS
            longest = MAX_DELAY if self._up.is_set() else LOOP_DELAY
            delay = 0.1 if steady else min(delay * 2, longest)
            self.restarts += 1
            self._tell_of(how, ended)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._stopping.wait()

    def _tell_of(self, how: str, ended: float) -> None:
        """Say how the process ended; of one that does so again and again, once that it does."""
        self._deaths.append(ended)
        within = ended - self._deaths[0]
        if len(self._deaths) < LOOP_DEATHS or within > LOOP_SECONDS:
            self._looping = False
            self._say(f"{how}, starting it again")
        elif not self._looping:
            self._looping = True
            self._say(
                f"{how}; this is a crash loop: {LOOP_DEATHS} ends in {within:.0f} s. See "
                f"{self.command.log}; it is tried again, at most every {LOOP_DELAY:g} s",
            )

    def _say(self, words: str) -> None:
        # Whoever read them may be gone.
        with guarded("words for people"):
            self.tell(self.command.name, words)

    def _told_to_stop(self) -> bool:
        return self._stopping.is_set()

    async def _lived(self) -> str:
        """Run the command once and return how that ended."""
        self._up.clear()
        self._late = False
        try:
            code = await self._run()
        except OSError as error:
            # No process, memory, descriptor or disk to be had; that may pass.
            return f"cannot be run ({error.strerror})"
        if self._late:
            return f"was not ready within {self.command.patience:g} s"
        return f"died ({f'signal {-code}' if code < 0 else f'exit code {code}'})"

    async def _start(self) -> asyncio.subprocess.Process:
        log = await asyncio.to_thread(self._log.open)
        try:
            self.process = await asyncio.create_subprocess_exec(
                *self.command.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if self.command.says_ready else log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
                preexec_fn=self.guard.before_exec,
                umask=UMASK,
            )
        finally:
            os.close(log)
        self.guard.started(self.process.pid)
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
        async with asyncio.TaskGroup() as tasks:
            watching = [
                tasks.create_task(self._until_up(process)),
                tasks.create_task(self._end_if_late()),
                tasks.create_task(self._bound_log()),
                tasks.create_task(self._end_of_loop()),
            ]
            code = await process.wait()
            for task in watching[1:]:
                task.cancel()
            # What it said at last is on its way; what it started may keep the pipe open for ever.
            await asyncio.wait(watching[:1], timeout=1)
            watching[0].cancel()
        self.guard.ended(process.pid)
        return code

    async def _until_up(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            if self.command.probe is not None:
                await self.command.probe()
            self._is_up()
            return
        line = b""
        while said := await process.stdout.read(CHUNK_BYTES):
            # A log that cannot be written is no reason to let the child wait for its reader.
            with guarded(f"log of {self.command.name}"):
                await asyncio.to_thread(self._log.append, said)
            if not self._up.is_set():
                *lines, line = (line + said).split(b"\n")
                line = line[-CHUNK_BYTES:]
                self._look_for_url(lines)
        with guarded(f"log of {self.command.name}"):
            await asyncio.to_thread(self._log.finish)

    def _look_for_url(self, lines: Sequence[bytes]) -> None:
        for line in lines:
            if (url := _url(line)) is not None:
                self.url = url
                self._is_up()
                return

    def _is_up(self) -> None:
        self._up.set()
        self.ready.set()

    async def _bound_log(self) -> None:
        while True:
            await asyncio.sleep(BOUND_SECONDS)
            with guarded(f"log of {self.command.name}"):
                await asyncio.to_thread(self._log.bound)

    async def _end_of_loop(self) -> None:
        await self._up.wait()
        await asyncio.sleep(STEADY_SECONDS)
        if self._looping:
            self._looping = False
            self._deaths.clear()
            self._say(f"is up again, after {self.restarts} restarts")

    async def _end_if_late(self) -> None:
        try:
            async with asyncio.timeout(self.command.patience):
                await self._up.wait()
        except TimeoutError:
            self._late = True
            self._signal(signal.SIGKILL)

    def _environment(self) -> dict[str, str]:
        environment = dict(self.command.environment)
        if (port := _port(self.url)) is not None:
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

    async def _last_words(self, how: str) -> str:
        try:
            return await asyncio.to_thread(self._log.last_words)
        except OSError:
            return how


def _url(line: bytes) -> str | None:
    """Return where the process is reached, if that is what the line says."""
    said = line.strip()
    url = said.removeprefix(READY)
    is_url = url.startswith((b"http://", b"https://")) and len(url) <= MAX_URL
    if url == said or not is_url or not url.isascii() or len(url.split()) != 1:
        return None
    return url.decode()


def _port(url: str) -> int | None:
    try:
        return urlsplit(url).port
    except ValueError:
        # It said so itself; a free one will do.
        return None

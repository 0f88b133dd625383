"""Child processes of `weft up`: started, watched, started again when they die, stopped."""

import asyncio
import ctypes
import signal
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from weft.core.errors import ConfigError

READY = "ready "
START_SECONDS = 20.0
STOP_SECONDS = 8.0
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
    """It prints `ready <url>`; otherwise it counts as ready once started."""
    port_variable: str | None = None
    """Set to the port it first listened on when it is started again: its address stays."""
    probe: Callable[[], Awaitable[None]] | None = None
    """Returns once it answers, for one that does not say so."""


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
    stopping: bool = False

    async def keep(self) -> None:
        """Run the command again and again, until `stop`.

        Raises:
            ConfigError: It ended before it was ready for the first time.
        """
        delay = 0.1
        while not self.stopping:
            began = asyncio.get_running_loop().time()
            code = await self._run()
            if self._told_to_stop():
                return
            if not self.ready.is_set():
                raise ConfigError(f"{self.command.name} did not start: {self._last_words()}")
            lived = asyncio.get_running_loop().time() - began
            delay = 0.1 if lived > STEADY_SECONDS else min(delay * 2, MAX_DELAY)
            self.restarts += 1
            self.tell(self.command.name, f"died ({_how(code)}), starting it again")
            await asyncio.sleep(delay)

    def _told_to_stop(self) -> bool:
        return self.stopping

    async def _run(self) -> int:
        with self.command.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *self.command.argv,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if self.command.says_ready else log,
                stderr=log,
                env=self._environment(),
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )
        if self.stopping:
            self._signal(signal.SIGTERM)
        if not self.command.says_ready:
            async with asyncio.timeout(START_SECONDS):
                if self.command.probe is not None:
                    await self.command.probe()
            self.ready.set()
        elif self.process.stdout is not None:
            async for line in self.process.stdout:
                text = line.decode(errors="replace").strip()
                if text.startswith(READY):
                    self.url = text.removeprefix(READY)
                    self.ready.set()
        return await self.process.wait()

    def _environment(self) -> dict[str, str]:
        environment = dict(self.command.environment)
        port = urlsplit(self.url).port
        if self.command.port_variable is not None and port is not None:
            environment[self.command.port_variable] = str(port)
        return environment

    async def stop(self) -> None:
        """Ask it to leave, and end it after `STOP_SECONDS`."""
        self.stopping = True
        if self.process is None or self.process.returncode is not None:
            return
        self._signal(signal.SIGTERM)
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self.process.wait()
        except TimeoutError:
            self._signal(signal.SIGKILL)
            await self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.send_signal(number)

    def _last_words(self) -> str:
        lines = self.command.log.read_text(errors="replace").splitlines()
        # A traceback of grouped errors ends in lines that only draw its frame.
        words = [text for line in lines if (text := line.strip(" |+-"))]
        return f"{words[-1][:300] if words else 'it said nothing'} (log: {self.command.log})"


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _die_with_parent() -> None:
    # A killed `weft up` can tidy up nothing; the kernel then ends its children.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)

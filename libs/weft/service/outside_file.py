"""The file of agents outside the mesh: changed by a person, read again by router and gateway."""

import logging
from collections.abc import Callable
from pathlib import Path

import anyio

from weft.catalog.outside import OUTSIDE_FILE, OutsideAgent, read_outside, written_outside
from weft.core import SYSTEM_CLOCK, Clock
from weft.core.errors import ConfigError
from weft.core.private_files import (
    NotAFileError,
    locked,
    make_private_directory,
    read_file,
    write_private,
)

__all__ = ["OutsideFile"]

log = logging.getLogger(__name__)

REREAD_SECONDS = 2.0


class OutsideFile:
    """Who is outside, as last written down; where there is no file, nobody."""

    def __init__(self, path: Path, clock: Clock = SYSTEM_CLOCK) -> None:
        self.path = path
        self.agents: tuple[OutsideAgent, ...] = ()
        """As last read."""
        self._clock = clock
        self._stamp: tuple[int, int, int] | None = None
        self._read_at = float("-inf")

    @classmethod
    def of(cls, path: Path | None, home: Path) -> "OutsideFile":
        """Return the file at `path`, by default the one in `home`."""
        return cls(path or home / OUTSIDE_FILE)

    async def current(self) -> tuple[OutsideAgent, ...]:
        """Return who is outside now, at most 2 s late; of a file that cannot be read, who was before."""
        now = self._clock.monotonic()
        if now - self._read_at >= REREAD_SECONDS:
            self._read_at = now
            try:
                await anyio.to_thread.run_sync(self.read)
            except (ConfigError, OSError):
                log.exception("outside_agents_unreadable", extra={"path": str(self.path)})
        return self.agents

    def read(self) -> tuple[OutsideAgent, ...]:
        """Read the file if it changed; it blocks.

        Raises:
            ConfigError: It cannot be understood.
        """
        try:
            stat = self.path.stat()
            stamp = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
            if stamp != self._stamp:
                self.agents = read_outside(read_file(self.path))
                self._stamp = stamp
        except FileNotFoundError:
            self.agents, self._stamp = (), None
        except (ConfigError, NotAFileError) as error:
            raise ConfigError(f"{self.path}: {error}; mend it, or remove it") from error
        return self.agents

    def change(self, alter: Callable[[tuple[OutsideAgent, ...]], tuple[OutsideAgent, ...]]) -> None:
        """Read, alter and write the file while nobody else does.

        Raises:
            ConfigError: What it would hold excludes each other.
        """
        make_private_directory(self.path.parent)
        with locked(self.path.with_name(f".{self.path.name}.lock")):
            write_private(self.path, written_outside(alter(self.read())))
            self.read()

"""The live sources of one analyst: recorded before a run, forgotten after it."""

import asyncio
import secrets
import shutil
from dataclasses import dataclass
from pathlib import Path

from incidents.live.endpoints import Endpoint, Kind, endpoint
from incidents.live.recording import record
from incidents.live_windows import LiveWindows
from incidents.recordings import kept

__all__ = ["LiveSource", "LiveSources"]


@dataclass(frozen=True, slots=True)
class LiveSource:
    """One system, as its operator set it."""

    kind: Kind
    url: str
    token_file: Path | None = None
    tenant: str = ""

    def opened(self) -> Endpoint:
        """Return where it answers, with its token as it stands now; raises `ConfigError`."""
        return endpoint(self.kind, self.url, token_file=self.token_file, tenant=self.tenant)


@dataclass(frozen=True, slots=True)
class LiveSources:
    """What an analyst may ask, and where it keeps the answers while they are looked at."""

    sources: tuple[LiveSource, ...]
    spool: Path

    async def recorded(self, windows: LiveWindows) -> str:
        """Read every source for `windows`; return the name below `spool` of what was read.

        Raises:
            ConfigError: A token cannot be read any more.
        """
        endpoints = await asyncio.to_thread(lambda: [source.opened() for source in self.sources])
        name = secrets.token_hex(16)
        directory = self.spool / name
        await asyncio.to_thread(directory.mkdir, mode=0o700)
        try:
            recording = await record(endpoints, windows, directory)
            await asyncio.to_thread(kept, recording, directory)
        except BaseException:
            # Cancelled too; what was written by then is small.
            self.forget(name)
            raise
        return name

    def forget(self, name: str) -> None:
        """Remove what was read; blocking."""
        shutil.rmtree(self.spool / name, ignore_errors=True)

"""The live sources of one analyst: recorded before a run, forgotten after it."""

import asyncio
import secrets
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from incidents.live.endpoints import Endpoint, Kind, endpoint
from incidents.live.recording import LiveFile, Recording, Windows, record
from incidents.live.reply import Part
from incidents.problems import FileProblem
from incidents.times import moment
from weft.core import JsonValue, Record
from weft.core.errors import InputError
from weft.core.result import Window

__all__ = ["LiveSource", "LiveSources", "recorded", "windows_of"]

INCIDENT_SECONDS = 900.0
"""What is looked at where nobody said when: the last quarter of an hour."""
LEAD_SECONDS = 300.0
"""An alert fires after its fault began: so much before it belongs to the incident still."""
BASELINE_SECONDS = 3_600.0
MOST_SECONDS = 86_400.0
_MANIFEST = "manifest.json"
_LEAST_SECONDS = 60.0


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
    """What an analyst may ask, and where it keeps the answers while it looks at them."""

    sources: tuple[LiveSource, ...]
    spool: Path

    async def recorded(self, windows: Windows) -> str:
        """Read every source for `windows`; return the name below `spool` of what was read.

        Raises:
            ConfigError: A token cannot be read any more.
        """
        name = secrets.token_hex(16)
        directory = self.spool / name
        await asyncio.to_thread(directory.mkdir, mode=0o700, parents=True)
        try:
            recording = await record([one.opened() for one in self.sources], windows, directory)
            manifest = _Manifest.of(recording, directory).model_dump_json().encode()
            await asyncio.to_thread((directory / _MANIFEST).write_bytes, manifest)
        except BaseException:
            # Cancelled too; what was written is small, and this takes no time to speak of.
            self.forget(name)
            raise
        return name

    def forget(self, name: str) -> None:
        """Remove what was read; blocking."""
        shutil.rmtree(self.spool / name, ignore_errors=True)


def recorded(directory: Path) -> Recording:
    """Return what stands in a directory that `LiveSources.recorded` made; blocking."""
    manifest = _Manifest.model_validate_json((directory / _MANIFEST).read_bytes())
    return Recording(
        [LiveFile(directory / file[0], *file[1:]) for file in manifest.files],
        [FileProblem(file, problem) for file, problem in manifest.problems],
    )


class _Manifest(Record):
    """What was read, as it is handed to the process that looks at it."""

    files: tuple[tuple[str, str, str, Part], ...]
    """Path below the directory, URL, signal, part."""
    problems: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, recording: Recording, directory: Path) -> "_Manifest":
        return cls(
            files=tuple(
                (str(file.path.relative_to(directory)), file.url, file.signal, file.part)
                for file in recording.files
            ),
            problems=tuple((one.file, one.problem) for one in recording.problems),
        )


def windows_of(metadata: Mapping[str, JsonValue], *, now: float) -> Windows:
    """Return what to look at: the window that is named, around an alert, or what just was.

    Raises:
        InputError: A window that is named is none.
    """
    incident = _named(metadata.get("window"), now)
    if incident is None:
        alert = moment(metadata.get("alert_time"))
        if alert is None:
            incident = Window(start=now - INCIDENT_SECONDS, end=now)
        else:
            end = min(now, alert + INCIDENT_SECONDS)
            incident = Window(start=alert - LEAD_SECONDS, end=max(end, alert + _LEAST_SECONDS))
    length = max(BASELINE_SECONDS, incident.end - incident.start)
    return Windows(incident, Window(start=incident.start - length, end=incident.start))


def _named(value: JsonValue, now: float) -> Window | None:
    if value is None:
        return None
    if not isinstance(value, dict):
        raise InputError("window is an object with start and end", field="window")
    start, end = moment(value.get("start")), moment(value.get("end"))
    if start is None and end is None:
        raise InputError("window has neither a start nor an end that is a time", field="window")
    end = now if end is None else end
    start = end - INCIDENT_SECONDS if start is None else start
    if not 0 < end - start <= MOST_SECONDS:
        raise InputError(
            f"window must end after its start, and be no longer than {MOST_SECONDS:.0f} s",
            field="window",
        )
    return Window(start=start, end=end)

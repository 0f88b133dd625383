"""What was read of live systems, as it is handed to the process that looks at it; no network."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from incidents.problems import FileProblem
from weft.core import Record

__all__ = ["LiveFile", "Part", "Recording", "Signal", "kept", "recording_in"]

Part = Literal["incident", "baseline"]
Signal = Literal["logs", "traces", "metrics"]
_MANIFEST = "manifest.json"


@dataclass(frozen=True, slots=True)
class LiveFile:
    """A reply on disk; it is called by the address of its query, which shows the same again."""

    path: Path
    url: str
    signal: Signal
    part: Part


@dataclass(slots=True)
class Recording:
    """What was read of live sources, and what was not."""

    files: list[LiveFile] = field(default_factory=list)
    problems: list[FileProblem] = field(default_factory=list)


class _Manifest(Record):
    files: tuple[tuple[str, str, Signal, Part], ...]
    """Path below the directory, URL, signal, part."""
    problems: tuple[tuple[str, str], ...]


def kept(recording: Recording, directory: Path) -> None:
    """Write down what `recording` is, beside its files in `directory`; blocking."""
    manifest = _Manifest(
        files=tuple(
            (str(file.path.relative_to(directory)), file.url, file.signal, file.part)
            for file in recording.files
        ),
        problems=tuple((one.file, one.problem) for one in recording.problems),
    )
    (directory / _MANIFEST).write_text(manifest.model_dump_json())


def recording_in(directory: Path) -> Recording:
    """Return what `kept` wrote down; blocking."""
    manifest = _Manifest.model_validate_json((directory / _MANIFEST).read_bytes())
    return Recording(
        [LiveFile(directory / file[0], *file[1:]) for file in manifest.files],
        [FileProblem(file, problem) for file, problem in manifest.problems],
    )

"""Finding what a directory holds of an incident, by the names of files and folders."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from incidents.files import DataFile
from incidents.places import Place
from incidents.problems import FileProblem
from incidents.roots import GROUND_TRUTH

MOST_FILES = 256
"""So many files of one kind are read."""
FOLDERS = {"logs": ("log", "logs"), "traces": ("trace", "traces"), "metrics": ("metrics",)}
_TRACES = ("trace", "span", "jaeger", "otlp")
_LOGS = ("log", "jsonl", "ndjson")


@dataclass(frozen=True, slots=True)
class Signals:
    """The files of one recording, by what they hold."""

    logs: tuple[DataFile, ...] = ()
    traces: tuple[DataFile, ...] = ()
    metrics: tuple[DataFile, ...] = ()


NOTHING = Signals()


def discovered(place: Place, problems: list[FileProblem]) -> Signals:
    """Return the files of a directory and of its folders; what cannot be had is a problem."""
    files: dict[str, list[DataFile]] = {kind: [] for kind in FOLDERS}
    left_out: Counter[str] = Counter()
    for entry in _walk(place, problems):
        kind = kind_of(entry.path)
        if kind is None or entry.name.casefold() == GROUND_TRUTH:
            continue
        look = entry.look()
        if look.kind == "file" and len(files[kind]) < MOST_FILES:
            files[kind].append(entry.file())
        elif look.kind == "file":
            left_out[kind] += 1
        elif look.kind != "directory":
            problems.append(FileProblem(entry.shown, look.why))
    for kind, number in left_out.items():
        words = f"{number} more {kind} files left out: {MOST_FILES} are read"
        problems.append(FileProblem(place.shown, words))
    return Signals(**{kind: tuple(some) for kind, some in files.items()})


def _walk(place: Place, problems: list[FileProblem]) -> Iterator[Place]:
    folders = {name for names in FOLDERS.values() for name in names}
    for entry, _ in place.inside(problems):
        if entry.name in folders and entry.look().kind == "directory":
            yield from (file for file, _ in entry.inside(problems))
        else:
            yield entry


def kind_of(path: PurePosixPath) -> str | None:
    """Tell what a file holds by its folder, else by its name; None if by neither."""
    for kind, folders in FOLDERS.items():
        if path.parent.name in folders:
            return kind
    stem, dot, ending = path.name.casefold().removesuffix(".xz").rpartition(".")
    if not dot:
        return None
    if ending == "csv" and stem.startswith("metrics"):
        return "metrics"
    if ending in ("csv", "json") and any(word in stem for word in _TRACES):
        return "traces"
    return "logs" if ending in _LOGS or (ending == "csv" and "log" in stem) else None

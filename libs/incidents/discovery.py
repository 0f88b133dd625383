"""Finding what a directory holds of an incident: by what files contain, then by their names."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath

from incidents.dating import UTC_DATING, Dating
from incidents.files import DataFile, opened
from incidents.formats import KINDS, Fit, Format, Kind, fits_of
from incidents.logs import LOG_FORMATS
from incidents.metrics import METRIC_FORMATS
from incidents.places import Place
from incidents.problems import FileProblem
from incidents.roots import GROUND_TRUTH
from incidents.text import shown_path
from incidents.traces import TRACE_FORMATS
from incidents.unpacking import plain_name

MOST_FILES = 256
"""So many files of one kind are read."""
FOLDERS: dict[Kind, tuple[str, ...]] = {
    "logs": ("log", "logs"),
    "traces": ("trace", "traces"),
    "metrics": ("metric", "metrics"),
}
CASE_FILE = "case.json"
BASELINE = "baseline"
FORMATS: tuple[Format[object], ...] = (*TRACE_FORMATS, *METRIC_FORMATS, *LOG_FORMATS)
_DEEPEST = 4
"""So many directories are entered one inside the other."""
_MOST_UNREAD = 20
_SKIPPED = frozenset({"__pycache__", "node_modules", "site-packages", "venv"})
_SOURCE = (".py", ".pyc", ".pyi")
"""Read by another analyst, as source code."""
_CERTAIN = 0.8
_NEAR = 0.1
_NAMES: dict[Kind, tuple[str, ...]] = {
    "traces": ("trace", "span", "jaeger", "otlp", "zipkin", "tempo"),
    "metrics": ("metric", "prom"),
    "logs": ("log", "journal", ".jsonl", ".ndjson", ".out", ".err", "messages"),
}


@dataclass(frozen=True, slots=True)
class Signals:
    """The files of one recording, by what they hold."""

    logs: tuple[DataFile, ...] = ()
    traces: tuple[DataFile, ...] = ()
    metrics: tuple[DataFile, ...] = ()


NOTHING = Signals()


@dataclass(slots=True)
class Discovery:
    """The files of one recording while they are found; what cannot be had is a problem."""

    problems: list[FileProblem]
    dating: Dating = UTC_DATING
    listed: Mapping[PurePosixPath, Kind] = field(default_factory=dict)
    """Paths of files below the root of which somebody said what they hold."""
    without: frozenset[PurePosixPath] = frozenset()
    """Paths of directories that belong to something else."""
    _files: dict[Kind, list[DataFile]] = field(default_factory=lambda: {kind: [] for kind in KINDS})
    _more: Counter[str] = field(default_factory=Counter)
    _unread: list[FileProblem] = field(default_factory=list)

    def signals(self, place: Place) -> Signals:
        """Return the files that are listed, and those in the directory and below it."""
        for below in self.listed:
            self._take(Place(place.root, below))
        for file in self._walk(place, 0):
            if file.below not in self.listed:
                self._take(file)
        for kind, number in self._more.items():
            words = f"{number} more {kind} files left out: {MOST_FILES} are read"
            self.problems.append(FileProblem(place.shown, words))
        self._tell_unread(place)
        return Signals(**{kind: tuple(files) for kind, files in self._files.items()})

    def take(self, file: Place) -> Signals:
        """Return one file as all there is."""
        self._take(file, shown_path(file.name))
        self._tell_unread(file)
        return Signals(**{kind: tuple(files) for kind, files in self._files.items()})

    def _walk(self, place: Place, depth: int) -> Iterator[Place]:
        for entry, is_folder in place.inside(self.problems):
            if entry.name.startswith(".") or entry.name in _SKIPPED or entry.below in self.without:
                continue
            linked = not is_folder and entry.name in _FOLDER_NAMES
            if not is_folder and not (linked and entry.look().kind == "directory"):
                yield entry
            elif depth >= _DEEPEST:
                self.problems.append(
                    FileProblem(entry.shown, "stands too deep: it was not entered")
                )
            elif Place(entry.root, entry.below / CASE_FILE).look().kind == "file":
                words = "is a case of its own: name it to have it read"
                self.problems.append(FileProblem(entry.shown, words))
            else:
                yield from self._walk(entry, depth + 1)

    def _take(self, place: Place, shown: str | None = None) -> None:
        name = place.name.casefold()
        is_listed = place.below in self.listed
        if not is_listed and (name in (GROUND_TRUTH, CASE_FILE) or name.endswith(_SOURCE)):
            return
        look = place.look()
        if look.kind not in ("file", "directory") and not is_listed:
            self.problems.append(FileProblem(place.shown, look.why))
            return
        file = replace(place.file(shown), dating=self.dating)
        kind = self._kind(place, file)
        if kind is None:
            return
        if len(self._files[kind]) < MOST_FILES:
            self._files[kind].append(file)
        else:
            self._more[kind] += 1

    def _kind(self, place: Place, file: DataFile) -> Kind | None:
        """Tell what a file holds; None if nothing that is read, which is told."""
        said = self.listed.get(place.below) or _named(place.path)
        with opened(file) as source:
            sample = source.sample
        if not sample.text.strip():
            return said or "logs"  # its reader finds out why nothing can be read
        fits = fits_of(sample, FORMATS)
        if (kind := _fitting(fits, said)) is not None:
            return kind
        form, fit = max(fits, key=lambda pair: pair[1].score)
        if said is not None or fit.score >= _NEAR:
            return said or form.kind
        nearest = f"; nearest is {form.name}: {fit.lacks}" if fit.lacks else ""
        problem = f"is in no format that is read{nearest}"
        self._unread.append(FileProblem(place.shown, problem))
        return None

    def _tell_unread(self, place: Place) -> None:
        self.problems += self._unread[:_MOST_UNREAD]
        more = len(self._unread) - _MOST_UNREAD
        if more > 0:
            words = f"{more} more files are in no format that is read"
            self.problems.append(FileProblem(place.shown, words))


_FOLDER_NAMES = frozenset(name for names in FOLDERS.values() for name in names)


def _fitting(fits: list[tuple[Format[object], Fit]], said: Kind | None) -> Kind | None:
    """Return the kind of the format that fits: what was said, unless another fits for certain."""
    good = [(fit.score, form.kind) for form, fit in fits if fit.score > 0 and not fit.lacks]
    if not good:
        return None
    score, kind = max(good, key=lambda pair: pair[0])
    if score < _CERTAIN and said is not None and any(one == said for _, one in good):
        return said
    return kind


def _named(path: PurePosixPath) -> Kind | None:
    """Tell what a file holds by its folder, else by its name; None if by neither."""
    for kind, folders in FOLDERS.items():
        if path.parent.name in folders:
            return kind
    name = plain_name(path.name).casefold()
    return next(
        (kind for kind, words in _NAMES.items() if any(word in name for word in words)), None
    )

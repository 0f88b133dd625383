"""Opening incident data: which directories may be read, and what stands in a case.

A case tells what may be seen of an incident; the ground truth that evaluations keep beside it
(`labels.json`) is never opened, by whatever name or link a path leads to it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from weft.core.errors import DataRefusedError, InputError
from weft.core.record import JsonObject, loads_object
from weft.tools.dataset_files import DataFile, Problem, read_bytes

GROUND_TRUTH = "labels.json"
CASE_FILE = "case.json"
_CASE_BYTES = 1 << 20
_MOST_FILES = 256
_TRACES = ("trace", "span", "jaeger", "otlp")
_LOGS = ("log", "jsonl", "ndjson")
_FOLDERS = {"logs": ("log", "logs"), "traces": ("trace", "traces"), "metrics": ("metrics",)}


@dataclass(frozen=True, slots=True)
class Signals:
    """The files of one recording, by what they hold."""

    logs: tuple[DataFile, ...] = ()
    traces: tuple[DataFile, ...] = ()
    metrics: tuple[DataFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Case:
    """An incident beside its normal; a file that could not be had is a problem, not an error."""

    name: str
    incident: Signals
    baseline: Signals = Signals()
    alert_time: float | None = None
    """Unix seconds; None if nobody said when it was noticed."""
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True, slots=True)
class _Place:
    """A directory that may be read, and the root that allows it."""

    root: Path
    path: Path

    def below(self, name: str) -> Path | None:
        """Return the real path of `name`, or None if it leads out or to the ground truth."""
        if Path(name).is_absolute() or ".." in Path(name).parts or "\0" in name:
            return None
        return _allowed(self.root, self.path / name)

    def shown(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()


class DataRoots:
    """The directories below which incident data may be read."""

    def __init__(self, roots: Iterable[str | Path]) -> None:
        self._roots = tuple(Path(root) for root in roots)

    def open_case(self, data: str) -> Case:
        """Find what `data`, a path below a root, holds; blocking, and reads `case.json` only.

        Raises:
            DataRefusedError: It is outside every root, whether or not it exists.
        """
        place = self._place(data)
        problems: list[Problem] = []
        if place.path.is_file():
            kind = _kind(place.path)
            found = DataFile(place.path, place.path.name)
            return Case(place.path.stem, Signals(**{kind: (found,)}) if kind else Signals())
        if not place.path.is_dir():
            missing = Problem(data, "does not exist")
            return Case(place.path.name, Signals(), problems=(missing,))
        facts = _facts(place, problems)
        if facts is None:
            signals = _discovered(place, problems)
            return Case(place.path.name, signals, problems=tuple(problems))
        return Case(
            name=str(facts.get("case") or place.path.name),
            incident=_told(place, facts, problems),
            baseline=_baseline(place, facts.get("baseline"), problems),
            alert_time=_number(facts.get("alert_time_unix")),
            problems=tuple(problems),
        )

    def _place(self, data: str) -> _Place:
        refused = DataRefusedError(
            f"data {data[:200]!r} is refused: name a directory below a data root", field="data"
        )
        if not data or "\0" in data or ".." in Path(data).parts:
            raise refused
        places = [
            _Place(root, path)
            for root in (each.resolve() for each in self._roots)
            if (path := _allowed(root, root / data)) is not None
        ]
        if not places:
            raise refused
        return next((place for place in places if place.path.exists()), places[0])


def _allowed(root: Path, path: Path) -> Path | None:
    try:
        real = path.resolve()
        inside = real.is_relative_to(root)
    except (OSError, RuntimeError, ValueError):  # a loop of links, a name too long
        return None
    hidden = GROUND_TRUTH in (path.name.casefold(), real.name.casefold())
    return real if inside and not hidden else None


def _facts(place: _Place, problems: list[Problem]) -> JsonObject | None:
    path = place.below(CASE_FILE)
    if path is None or not path.exists():
        return None
    name = place.shown(path)
    try:
        return loads_object(read_bytes(path, limit=_CASE_BYTES).content)
    except (OSError, ValueError, InputError) as error:
        problems.append(Problem(name, f"unreadable, so the directory's files are used: {error}"))
        return None


def _told(place: _Place, facts: JsonObject, problems: list[Problem]) -> Signals:
    found = {kind: _listed(place, kind, facts.get(kind), problems) for kind in ("logs", "traces")}
    names = facts.get("metrics") or [
        name for name in ("metrics.csv", "metrics.csv.xz") if (place.path / name).exists()
    ]
    return Signals(**found, metrics=_listed(place, "metrics", names, problems))


def _listed(
    place: _Place, kind: str, names: object, problems: list[Problem]
) -> tuple[DataFile, ...]:
    if not isinstance(names, list):
        if names is not None:
            problems.append(Problem(place.shown(place.path), f"case.json: {kind} is no list"))
        return ()
    if len(names) > _MOST_FILES:
        problems.append(
            Problem(place.shown(place.path), f"{kind}: only {_MOST_FILES} of {len(names)} read")
        )
    listed = [_one(place, kind, str(name), problems) for name in names[:_MOST_FILES]]
    return tuple(file for file in listed if file)


def _one(place: _Place, kind: str, name: str, problems: list[Problem]) -> DataFile | None:
    choices = [f"{folder}/{name}" for folder in _FOLDERS[kind]] + [name]
    paths = [path for choice in choices if (path := place.below(choice)) is not None]
    if len(paths) < len(choices):
        problems.append(Problem(name[:200], "refused: it is not below the data root"))
        return None
    path = next((path for path in paths if path.is_file()), None)
    if path is None:
        problems.append(Problem(place.shown(place.path / choices[0]), "does not exist"))
        return None
    return DataFile(path, place.shown(path))


def _baseline(place: _Place, told: object, problems: list[Problem]) -> Signals:
    """Look in each directory above the case, up to the root, the nearest first."""
    if not isinstance(told, str) or not told:
        problems.append(Problem(place.shown(place.path), "case.json names no baseline"))
        return Signals()
    above = (up for up in place.path.parents if up.is_relative_to(place.root))
    for directory in above:
        path = _Place(place.root, directory).below(told)
        if path is None:
            problems.append(Problem(told[:200], "refused: the baseline is not below the data root"))
            return Signals()
        if path.is_dir():
            found = _discovered(_Place(place.root, path), problems)
            return _completed(_Place(place.root, path), told, found, problems)
    problems.append(Problem(told[:200], "the baseline does not exist"))
    return Signals()


def _completed(place: _Place, told: str, found: Signals, problems: list[Problem]) -> Signals:
    """Take what a baseline of several lacks from the nearest other one, and say so."""
    if len(Path(told).parts) == 1:
        return found  # what stands beside it need not be a baseline
    beside = [path for path in sorted(place.path.parent.iterdir()) if path != place.path]
    complete: dict[str, tuple[DataFile, ...]] = {}
    for kind in _FOLDERS:
        complete[kind] = getattr(found, kind)
        for path in beside:
            real = _allowed(place.root, path)
            if complete[kind] or real is None or not real.is_dir():
                continue
            complete[kind] = getattr(_discovered(_Place(place.root, real), []), kind)
            if complete[kind]:
                problems.append(Problem(told, f"has no {kind}: those of {path.name} are used"))
    return Signals(**complete)


def _discovered(place: _Place, problems: list[Problem]) -> Signals:
    found: dict[str, list[DataFile]] = {kind: [] for kind in _FOLDERS}
    for path in _walk(place):
        kind = _kind(path)
        real = _allowed(place.root, path)
        if kind is None or real is None or not real.is_file():
            continue
        if len(found[kind]) < _MOST_FILES:
            found[kind].append(DataFile(real, place.shown(path)))
        else:
            problems.append(Problem(place.shown(path), f"left out: over {_MOST_FILES} files"))
            break
    return Signals(**{kind: tuple(files) for kind, files in found.items()})


def _walk(place: _Place) -> list[Path]:
    folders = {name for names in _FOLDERS.values() for name in names}
    paths: list[Path] = []
    for path in sorted(place.path.iterdir()):
        if path.name in folders and _allowed(place.root, path) is not None and path.is_dir():
            paths += sorted(path.iterdir())
        else:
            paths.append(path)
    return paths


def _kind(path: Path) -> str | None:
    """Tell what a file holds by its folder, else by its name; None if by neither."""
    for kind, folders in _FOLDERS.items():
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


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None

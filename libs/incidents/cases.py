"""Opening incident data: which directories may be read, and what stands in a case.

A case tells what may be seen of an incident; the ground truth that evaluations keep beside it
(`labels.json`) is never opened, by whatever name or link a path leads to it.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from incidents.dating import Dating
from incidents.discovery import (
    BASELINE,
    CASE_FILE,
    FOLDERS,
    MOST_FILES,
    NOTHING,
    Discovery,
    Signals,
)
from incidents.files import DataFile, read_bytes
from incidents.formats import KINDS, Kind
from incidents.json_values import loaded
from incidents.places import Place, directory_above, place_of, refusal
from incidents.problems import FileProblem, guarded
from incidents.recordings import Part, Recording, recording_in
from incidents.roots import GROUND_TRUTH, Root
from incidents.text import cut, shown_path
from incidents.times import moment
from weft.core.errors import DataRefusedError
from weft.core.record import JsonObject

__all__ = ["DataRoots", "case_facts"]

_RECORDING = re.compile(r"[0-9a-f]{32}")
_CASE_BYTES = 1 << 20
_MOST_SHOWN = 200
_MOST_NAMED = 8
"""So many directories of a root are named to whoever named none."""


@dataclass(frozen=True, slots=True)
class IncidentCase:
    """An incident beside its normal; a file that could not be had is a problem, not an error."""

    name: str
    incident: Signals
    baseline: Signals = NOTHING
    alert_time: float | None = None
    """Unix seconds; None if nobody said when it was noticed."""
    problems: tuple[FileProblem, ...] = ()


class DataRoots:
    """The directories below which incident data may be read."""

    def __init__(
        self,
        roots: Iterable[str | Path],
        zone: str = "UTC",
        *,
        spool: Path | None = None,
        recording: str = "",
    ) -> None:
        """Read times that tell no zone in the one of this name."""
        self._roots = tuple(Path(root).absolute() for root in roots)
        self._zone = zone
        self._spool = spool
        self._recording = recording

    def beside(self, recording: str) -> "DataRoots":
        """Return these roots with a recording of live systems in the spool, read with every case.

        Raises:
            DataRefusedError: There is no such recording.
        """
        known = self._spool is not None and _RECORDING.fullmatch(recording)
        if not known or self._spool is None or not (self._spool / recording).is_dir():
            raise DataRefusedError("there is no such recording of live systems", field="recording")
        return DataRoots(self._roots, self._zone, spool=self._spool, recording=recording)

    def place(self, data: str) -> Place:
        """Return where `data`, a path below a root, stands, or would stand.

        Raises:
            DataRefusedError: It is outside every root, whether or not it exists.
        """
        return place_of(self._roots, data)

    def shown(self) -> str:
        """Say what may be named: the roots and the directories in them; blocking."""
        if not self._roots:
            return "no data root is set, so nothing can be named"
        return "there is: " + "; ".join(_directories(root) for root in self._roots)

    def inside(self, data: str) -> str:
        """Say what lies in `data`, whatever it is; blocking.

        Raises:
            DataRefusedError: It is outside every root.
        """
        if not data:
            return "nothing"  # it is about live systems alone
        place = self.place(data)
        if place.look().kind == "file":
            return "nothing: it is one file of another kind"
        names = [shown_path(entry.name) for entry, _ in place.inside([])]
        names = [name for name in names if name.casefold() != GROUND_TRUTH]
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        return cut(", ".join(names[:_MOST_NAMED]), _MOST_SHOWN) + more if names else "nothing"

    def check(self, data: str) -> Place:
        """Return where `data`, a path below a root, stands; blocking.

        Raises:
            DataRefusedError: It is outside every root, or nothing that can be read.
        """
        place = self.place(data)
        look = place.look()
        if look.kind not in {"file", "directory"}:
            words = f"data {cut(shown_path(data), _MOST_SHOWN)!r} is refused: it {look.why}"
            raise DataRefusedError(words, field="data")
        return place

    def open_case(self, data: str) -> IncidentCase:
        """Find what `data`, a path below a root, holds, by the beginning of its files; blocking.

        Without `data` there is what was recorded of live systems, which else joins it.

        Raises:
            DataRefusedError: It is outside every root, or nothing that can be read.
        """
        if not self._recording or self._spool is None:
            return self._directory(data)
        case = self._directory(data) if data else IncidentCase("live systems", NOTHING)
        directory = self._spool / self._recording
        recording = recording_in(directory)
        return replace(
            case,
            incident=_joined(case.incident, recording, "incident", directory),
            baseline=_joined(case.baseline, recording, "baseline", directory),
            problems=(*case.problems, *recording.problems),
        )

    def _directory(self, data: str) -> IncidentCase:
        place = self.check(data)
        name = shown_path(place.name)
        problems: list[FileProblem] = []
        if place.look().kind == "file":
            signals = Discovery(problems, Dating(self._zone)).take(place)
            return IncidentCase(PurePosixPath(name).stem, signals, problems=tuple(problems))
        facts = case_facts(place, problems) or {}
        alert = _alert(place, facts.get("alert_time_unix"), problems)
        dating = Dating(self._zone, alert)
        normal = _baseline_place(place, facts, problems)
        own_name = facts.get("case")
        return IncidentCase(
            name=own_name if isinstance(own_name, str) and own_name else name,
            incident=_incident(place, facts, problems, normal=normal, dating=dating),
            baseline=_baseline(normal, facts.get("baseline"), problems, dating),
            alert_time=alert,
            problems=tuple(problems),
        )


def _joined(signals: Signals, recording: Recording, part: Part, directory: Path) -> Signals:
    """Return the files of a case with those of a recording's part; each is called by its URL."""
    files: dict[str, list[DataFile]] = {
        kind: [*getattr(signals, kind)] for kind in ("logs", "traces", "metrics")
    }
    for file in recording.files:
        if file.part == part:
            files[file.signal].append(DataFile(file.path, file.url, directory))
    return Signals(**{kind: tuple(some) for kind, some in files.items()})


def _directories(root: Path) -> str:
    place = Place(Root(root), PurePosixPath())
    names = [shown_path(entry.name) for entry, folder in place.inside([]) if folder]
    more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
    listed = ", ".join(names[:_MOST_NAMED]) or "no directory"
    return cut(f"{listed}{more} in {shown_path(root.name)}", 2 * _MOST_SHOWN)


def case_facts(place: Place, problems: list[FileProblem]) -> JsonObject | None:
    """Return what a directory's `case.json` tells; None if there is none, or none to be read."""
    case = Place(place.root, place.below / CASE_FILE)
    look = case.look()
    if look.kind == "missing":
        return None

    def tell(problem: str) -> None:
        problems.append(
            FileProblem(case.shown, f"unreadable, so the directory's files are used: {problem}")
        )

    if look.kind != "file":
        tell(look.why or "it is no file")
        return None
    with guarded(tell):
        content = read_bytes(case.file(), limit=_CASE_BYTES).content
        facts = loaded(content.decode("utf-8-sig"))
        if facts is not None:
            return _with_alert(facts)
        tell("it holds no JSON object")
    return None


def _with_alert(facts: JsonObject) -> JsonObject:
    """Take the moment of what is violated, `target`, for that of the alert, where none is told."""
    target = facts.get("target")
    if "alert_time_unix" in facts or not isinstance(target, dict) or "timestamp" not in target:
        return facts
    return {**facts, "alert_time_unix": target["timestamp"]}


def _incident(
    place: Place,
    facts: JsonObject,
    problems: list[FileProblem],
    *,
    normal: Place | None,
    dating: Dating,
) -> Signals:
    """Find what the case lists, and what else lies in it besides normal times and source."""
    listed: dict[PurePosixPath, Kind] = {}
    for kind in KINDS:
        for file in _listed(place, kind, facts.get(kind), problems):
            listed.setdefault(file.below, kind)
    apart = {place.below / BASELINE, *([normal.below] if normal else [])}
    source = facts.get("source")
    if isinstance(source, str) and (code := place.at(source)) is not None:
        apart.add(code.below)
    return Discovery(problems, dating, listed, frozenset(apart)).signals(place)


def _listed(
    place: Place, kind: Kind, names: object, problems: list[FileProblem]
) -> Iterator[Place]:
    if not isinstance(names, list):
        if names is not None:
            problems.append(FileProblem(place.shown, f"case.json: {kind} is no list"))
        return
    if len(names) > MOST_FILES:
        problems.append(FileProblem(place.shown, f"{kind}: only {MOST_FILES} of {len(names)} read"))
    for name in names[:MOST_FILES]:
        if (file := _one(place, kind, str(name), problems)) is not None:
            yield file


def _one(place: Place, kind: Kind, name: str, problems: list[FileProblem]) -> Place | None:
    """Find a listed file: in a folder of its kind, or beside `case.json`."""
    choices = [place.at(f"{folder}/{name}") for folder in FOLDERS[kind]]
    places = [choice for choice in (*choices, place.at(name)) if choice is not None]
    looks = [(choice, choice.look()) for choice in places]
    if not looks or name.startswith("/") or any(look.kind == "refused" for _, look in looks):
        problems.append(refusal(name, "it"))
        return None
    file = next((choice for choice, look in looks if look.kind == "file"), None)
    if file is None:
        # Its reader finds out why it cannot be read: then it is a gap of that source.
        unusable = (choice for choice, look in looks if look.kind == "unusable")
        file = next(unusable, looks[0][0])
    return file


def _baseline_place(place: Place, facts: JsonObject, problems: list[FileProblem]) -> Place | None:
    """Find normal times: what the case names, in it or above it; else `baseline` in or beside it."""
    name = facts.get("baseline")
    if name is not None and not (isinstance(name, str) and name):
        problems.append(FileProblem(place.shown, "case.json: baseline is no name of a directory"))
    if isinstance(name, str) and name:
        directory = directory_above(place.above(), name, "the baseline")
        if isinstance(directory, Place):
            return directory
        problems.append(directory)
        return None
    for around in place.above()[:2]:
        beside = around.at(BASELINE)
        if beside is not None and beside != place and beside.look().kind == "directory":
            return beside
    return None


def _baseline(
    directory: Place | None, name: object, problems: list[FileProblem], dating: Dating
) -> Signals:
    if directory is None:
        return NOTHING
    signals = Discovery(problems, dating).signals(directory)
    return _completed(directory, str(name or BASELINE), signals, problems, dating)


def _completed(
    place: Place, name: str, signals: Signals, problems: list[FileProblem], dating: Dating
) -> Signals:
    """Take what a baseline of several lacks from the nearest other one, and say so."""
    if len(PurePosixPath(name).parts) == 1:
        return signals  # what stands beside it need not be a baseline
    beside = [other for other, _ in place.above()[1].inside(problems) if other != place]
    complete: dict[str, tuple[DataFile, ...]] = {}
    for kind in KINDS:
        complete[kind] = getattr(signals, kind)
        for other in beside:
            if complete[kind] or other.look().kind != "directory":
                continue
            complete[kind] = getattr(Discovery([], dating).signals(other), kind)
            if complete[kind]:
                used = f"has no {kind}: those of {shown_path(other.name)} are used"
                problems.append(FileProblem(cut(name, _MOST_SHOWN), used))
    return Signals(**complete)


def _alert(place: Place, value: object, problems: list[FileProblem]) -> float | None:
    alert = moment(value)
    if alert is None and value is not None:
        problems.append(FileProblem(place.shown, "case.json: alert_time_unix is no time"))
    return alert

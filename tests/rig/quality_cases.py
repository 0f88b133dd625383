"""Labelled incidents and fault-free windows as parsed rows, kept between runs of the rig.

The truth stays in `Trial`, beside the rows: no analysis is handed it.
"""

import json
import pickle
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from incidents import (
    DataFile,
    DataRoots,
    LogLine,
    Series,
    Span,
    comparable,
    read_logs,
    read_metrics,
    read_traces,
)

Table = dict[tuple[str, str], Series]
_CALLS = ("source_50", "destination_50", "dependency")
_WINDOW_ROWS = 5
_PER_SET = {"nezha-trainticket": 14, "nezha-onlineboutique": 12, "petshop": 14}
"""How many fault-free windows come from the baselines of a set: 40 together."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What was recorded of one time; `calls` are (caller, called), where a file names them."""

    logs: list[LogLine] = field(default_factory=list)
    spans: list[Span] = field(default_factory=list)
    series: Table = field(default_factory=dict)
    calls: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Trial:
    """One incident, or one stretch without any; `truth` is empty for the latter."""

    system: str
    name: str
    baseline: Recording
    incident: Recording
    alert: float | None
    truth: str = ""
    fault: str = ""


def trials(data: Path, system: str, kept: Path) -> list[Trial]:
    """Return the incidents and fault-free windows of one set; parsed once, then from `kept`."""
    place = kept / f"{system}.pickle"
    if place.is_file():
        loaded: list[Trial] = pickle.loads(place.read_bytes())  # noqa: S301 - we wrote it
        return loaded
    read = _petshop if system == "petshop" else _nezha
    rows = list(read(data / system, system))
    kept.mkdir(parents=True, exist_ok=True)
    place.write_bytes(pickle.dumps(rows))
    return rows


def permuted(trial: Trial, names: Mapping[str, str]) -> Trial:
    """Return the same trial with every service renamed, in the text of its logs too."""

    def of(recording: Recording) -> Recording:
        def said(text: str) -> str:
            for old in (name for name in by_length if name in text):
                text = text.replace(old, names[old])
            return text

        return Recording(
            [replace(x, service=names[x.service], message=said(x.message)) for x in recording.logs],
            [replace(span, service=names[span.service]) for span in recording.spans],
            {
                (names[service], said(metric)): replace(
                    one, service=names[service], metric=said(metric)
                )
                for (service, metric), one in recording.series.items()
            },
            frozenset((names.get(a, a), names.get(b, b)) for a, b in recording.calls),
        )

    by_length = sorted(names, key=len, reverse=True)
    truth = names.get(trial.truth, trial.truth)
    return replace(trial, baseline=of(trial.baseline), incident=of(trial.incident), truth=truth)


def services(trial: Trial) -> set[str]:
    found: set[str] = {trial.truth} - {""}
    for recording in (trial.baseline, trial.incident):
        found |= {line.service for line in recording.logs}
        found |= {span.service for span in recording.spans}
        found |= {service for service, _ in recording.series}
    return found


def _labels(directory: Path) -> dict[str, dict[str, Any]]:
    labels: dict[str, dict[str, Any]] = json.loads((directory / "dev/labels.json").read_text())
    return dict(sorted(labels.items()))


def _nezha(directory: Path, system: str) -> Iterator[Trial]:
    roots = DataRoots((directory,))
    baselines: dict[str, Recording] = {}
    for name, label in _labels(directory).items():
        case = roots.open_case(str(directory / "dev" / name))
        facts = json.loads((directory / "dev" / name / "case.json").read_text())
        day = facts["baseline"]
        if day not in baselines:
            baselines[day] = _read(case.baseline, directory / day)
        incident = _read(case.incident, directory / "dev" / name)
        yield Trial(
            system, name, baselines[day], incident, case.alert_time,
            label["root_cause_service"], label["fault_type"],
        )  # fmt: skip
    days = sorted(baselines.items())
    share = _PER_SET[system] // len(days)
    for day, baseline in days:
        for place in range(share):
            where = (place + 0.5) / share
            yield _calm(system, f"calm-{Path(day).name}-{place}", baseline, where)


def _read(signals: Any, place: Path) -> Recording:  # noqa: ANN401 - whatever a case holds
    metrics = {file.name.rpartition("/")[2]: file for file in signals.metrics}
    for path in sorted(path for name in _CALLS for path in place.glob(f"{name}.csv*")):
        metrics.setdefault(path.name, DataFile(path, path.name))
    calls = read_metrics(metrics.values()).calls
    return Recording(
        read_logs(signals.logs).lines,
        read_traces(signals.traces).spans,
        _series(metrics.values()),
        frozenset((caller, called) for caller in calls for called in calls[caller]),
    )


def _series(files: Iterable[DataFile]) -> dict[tuple[str, str], Series]:
    return dict(comparable([], read_metrics(files).series).incident)


def _calm(system: str, name: str, baseline: Recording, where: float) -> Trial:
    """Cut a stretch out of a baseline and compare it with all that is left.

    Metrics: five rows, without a row beside them; of the one minute of logs and spans, a third,
    by whole traces.
    """
    times = sorted({time for one in baseline.series.values() for time in one.times})
    first, last = _around(times, where)
    apart = (times[max(first - 1, 0)], times[min(last + 1, len(times) - 1)])
    stretch = {
        key: _of(one, lambda time: times[first] <= time <= times[last])
        for key, one in baseline.series.items()
    }
    rest = {
        key: _of(one, lambda time: not apart[0] <= time <= apart[1])
        for key, one in baseline.series.items()
    }
    cut = _third(baseline, where)
    chosen = {span.trace_id for span in baseline.spans if cut[0] <= span.start <= cut[1]}
    within = [x for x in baseline.logs if cut[0] <= x.time <= cut[1]]
    other = [x for x in baseline.logs if not cut[0] <= x.time <= cut[1]]
    return Trial(
        system, name,
        Recording(
            other, [x for x in baseline.spans if x.trace_id not in chosen], rest, baseline.calls
        ),
        Recording(within, [x for x in baseline.spans if x.trace_id in chosen], stretch),
        None,
    )  # fmt: skip


def _around(times: list[float], where: float) -> tuple[int, int]:
    first = int(where * (len({round(time / 60) for time in times}) - _WINDOW_ROWS))
    minutes = sorted({round(time / 60) for time in times})
    begin, end = minutes[first], minutes[first + _WINDOW_ROWS - 1]
    inside = [at for at, time in enumerate(times) if begin <= round(time / 60) <= end]
    return inside[0], inside[-1]


def _third(baseline: Recording, where: float) -> tuple[float, float]:
    times = [x.time for x in baseline.logs] or [x.start for x in baseline.spans] or [0.0]
    low, high = min(times), max(times)
    begin = low + where * (high - low) * 2 / 3
    return begin, begin + (high - low) / 3


def _of(series: Series, wanted: Any) -> Series:  # noqa: ANN401 - a predicate over times
    made = Series(series.service, series.metric, series.files)
    for time, value in zip(series.times, series.values, strict=True):
        if wanted(time):
            made.times.append(time)
            made.values.append(value)
    return made


def _petshop(directory: Path, system: str) -> Iterator[Trial]:
    baselines: dict[str, Recording] = {}
    for scenario in ("low_traffic", "high_traffic"):
        place = directory / "baseline" / scenario
        names = ("noissue_metrics.csv.gz", "graph.csv")
        files = [DataFile(place / name, name) for name in names]
        calls = read_metrics(files).calls
        pairs = frozenset((caller, called) for caller in calls for called in calls[caller])
        baselines[scenario] = Recording(series=_series(files), calls=pairs)
    for name, label in _labels(directory).items():
        facts = json.loads((directory / "dev" / name / "case.json").read_text())
        baseline = baselines[facts["scenario"]]
        table = directory / "dev" / name / "metrics.csv.gz"
        series = _series([DataFile(table, table.name)])
        yield Trial(
            system, name, baseline, Recording(series=series), facts["target"]["timestamp"],
            label["root_cause"]["node"], _fault(label["command"]),
        )  # fmt: skip
    for scenario, baseline in baselines.items():
        share = _PER_SET[system] // 2
        for place_at in range(share):
            yield _calm(system, f"calm-{scenario}-{place_at}", baseline, (place_at + 0.5) / share)


def _fault(command: str) -> str:
    """Tell the kind of an issue by what was done to bring it about."""
    kinds = {
        "searchdelay": "delay", "delaymode": "delay", "sleep": "delay",
        "error": "error", "inject": "error", "requests": "overload",
    }  # fmt: skip
    return next(kind for word, kind in kinds.items() if word in command)

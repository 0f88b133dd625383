"""From what was recorded to series that can be compared: rates of counters, quantiles, levels."""

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import inf
from typing import NamedTuple

from incidents.metrics.counters import SUFFIX, Samples, counts_up, is_level, rates
from incidents.metrics.histograms import QUANTILES, between, joined, quantile
from incidents.metrics.points import PER_SECOND, Distribution, number
from incidents.metrics.reading import RecordedSeries
from incidents.metrics.series import Series, Table, doubles, in_order
from incidents.names import short_name
from incidents.problems import FileProblem

_BUCKET, _SUM, _COUNT, _CREATED = "_bucket", "_sum", "_count", "_created"
_MOST_SETS = 30
"""A metric that a service has with more sets of labels is compared without most of them."""
_OUTCOMES = frozenset({
    "status", "code", "status_code", "http_status_code", "http_response_status_code",
    "response_code", "grpc_code", "grpc_status", "rpc_grpc_status_code", "status_class",
    "outcome", "result", "error", "error_type", "exception",
})  # fmt: skip
"""Labels that tell how something ended: what is counted with a new value was not there before."""
Labels = tuple[tuple[str, str], ...]
Recording = Sequence[RecordedSeries]


class Comparable(NamedTuple):
    """Series of two recordings that mean the same where they are called the same."""

    normal: Table
    incident: Table
    problems: list[FileProblem]


def comparable(normal: Recording, incident: Recording) -> Comparable:
    """Return what can be compared of two recordings.

    Of counters that is how much they count in each second, so that one which only goes on counting
    does not change; of histograms it is quantiles and, as of summaries, the mean. What nobody calls
    a counter is one if it does nothing but count in both. The names tell what became of a series:
    `requests_total{status=500} per second`.
    """
    recordings = (normal, incident)
    kinds, shown = _Kinds(recordings), _Shown(recordings)
    before, now = (_Made(kinds, shown) for _ in recordings)
    before.take(normal)
    now.take(incident)
    _let_begin(before, now)
    return Comparable(before.table(), now.table(), [*before.problems(), *now.problems()])


class _Kinds:
    """Which names are of counters, by what is said of them and by what they do."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        samples: dict[str, list[list[Samples]]] = defaultdict(list)
        said: dict[str, str] = {}
        for recording in recordings:
            here: dict[str, list[Samples]] = defaultdict(list)
            for one in recording:
                here[one.name].append((one.times, one.values))
                said[one.name] = max(said.get(one.name, ""), _said(one))
            for name, some in here.items():
                samples[name].append(some)
        self._counters = {name for name, some in samples.items() if _counts(name, some, said)}

    def is_counter(self, one: RecordedSeries) -> bool:
        return one.name in self._counters


def _said(one: RecordedSeries) -> str:
    """Return what a series is said to be; a type outweighs nothing, in the order of letters."""
    return "" if one.counting == "unsaid" else one.counting


def _counts(name: str, samples: list[list[Samples]], said: Mapping[str, str]) -> bool:
    if said[name]:
        return said[name] == "counter"
    base, end = next(
        ((name.removesuffix(end), end) for end in (_BUCKET, _SUM, _COUNT) if name.endswith(end)),
        (name, ""),
    )
    other = {_SUM: _COUNT, _COUNT: _SUM}.get(end)
    is_part = end == _BUCKET or (other is not None and f"{base}{other}" in said)
    if name.endswith(SUFFIX) or is_part:
        return not is_level(samples)
    return counts_up(samples, name)


class _Shown:
    """Which labels are told of a series, for both recordings alike."""

    def __init__(self, recordings: Iterable[Recording]) -> None:
        sets: dict[tuple[str, str], set[Labels]] = defaultdict(set)
        for recording in recordings:
            for one in recording:
                some = sets[one.service, one.name]
                if len(some) <= _MOST_SETS:
                    some.add(tuple(sorted(one.telling.items())))
        self._many = {key for key, some in sets.items() if len(some) > _MOST_SETS}

    def labels(self, one: RecordedSeries) -> Labels:
        few = (one.service, one.name) not in self._many
        kept = one.telling.items()
        return tuple(sorted((key, text) for key, text in kept if few or key in _OUTCOMES))


@dataclass(slots=True)
class _Output:
    """One series that can be compared, while it is made."""

    service: str
    name: str
    """What it was recorded as."""
    labels: Labels
    files: list[str] = field(default_factory=list)
    parts: list[Samples] = field(default_factory=list)
    adds: bool = False
    """Whether what its parts say of one moment is added up, as it is of counters."""


class _Made:
    """What becomes of one recording."""

    def __init__(self, kinds: _Kinds, shown: _Shown) -> None:
        self._kinds = kinds
        self._shown = shown
        self.outputs: dict[tuple[str, str], _Output] = {}
        self._alone: Counter[str] = Counter()
        """Of each file, how many counters have but one sample."""

    def take(self, recording: Recording) -> None:
        buckets: dict[tuple[str, str, Labels], list[RecordedSeries]] = defaultdict(list)
        sums: dict[tuple[str, str, Labels], RecordedSeries] = {}
        counts: list[RecordedSeries] = []
        for one in recording:
            if one.distributions:
                self._histogram(one, one.name, one.distributions)
                self._arrivals(one)
            elif one.name.endswith(_BUCKET) and "le" in one.labels:
                buckets[_base(one, _BUCKET)].append(one)
            elif one.name.endswith(_CREATED) and one.counting != "level":
                continue
            elif not self._kinds.is_counter(one):
                self._level(one)
            elif one.name.endswith(_SUM):
                sums[_base(one, _SUM)] = one
            else:
                self._counter(one)
                counts += [one] if one.name.endswith(_COUNT) else []
        for (_, name, _), some in buckets.items():
            by_bound = {
                bound: (one.times, one.values)
                for one in some
                if (bound := number(one.labels["le"])) is not None
            }
            self._histogram(some[0], name, joined(by_bound))
        for one in counts:
            self._mean(one, sums.pop(_base(one, _COUNT), None))
        for one in sums.values():
            self._counter(one)

    def table(self) -> Table:
        return {key: _series(key, output) for key, output in sorted(self.outputs.items())}

    def problems(self) -> list[FileProblem]:
        words = "counters have one sample only: how fast they count is not known"
        return [FileProblem(file, f"{some} {words}") for file, some in sorted(self._alone.items())]

    def output(self, one: RecordedSeries, name: str, what: str = "") -> _Output:
        """Return the series that `one`, recorded as `name`, adds to; `what` tells what became of it."""
        labels = self._shown.labels(one)
        inside = ", ".join(f"{key}={text}" for key, text in labels)
        metric = short_name(f"{name}{{{inside}}}{what}" if inside else f"{name}{what}")
        made = self.outputs.get((one.service, metric))
        if made is None:
            made = self.outputs[one.service, metric] = _Output(one.service, one.name, labels)
        made.files += [file for file in one.files if file not in made.files]
        return made

    def _level(self, one: RecordedSeries) -> None:
        share = number(one.labels.get("quantile", ""))
        what = "" if share is None else f" p{share * 100:g}"
        self.output(one, one.name, what).parts.append((one.times, one.values))

    def _counter(self, one: RecordedSeries) -> None:
        times, values = rates((one.times, one.values))
        if not times:
            self._alone.update(one.files[:1])
            return
        self._count(one, one.name, (times, values))

    def _count(self, one: RecordedSeries, name: str, samples: Samples) -> None:
        output = self.output(one, name, PER_SECOND)
        output.adds = True
        output.parts.append(samples)

    def _mean(self, count: RecordedSeries, total: RecordedSeries | None) -> None:
        if total is None:
            return
        rows = joined({inf: (count.times, count.values)})
        totals = dict(zip(total.times, total.values, strict=True))
        self._means(
            count,
            count.name.removesuffix(_COUNT),
            between([(time, row._replace(total=totals.get(time))) for time, row in rows]),
        )

    def _means(
        self, one: RecordedSeries, name: str, steps: Iterable[tuple[float, float, Distribution]]
    ) -> None:
        times, values = doubles(), doubles()
        for end, _, some in steps:
            if some.total is not None and some.counts[-1] > 0:
                times.append(end)
                values.append(some.total / some.counts[-1])
        if times:
            self.output(one, name, " mean").parts.append((times, values))

    def _histogram(
        self, one: RecordedSeries, name: str, rows: Sequence[tuple[float, Distribution]]
    ) -> None:
        steps = list(between(rows))
        if rows and not steps:
            self._alone.update(one.files[:1])
        for word, share in QUANTILES:
            times, values = doubles(), doubles()
            for end, _, distribution in steps:
                value = quantile(distribution, share)
                if value is not None:
                    times.append(end)
                    values.append(value)
            if times:
                self.output(one, name, f" {word}").parts.append((times, values))

    def _arrivals(self, one: RecordedSeries) -> None:
        """Of a histogram that brings its own count and sum: how many values came, and their mean."""
        steps = list(between(one.distributions))
        if steps:
            times = array("d", (end for end, _, _ in steps))
            values = array("d", (some.counts[-1] / seconds for _, seconds, some in steps))
            self._count(one, f"{one.name} count", (times, values))
        self._means(one, one.name, steps)


def _base(one: RecordedSeries, end: str) -> tuple[str, str, Labels]:
    labels = tuple(sorted((key, text) for key, text in one.labels.items() if key != "le"))
    return one.service, one.name.removesuffix(end), labels


def _series(key: tuple[str, str], output: _Output) -> Series:
    if len(output.parts) == 1:
        return Series(*key, output.files, *output.parts[0])
    if output.adds:
        sums: dict[float, float] = defaultdict(float)
        for part in output.parts:
            for time, value in zip(*part, strict=True):
                sums[time] += value
        moments = array("d", sorted(sums))
        return Series(*key, output.files, moments, array("d", (sums[at] for at in moments)))
    times, values = doubles(), doubles()
    for part in output.parts:
        times += part[0]
        values += part[1]
    return Series(*key, output.files, *in_order(times, values))


def _let_begin(before: _Made, now: _Made) -> None:
    """Give what is counted only now, with an outcome that is new, its past: nothing was counted."""
    past: dict[tuple[str, str, Labels], list[_Output]] = defaultdict(list)
    for output in before.outputs.values():
        if output.adds:
            past[output.service, output.name, _apart(output.labels)].append(output)
    for key, output in now.outputs.items():
        rest = _apart(output.labels)
        others = past.get((output.service, output.name, rest))
        if output.adds and others and rest != output.labels and key not in before.outputs:
            times = array(
                "d", sorted({at for one in others for part in one.parts for at in part[0]})
            )
            zeros = array("d", bytes(len(times) * times.itemsize))
            before.outputs[key] = replace(output, files=others[0].files, parts=[(times, zeros)])


def _apart(labels: Labels) -> Labels:
    """Return labels without those that tell an outcome."""
    return tuple((key, text) for key, text in labels if key not in _OUTCOMES)

"""Figures of the parts that a ranking is made of: templates of log lines, changes of single series.

    nice python -m tests.rig.quality_parts DATA

Templates: grouping accuracy, the share of lines whose template holds exactly the lines that belong
together, beside what published parsers reach. Series: labelled windows hit, and false alarms in
1,000 points, where each stretch of an hour is compared with the day before it.
"""

import argparse
import csv
import gzip
import io
import json
from collections import defaultdict
from collections.abc import Hashable, Iterator, Sequence
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from incidents import LogLine, Series, Split
from services.log_analyst.templates import mine
from services.metrics_analyst.changes import changes
from services.metrics_analyst.windows import Cut

_STEP = 12
_PAST = 288
_SCORE = 8.0
"""So many spreads away is an alarm."""


def grouping_accuracy(found: Sequence[Hashable], right: Sequence[Hashable]) -> float:
    """Return the share of rows whose group holds exactly the rows of their right group."""
    groups: dict[Hashable, set[int]] = defaultdict(set)
    truths: dict[Hashable, set[int]] = defaultdict(set)
    for place, (group, truth) in enumerate(zip(found, right, strict=True)):
        groups[group].add(place)
        truths[truth].add(place)
    hits = sum(groups[found[place]] == truths[truth] for place, truth in enumerate(right))
    return hits / len(right)


def templates(directory: Path) -> Iterator[tuple[str, float]]:
    """Yield per system the grouping accuracy on the content of its lines."""
    for path in sorted((directory / "dev/labels").glob("*_corrected.csv.gz")):
        rows = list(csv.DictReader(io.StringIO(gzip.decompress(path.read_bytes()).decode())))
        lines = [
            LogLine(0.0, "one", "", "", row["Content"], "", "", path.name, number)
            for number, row in enumerate(rows)
        ]
        yield (
            path.name.partition("_")[0],
            grouping_accuracy(mine(lines), [row["EventId"] for row in rows]),
        )


def alarms(values: Sequence[float]) -> list[int]:
    """Return the points at which a stretch departs from the day before it."""
    found: list[int] = []
    for begin in range(_PAST, len(values) - _STEP, _STEP):
        past, now = _series(values[begin - _PAST : begin]), _series(values[begin : begin + _STEP])
        times: Split[int] = Split([], [], None, [], 0.0)
        key = ("one", "value")
        parts = Cut({key: past}, {}, {key: now}, times)
        if any(abs(change.score) >= _SCORE for change in changes(parts)):
            found.append(begin)
    return found


def _series(values: Sequence[float]) -> Series:
    made = Series("one", "value")
    made.times.extend(float(at) for at in range(len(values)))
    made.values.extend(values)
    return made


def series(directory: Path) -> Iterator[tuple[str, int, int, float]]:
    """Yield per series the windows hit, all windows, and false alarms in 1,000 points."""
    labels = json.loads((directory / "dev/windows.json").read_text())
    for name, windows in sorted(labels.items()):
        path = directory / "dev" / name
        with path.open(newline="") as text:
            rows = list(csv.DictReader(text))
        values = [float(row["value"]) for row in rows]
        times = [_seconds(row["timestamp"]) for row in rows]
        spans = [(_seconds(begin), _seconds(end)) for begin, end in windows]
        raised = alarms(values)
        # Alarms that follow each other directly are one.
        first = [at for before, at in pairwise([-_PAST, *raised]) if at - before > _STEP]
        hit = sum(
            any(times[at] <= end and times[at + _STEP] >= begin for at in raised)
            for begin, end in spans
        )
        false = sum(
            not any(times[at] <= end and times[at + _STEP] >= begin for begin, end in spans)
            for at in first
        )
        yield path.stem, hit, len(spans), 1000 * false / len(values)


def _seconds(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("data", type=Path)
    data = parser.parse_args().data
    published = json.loads((data / "loghub-2k/published_grouping_accuracy.json").read_text())
    print("templates: grouping accuracy (ours on content, corrected labels; Drain as published)")
    ours = dict(templates(data / "loghub-2k"))
    for system, accuracy in ours.items():
        print(f"  {system:12} {accuracy:.3f}  Drain {published['Drain'].get(system, 0):.3f}")
    print(f"  mean {sum(ours.values()) / len(ours):.3f}")
    print("series: windows hit, false alarms in 1,000 points")
    rows = list(series(data / "nab"))
    for name, hit, windows, false in rows:
        print(f"  {name:44} {hit} of {windows}  {false:.2f}")
    hits, whole = sum(row[1] for row in rows), sum(row[2] for row in rows)
    print(f"  all {hits} of {whole}, {sum(row[3] for row in rows) / len(rows):.2f}")


if __name__ == "__main__":
    main()

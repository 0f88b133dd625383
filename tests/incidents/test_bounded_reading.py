"""Whatever there is to read, memory is taken by what is kept: of each signal, packed or not."""

import gzip
import tracemalloc
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import pytest

from incidents.files import DataFile
from incidents.logs import read_logs
from incidents.metrics import read_metrics
from incidents.traces import read_traces
from tests.bench import recordings
from weft.core import FileCoverage

pytestmark = pytest.mark.no_cover  # what is measured is the memory

ROWS = 8_000
MOST = 500
MEMORY = 5 << 19
"""Far less than all rows would take."""


class Reading(NamedTuple):
    rows: Iterator[str]
    read: Callable[[list[DataFile]], list[FileCoverage]]


def logs(files: list[DataFile]) -> list[FileCoverage]:
    return read_logs(files, MOST).files


def traces(files: list[DataFile]) -> list[FileCoverage]:
    return read_traces(files, MOST).files


def metrics(files: list[DataFile]) -> list[FileCoverage]:
    return read_metrics(files, most=MOST).files


READINGS: dict[str, Callable[[], Reading]] = {
    "JSON lines": lambda: Reading(islice(recordings.json_lines(0), ROWS), logs),
    "text": lambda: Reading(islice(recordings.text_lines(0), 2 * ROWS), logs),
    "OTLP spans, one document": lambda: Reading(recordings.otlp(ROWS), traces),
    "Jaeger, one document": lambda: Reading(recordings.jaeger(ROWS), traces),
    "Prometheus CSV": lambda: Reading(recordings.prometheus_csv(3 * ROWS, 50), metrics),
    "OpenMetrics": lambda: Reading(recordings.openmetrics(3 * ROWS, 50), metrics),
}


@pytest.mark.requirement("DIAG-12")
@pytest.mark.timeout(60)
@pytest.mark.parametrize("name", READINGS)
def test_what_is_not_kept_takes_no_memory_and_a_share_is_told(tmp_path: Path, name: str) -> None:
    rows, read = READINGS[name]()
    path = tmp_path / ("recording.gz" if "document" in name else "recording")
    with (gzip.open if "document" in name else open)(path, "wt") as file:
        file.writelines(rows)
    files = [DataFile(path, path.name)]

    tracemalloc.start()
    (coverage,) = read(files)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert most < MEMORY
    assert coverage.reason.startswith("sampled: one in ")
    assert MOST // 8 < coverage.rows <= MOST

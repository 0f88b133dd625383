"""Files that are cut, mixed or overwritten: nothing raises, nothing is dated 1970, and it is said."""

import json
from math import isnan
from typing import NamedTuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from incidents.files import DataFile
from incidents.logs import read_logs
from incidents.metrics import read_metrics
from incidents.problems import FileProblem
from incidents.traces import read_traces
from tests.incidents import layouts, test_metrics, test_traces
from weft.core import FileCoverage

YEAR_2000 = 946_684_800.0
MOST = 40
"""So few rows are kept that some of what is read is sampled."""


def as_bytes(content: object) -> bytes:
    return (content if isinstance(content, str) else json.dumps(content)).encode()


TEXTS = [
    *(as_bytes(one.text) for one in layouts.LAYOUTS),
    *(as_bytes(content) for content in test_traces.LAYOUTS.values()),
    *(as_bytes(content) for _, content in test_metrics.LAYOUTS.values()),
]


class Reading(NamedTuple):
    times: list[float]
    problems: list[FileProblem]
    files: list[FileCoverage]


def readings(files: list[DataFile]) -> list[Reading]:
    logs, traces = read_logs(files, MOST), read_traces(files, MOST)
    metrics = read_metrics(files, most=MOST)
    samples = [time for one in metrics.series for time in one.times]
    return [
        Reading([line.time for line in logs.lines if not isnan(line.time)], *logs[1:]),
        Reading([span.start for span in traces.spans], *traces[1:]),
        Reading(samples, metrics.problems, metrics.files),
    ]


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """Draw two files of any layout, line about line, cut somewhere, with bytes overwritten."""
    one, other = (draw(st.sampled_from(TEXTS)).split(b"\n") for _ in range(2))
    rows = [row for pair in zip(one * 3, other * 3, strict=False) for row in pair]
    content = bytearray(b"\n".join(draw(st.sampled_from([one, rows, one + other]))))
    for at in draw(st.lists(st.integers(0, max(len(content) - 1, 0)), max_size=4)):
        content[at : at + 1] = draw(st.binary(max_size=3))
    return bytes(content[: draw(st.integers(0, len(content)))])


@pytest.mark.timeout(60)
@example(b"Timestamp (UTC),Service.Name,")
@example(b"ts=2026-03-02T10:20:30.25Z level=warn msg=a\nts=2")
@example(b"TimeUnixNano,PodName,TraceID,SpanID,Log\n")
@settings(max_examples=60, deadline=None)
@given(damaged())
def test_whatever_is_in_a_file_it_is_read_or_named(
    tmp_path_factory: pytest.TempPathFactory, content: bytes
) -> None:
    path = tmp_path_factory.mktemp("damaged") / "file"
    path.write_bytes(content)

    for times, problems, (coverage,) in readings([DataFile(path, "file")]):
        assert all(time >= YEAR_2000 for time in times)
        assert coverage.rows or coverage.reason, "it is named, with what did not fit"
        if coverage.skipped:
            assert [one for one in problems if "malformed" in one.problem and one.line]

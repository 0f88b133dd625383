"""What is asked of live sources, when, and that nothing of it stays."""

from pathlib import Path

import anyio
import pytest

from incidents.live import LiveSource, LiveSources
from incidents.live_windows import LiveWindows, windows_of
from incidents.recordings import recording_in
from tests.incidents.live.sources import answering
from weft.core import JsonValue
from weft.core.errors import InputError
from weft.core.result import Window

NOW = 1_772_359_200.0
"""2026-03-01T10:00:00Z"""


def _left(directory: Path) -> list[Path]:
    return list(directory.iterdir())


def test_without_a_word_on_time_the_last_quarter_of_an_hour_is_looked_at() -> None:
    windows = windows_of({}, "Why?", now=NOW)

    assert windows.incident == Window(start=NOW - 900, end=NOW)
    assert windows.baseline == Window(start=NOW - 900 - 3600, end=NOW - 900)


@pytest.mark.parametrize("age", [0.0, 120.0, 86_400.0])
def test_an_alert_is_looked_at_from_before_it_fired(age: float) -> None:
    windows = windows_of({"alert_time": NOW - age}, "Why?", now=NOW)

    assert windows.incident.start == NOW - age - 300
    assert windows.incident.end == max(min(NOW, NOW - age + 900), NOW - age + 15)
    assert windows.baseline.end == windows.incident.start


def test_a_window_that_is_named_is_looked_at() -> None:
    named: JsonValue = {"start": "2026-03-01T08:00:00Z", "end": "2026-03-01T10:00:00+01:00"}

    windows = windows_of({"window": named, "alert_time": NOW}, "Since 07:00?", now=NOW)

    assert windows.incident == Window(start=NOW - 7200, end=NOW - 3600)
    assert windows_of(
        {"window": {"start": "2026-03-01T09:50:00Z"}}, "", now=NOW
    ).incident == Window(start=NOW - 600, end=NOW)
    assert windows_of({"window": {"end": NOW - 60}}, "", now=NOW).incident == Window(
        start=NOW - 960, end=NOW - 60
    )


@pytest.mark.parametrize(
    ("question", "start", "end"),
    [
        ("Why was checkout slow in the last 30 minutes?", NOW - 1800, NOW),
        ("What happened between 8:00 and 8:30?", NOW - 7200, NOW - 5400),
        ("errors since 09:50", NOW - 600, NOW),
    ],
)
def test_time_words_say_what_is_looked_at(question: str, start: float, end: float) -> None:
    windows = windows_of({"alert_time": NOW - 50}, question, now=NOW)

    assert (windows.incident.start, windows.incident.end) == (start, end)
    assert windows.is_named


@pytest.mark.parametrize(
    "window",
    [
        "yesterday",
        {},
        {"start": "soon"},
        {"start": NOW, "end": NOW - 1},
        {"start": NOW - 100_000, "end": NOW},
    ],
)
def test_what_is_no_window_is_refused(window: object) -> None:
    with pytest.raises(InputError, match="window"):
        windows_of({"window": window}, "", now=NOW)  # type: ignore[dict-item]


async def test_what_was_read_is_handed_on_and_forgotten(tmp_path: Path) -> None:
    replies = {"/api/services": {"data": ["a"]}, "/api/traces": {"data": []}}
    async with answering(replies) as source, answering({}) as away:
        sources = LiveSources(
            (LiveSource("jaeger", source.url), LiveSource("loki", away.url)), tmp_path
        )
        name = await sources.recorded(windows_of({}, "Why?", now=NOW))

    recording = recording_in(tmp_path / name)
    assert [(file.signal, file.part) for file in recording.files] == [
        ("traces", "baseline"),
        ("traces", "incident"),
    ]
    assert all(file.path.is_file() for file in recording.files)
    assert [problem.file for problem in recording.problems] == [f"loki {away.url}"]
    sources.forget(name)
    assert _left(tmp_path) == []


async def test_a_cancelled_reading_leaves_nothing(tmp_path: Path) -> None:
    windows = LiveWindows(Window(start=NOW - 60, end=NOW), Window(start=NOW - 120, end=NOW - 60))
    async with answering({"/api/services": None}) as silent:
        sources = LiveSources((LiveSource("jaeger", silent.url),), tmp_path)
        with anyio.move_on_after(0.3) as scope:
            await sources.recorded(windows)

    assert scope.cancelled_caught
    assert silent.queries
    assert _left(tmp_path) == []

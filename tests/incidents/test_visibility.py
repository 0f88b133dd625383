"""Only what both windows could see is compared: a lost or cut file makes nothing vanish."""

from dataclasses import dataclass

import pytest

from incidents.visibility import seen_in_both
from incidents.windows import Split
from weft.core import FileCoverage


@dataclass(frozen=True)
class Row:
    time: float
    service: str
    file: str = "all.json"
    trace_id: str = ""


def seen(
    normal: list[Row],
    incident: list[Row],
    *,
    lead: tuple[Row, ...] = (),
    cut: str = "",
    cut_before: str = "",
) -> tuple[list[Row], list[Row]]:
    """Return what both saw; `lead` are rows of the incident's own files from before its alert."""
    parts = Split([*normal, *lead], incident, None, [], 0.0)
    now, before = covered([*lead, *incident], cut), covered(normal, cut_before)
    both = seen_in_both(parts, now, before, lambda row: row.time)
    return both.normal, both.incident


def covered(rows: list[Row], cut: str) -> list[FileCoverage]:
    names = dict.fromkeys(row.file for row in rows)
    return [FileCoverage(name=name, rows=1, cut=name == cut) for name in names]


def rows(service: str, *times: float, file: str = "all.json", trace: str = "") -> list[Row]:
    return [Row(time, service, file, trace and f"{trace}{time}") for time in times]


@pytest.mark.requirement("DIAG-4")
def test_normal_rows_of_a_file_that_is_gone_are_not_compared() -> None:
    a, b = rows("a", 1, 2, file="x/a.log"), rows("b", 1, 2, file="x/b.log")
    now = rows("a", 11, file="y/a.log")

    assert seen([*a, *b], now) == (a, now)


@pytest.mark.requirement("DIAG-4")
def test_a_service_that_falls_silent_in_a_file_that_goes_on_is_compared() -> None:
    normal = [*rows("a", 1, 2), *rows("b", 1, 2)]
    now = rows("a", 11, 12)

    assert seen(normal, now) == (normal, now)


def test_files_that_are_named_anew_tell_of_the_same_services() -> None:
    normal = [*rows("a", 1, file="a-1.log"), *rows("b", 1, file="b-1.log")]
    now = [*rows("a", 11, file="a-2.log"), *rows("b", 11, file="b-2.log")]

    assert seen(normal, now) == (normal, now)


def test_a_file_named_anew_that_begins_before_the_alert_is_held_against_normal_times() -> None:
    normal = [*rows("a", 1, file="monday.csv"), *rows("b", 1, file="monday.csv")]
    lead = rows("a", 11, file="friday.csv")
    now = rows("a", 21, file="friday.csv")

    assert seen(normal, now, lead=tuple(lead)) == ([*normal, *lead], now)


@pytest.mark.requirement("DIAG-4")
def test_a_file_of_the_incident_that_ends_before_the_alert_makes_nothing_vanish() -> None:
    normal = [*rows("a", 1, file="a.log"), *rows("b", 1, file="b.log")]
    lead = [*rows("a", 11, file="a.log"), *rows("b", 11, file="b.log")]
    now = rows("a", 21, file="a.log")

    assert seen(normal, now, lead=tuple(lead)) == ([normal[0], lead[0]], now)


@pytest.mark.requirement("DIAG-4")
def test_services_behind_the_cut_are_lost_to_both_windows() -> None:
    a, b = rows("a", 1, 2, 3), rows("b", 1, 2, 3)
    now = rows("a", 11, 12, 13)

    assert seen([*a, *b], now, cut="all.json") == (a, now)
    assert seen(a, [*now, *rows("b", 11)], cut_before="all.json") == (a, now)


@pytest.mark.requirement("DIAG-4")
def test_requests_that_were_not_over_at_the_cut_are_left_out() -> None:
    normal = [*rows("a", 1, 2, 3, trace="t"), *rows("b", 1, 2, 3, trace="t")]
    told, half = rows("a", 11, trace="u"), rows("a", 12, 13, trace="u")
    below = rows("b", 11, trace="u")

    assert seen(normal, [*told, *half, *below], cut="all.json") == (normal, [*told, *below])


def test_a_service_that_speaks_seldom_does_not_shorten_a_file() -> None:
    normal = [*rows("a", 1, 2, 3, 4), *rows("seldom", 1)]
    now = [*rows("a", 11, 12, 13, 14), *rows("seldom", 11)]

    assert seen(normal, now, cut="all.json") == (normal, now)


def test_whole_files_are_compared_whole() -> None:
    normal, now = rows("a", 1), [*rows("a", 11), *rows("b", 11)]

    assert seen(normal, now) == (normal, now)

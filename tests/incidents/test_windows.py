"""Rows are divided at the alert, and the time right before it belongs to neither side."""

import pytest

from incidents.windows import Bounds, ChangePoint, Split, gaps, split, windows_around
from weft.core import Window


def divided(baseline: list[float], rows: list[float], alert: float | None) -> Split[float]:
    return split(baseline, rows, float, Bounds(alert))


def test_the_earlier_half_of_the_time_before_the_alert_is_normal() -> None:
    parts = divided([1.0, 11.0], [100.0, 104.0, 105.0, 109.0, 110.0, 120.0], 110.0)

    assert parts.normal == [1.0, 11.0, 100.0, 104.0]
    assert parts.onset == [105.0, 109.0]
    assert parts.incident == [110.0, 120.0]
    assert parts.window is not None
    assert (parts.window.start, parts.window.end) == (110.0, 120.0)
    assert parts.normal_seconds == 14.0


def test_without_an_alert_all_rows_belong_to_the_incident() -> None:
    assert divided([1.0], [5.0, 6.0], None).incident == [5.0, 6.0]


def test_without_a_row_after_the_alert_all_rows_belong_to_the_incident() -> None:
    assert divided([1.0], [5.0, 6.0], 7.0).incident == [5.0, 6.0]


def test_what_there_is_nothing_of_is_said() -> None:
    said = gaps(divided([], [], 7.0), case="one", kind="logs")

    assert [problem.problem for problem in said] == [
        "has no logs of normal times to compare with",
        "has no logs of the incident",
    ]


@pytest.mark.parametrize("stray", [0.0, 4e9])
def test_a_row_dated_far_from_all_others_is_left_out_and_said(stray: float) -> None:
    near = [1.7e9 + number for number in range(20)]

    parts = divided([*near, stray], [stray, *near], 1.7e9 + 10)

    assert parts.strays == 2
    assert parts.onset == near[5:10]
    assert parts.incident == near[10:]
    assert parts.normal_seconds == 19.0 + 4.0
    (problem,) = gaps(parts, case="one", kind="logs")
    assert problem.problem == "2 rows of logs are dated far from all others: they were left out"


def test_rows_spread_over_a_long_time_are_all_kept() -> None:
    weeks = [604_800.0 * number for number in range(6)]

    assert divided(weeks, [0.0, 1.0, 2.0, 9e5], None).strays == 0


@pytest.mark.requirement("DIAG-24")
def test_the_time_asked_about_is_the_incident_wherever_it_lies() -> None:
    window = Window(start=8.0, end=20.0)

    parts = split([1.0, 5.0, 9.0], [12.0, 20.0, 30.0], float, Bounds(window=window))
    alone = split([], [1.0, 5.0, 9.0, 12.0, 30.0], float, Bounds(window=window))
    alerted = split([], [1.0, 2.0, 8.0, 30.0], float, Bounds(alert=7.0, window=window))

    assert (parts.normal, parts.incident) == ([1.0, 5.0], [9.0, 12.0, 20.0])
    assert (alone.normal, alone.incident) == ([1.0, 5.0], [9.0, 12.0])
    assert (alerted.normal, alerted.incident) == ([1.0, 2.0], [8.0])


@pytest.mark.requirement("DIAG-14")
def test_rows_without_a_time_are_of_no_time_asked_about_and_said() -> None:
    parts = split([1.0], [float("nan"), 9.0], float, Bounds(window=Window(start=8.0, end=9.0)))

    (problem,) = gaps(parts, case="one", kind="logs")
    assert parts.incident == [9.0]
    assert problem.problem.startswith("1 rows of logs have no time")


def test_a_change_divides_rows_where_nothing_else_does() -> None:
    change = ChangePoint(at=10.0, margin=2.0, shown_by="logs")

    parts = split([], [1.0, 8.0, 10.0, 11.0], float, Bounds(change=change))
    recorded = split([1.0], [8.0, 11.0], float, Bounds(change=change))

    assert (parts.normal, parts.onset, parts.incident) == ([1.0], [8.0], [10.0, 11.0])
    assert (recorded.normal, recorded.incident) == ([1.0], [8.0, 11.0])
    before, since = windows_around(Bounds(change=change), [1.0, 8.0, 11.0], float)
    assert before.end < since.start == change.at

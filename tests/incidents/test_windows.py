"""Rows are divided at the alert, and the time right before it belongs to neither side."""

import pytest

from incidents.windows import Split, gaps, split


def divided(baseline: list[float], rows: list[float], alert: float | None) -> Split[float]:
    return split(baseline, rows, float, alert)


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

"""Pages become readings, and neighbouring readings become rows."""

import math

from hypothesis import given
from hypothesis import strategies as st

from deploy.demo.recording import ALERT_ABOVE, SYMPTOM, alert_time
from deploy.demo.scrape import Reading, Row, parsed, quantile, rows

PAGE = """\
# TYPE served_total counter
served_total{route="/a"} 3
served_total{route="/b"} 4
# TYPE waiting gauge
waiting 2.5
# TYPE took_seconds histogram
took_seconds_bucket{route="/a",le="0.1"} 1
took_seconds_bucket{route="/a",le="+Inf"} 2
took_seconds_bucket{route="/b",le="0.1"} 5
took_seconds_bucket{route="/b",le="+Inf"} 5
took_seconds_sum{route="/a"} 1.5
took_seconds_count{route="/a"} 2
"""


def test_series_that_differ_only_in_labels_are_added_up() -> None:
    reading = parsed(PAGE, service="s", timestamp=1.0)

    assert reading.counters == {"served_total": 7}
    assert reading.gauges == {"waiting": 2.5}
    assert reading.histograms == {"took_seconds": {0.1: 6, math.inf: 7}}


def test_rows_tell_counters_per_second_and_only_what_an_interval_saw() -> None:
    before = Reading(10.0, "s", counters={"n_total": 4}, histograms={"t": {1.0: 9, math.inf: 9}})
    now = Reading(12.0, "s", counters={"n_total": 9}, histograms={"t": {1.0: 9, math.inf: 9}})

    assert rows([before, now]) == [
        Row(12.0, "s", "n_per_second", 2.5),
        Row(12.0, "s", "up", 1.0),
    ]


def test_a_service_that_did_not_answer_is_down_and_tells_nothing_else() -> None:
    answered = Reading(1.0, "s", gauges={"waiting": 1.0})

    found = rows([answered, Reading(2.0, "s", up=False), Reading(3.0, "s", gauges={"waiting": 1})])

    assert found == [Row(2.0, "s", "up", 0.0), Row(3.0, "s", "up", 1.0)]


@given(st.lists(st.integers(0, 50), min_size=4, max_size=4), st.floats(0.01, 0.99))
def test_a_quantile_lies_in_the_bucket_that_reaches_its_share(
    counts: list[int], share: float
) -> None:
    bounds = (0.1, 1.0, 5.0, math.inf)
    cumulative = {bound: float(sum(counts[: at + 1])) for at, bound in enumerate(bounds)}

    found = quantile(share, cumulative)

    if not sum(counts):
        assert found is None
        return
    assert found is not None
    reached = next(bound for bound in bounds if cumulative[bound] >= share * sum(counts))
    assert found <= reached
    assert all(found >= bound for bound in bounds[:3] if bound < reached)


def test_the_alert_needs_two_high_readings_in_a_row() -> None:
    high, low = ALERT_ABOVE * 2, ALERT_ABOVE / 2

    def series(*values: float) -> list[Row]:
        return [Row(float(at), *SYMPTOM, value) for at, value in enumerate(values)]

    assert alert_time(series(low, high, low, high, high, high)) == 4.0
    assert alert_time(series(high, low, high, low)) is None

"""What is compared of metrics means something: rates of counters, quantiles of histograms."""

import math
from collections.abc import Mapping
from pathlib import Path

import pytest

from incidents.metrics import comparable
from tests.incidents.recorded_metrics import (
    STEP,
    T0,
    Json,
    alone,
    matrix,
    nanoseconds,
    otlp,
    read,
    words,
)


def counted(
    rate: float, *, start: float = 0.0, steps: int = 8, at: int = 0
) -> list[tuple[float, object]]:
    return [(at + STEP * step, start + rate * STEP * step) for step in range(steps)]


@pytest.mark.requirement("DIAG-17")
@pytest.mark.parametrize("name", ["requests_total", "requests"])
def test_counters_become_rates_also_where_nobody_calls_them_so(tmp_path: Path, name: str) -> None:
    labels = {"__name__": name, "service": "cart"}
    before = read(tmp_path, matrix((labels, counted(2, start=50, steps=20))))
    now = read(tmp_path, matrix((labels, counted(5, start=9000, at=4000, steps=20))))

    normal, incident, problems = comparable(before.series, now.series)

    (key,) = normal
    assert key == ("cart", f"{name} per second")
    assert set(normal[key].values) == {2.0}
    assert set(incident[key].values) == {5.0}
    assert problems == []


@pytest.mark.requirement("DIAG-17")
def test_a_counter_counts_on_where_it_was_reset(tmp_path: Path) -> None:
    values = [(0, 100), (15, 130), (30, 15), (45, 45)]

    metrics = read(tmp_path, matrix(({"__name__": "x_total", "service": "cart"}, values)))

    assert alone(metrics) == {("cart", "x_total per second"): [(15, 2.0), (30, 1.0), (45, 2.0)]}


def test_nothing_is_said_of_a_long_pause_between_samples_of_a_counter(tmp_path: Path) -> None:
    values = [*counted(2), *counted(2, start=90_000, at=4000)]

    metrics = read(tmp_path, matrix(({"__name__": "x_total", "service": "cart"}, values)))

    assert set(dict(alone(metrics)["cart", "x_total per second"]).values()) == {2.0}


def test_a_level_that_is_called_a_total_stays_one(tmp_path: Path) -> None:
    values: list[tuple[float, object]] = [(STEP * n, 100 + n % 3) for n in range(20)]

    metrics = read(tmp_path, matrix(({"__name__": "x_total", "service": "cart"}, values)))

    assert list(alone(metrics)) == [("cart", "x_total")]


def test_a_level_that_grows_only_during_the_incident_stays_one(tmp_path: Path) -> None:
    labels = {"__name__": "open_files", "service": "cart"}
    before = read(tmp_path, matrix((labels, [(STEP * n, 7) for n in range(20)])))
    now = read(tmp_path, matrix((labels, [(STEP * n, 7 + n) for n in range(20)])))

    assert list(comparable(before.series, now.series).incident) == [("cart", "open_files")]


def test_what_several_pods_count_is_added_up(tmp_path: Path) -> None:
    series = [
        ({"__name__": "x_total", "pod": f"cart-{pod}"}, counted(2, start=100 * pod, steps=3))
        for pod in range(3)
    ]

    metrics = read(tmp_path, matrix(*series))

    assert alone(metrics) == {("cart", "x_total per second"): [(15, 6.0), (30, 6.0)]}


def test_an_outcome_that_is_new_was_not_counted_before(tmp_path: Path) -> None:
    labels = {"__name__": "http_requests_total", "service": "cart"}
    ok, bad = labels | {"status": "200"}, labels | {"status": "500"}
    before = read(tmp_path, matrix((ok, counted(2))))
    now = read(tmp_path, matrix((ok, counted(2)), (bad, counted(3))))

    normal, incident, _ = comparable(before.series, now.series)

    key = ("cart", "http_requests_total{status=500} per second")
    assert set(normal[key].values) == {0.0}
    assert set(incident[key].values) == {3.0}


def test_a_metric_with_very_many_sets_of_labels_is_compared_without_them(tmp_path: Path) -> None:
    series = [
        (
            {"__name__": "x_total", "service": "cart", "path": f"/{n}", "code": "200"},
            counted(1, steps=3),
        )
        for n in range(50)
    ]

    metrics = read(tmp_path, matrix(*series))

    assert alone(metrics) == {("cart", "x_total{code=200} per second"): [(15, 50.0), (30, 50.0)]}


def test_a_counter_with_one_sample_is_told(tmp_path: Path) -> None:
    metrics = read(tmp_path, matrix(({"__name__": "x_total", "service": "cart"}, [(0, 5)])))

    normal, incident, problems = comparable([], metrics.series)

    assert (normal, incident) == ({}, {})
    assert [one.problem for one in problems] == [
        "1 counters have one sample only: how fast they count is not known"
    ]


def buckets(counts: Mapping[str, list[int]]) -> str:
    lines = ["# TYPE took_seconds histogram"]
    for bound, values in counts.items():
        lines += [
            f'took_seconds_bucket{{service="cart",le="{bound}"}} {value} {T0 + STEP * at}000'
            for at, value in enumerate(values)
        ]
    return "\n".join(lines)


@pytest.mark.requirement("DIAG-17")
def test_histograms_become_quantiles_of_what_came_meanwhile(tmp_path: Path) -> None:
    text = buckets({
        "0.1": [100, 190, 45], "0.2": [100, 199, 45], "0.4": [100, 200, 95], "+Inf": [100, 200, 100],
    })  # fmt: skip
    text += "".join(
        f'\ntook_seconds_{part}{{service="cart"}} {value} {T0 + STEP * at}000'
        for part, values in (("sum", (10, 20, 25)), ("count", (100, 200, 100)))
        for at, value in enumerate(values)
    )

    metrics = read(tmp_path, f"{text}\n", "m.prom")

    assert alone(metrics) == {
        ("cart", "took_seconds p50"): [(15, 0.055556), (30, 0.22)],
        ("cart", "took_seconds p95"): [(15, 0.155556), (30, 0.4)],
        ("cart", "took_seconds p99"): [(15, 0.2), (30, 0.4)],
        ("cart", "took_seconds mean"): [(15, 0.1), (30, 0.25)],
        ("cart", "took_seconds_count per second"): [(15, 6.666667), (30, 6.666667)],
    }


def test_the_quantiles_of_a_summary_are_levels(tmp_path: Path) -> None:
    text = f'# TYPE took summary\ntook{{service="cart",quantile="0.99"}} 0.5 {T0}000\n'

    metrics = read(tmp_path, text, "m.prom")

    assert alone(metrics) == {("cart", "took p99"): [(0, 0.5)]}


def test_text_without_times_is_told(tmp_path: Path) -> None:
    metrics = read(tmp_path, '# TYPE up gauge\nup{job="cart"} 1\n', "m.prom")

    assert metrics.series == []
    assert words(metrics) == [
        "1 samples have no time: they cannot be compared",
        "1 malformed rows were skipped",
    ]


def total(*values: tuple[float, float, float], temporality: object, monotonic: bool = True) -> Json:
    return {
        "name": "served",
        "sum": {
            "aggregationTemporality": temporality,
            "isMonotonic": monotonic,
            "dataPoints": [
                {"startTimeUnixNano": nanoseconds(start), "timeUnixNano": nanoseconds(end), "asDouble": value}
                for start, end, value in values
            ],
        },
    }  # fmt: skip


@pytest.mark.requirement("DIAG-17")
def test_sums_of_both_temporalities_become_rates(tmp_path: Path) -> None:
    since_start = total((0, 10, 50), (0, 20, 70), (0, 30, 80), temporality=2)
    since_last = total(
        (0, 10, 50), (10, 20, 20), (20, 30, 10), temporality="AGGREGATION_TEMPORALITY_DELTA"
    )

    cumulative = alone(read(tmp_path, otlp(since_start)))
    delta = alone(read(tmp_path, otlp(since_last)))

    assert cumulative == {("cart", "served per second"): [(20, 2.0), (30, 1.0)]}
    assert delta == {("cart", "served per second"): [(10, 5.0), (20, 2.0), (30, 1.0)]}


def test_a_sum_that_may_fall_is_a_level(tmp_path: Path) -> None:
    open_now = total((0, 10, 50), (0, 20, 70), (0, 30, 80), temporality=2, monotonic=False)

    assert list(alone(read(tmp_path, otlp(open_now)))) == [("cart", "served")]


def histogram(temporality: int, *rows: tuple[float, list[int], float]) -> Json:
    points = [
        {"timeUnixNano": nanoseconds(at), "explicitBounds": [0.1, 0.2, 0.4],
         "bucketCounts": [str(count) for count in counts], "sum": total, "count": str(sum(counts))}
        for at, counts, total in rows
    ]  # fmt: skip
    return {
        "name": "took",
        "histogram": {"aggregationTemporality": temporality, "dataPoints": points},
    }


QUANTILES = {
    ("cart", "took p50"): [(15, 0.1)],
    ("cart", "took p95"): [(15, 0.36)],
    ("cart", "took p99"): [(15, 0.392)],
    ("cart", "took mean"): [(15, 0.2)],
    ("cart", "took count per second"): [(15, 6.666667)],
}


@pytest.mark.requirement("DIAG-17")
def test_histograms_of_both_temporalities_become_quantiles(tmp_path: Path) -> None:
    since_start = histogram(2, (0, [9, 9, 9, 9], 5), (15, [59, 34, 34, 9], 25))
    since_last = histogram(1, (0, [9, 9, 9, 9], 5), (15, [50, 25, 25, 0], 20))

    assert alone(read(tmp_path, otlp(since_start))) == QUANTILES
    assert alone(read(tmp_path, otlp(since_last))) == QUANTILES


def exponential(*rows: tuple[float, int, int, list[int]]) -> Json:
    points = [
        {"timeUnixNano": nanoseconds(at), "scale": scale, "zeroCount": "0",
         "positive": {"offset": offset, "bucketCounts": counts}}
        for at, scale, offset, counts in rows
    ]  # fmt: skip
    return {
        "name": "took",
        "exponentialHistogram": {"aggregationTemporality": 2, "dataPoints": points},
    }


@pytest.mark.requirement("DIAG-17")
def test_exponential_histograms_become_quantiles_also_where_their_scale_changes(
    tmp_path: Path,
) -> None:
    # At scale 1 the bounds are powers of the root of 2, at scale 0 those of 2.
    rows = (0, 1, 0, [10, 20]), (15, 1, 0, [10, 120]), (30, 0, 0, [130, 100, 100])

    took = alone(read(tmp_path, otlp(exponential(*rows))))

    assert took["cart", "took p50"] == [
        (15, round(math.sqrt(2) + (2 - math.sqrt(2)) / 2, 6)), (30, 4.0),
    ]  # fmt: skip
    assert took["cart", "took p99"][1] == (30, 7.92)


def test_an_otlp_summary_and_missing_points_are_read(tmp_path: Path) -> None:
    quantiles = [{"quantile": 0.95, "value": 0.3}]
    summary = {
        "name": "took",
        "summary": {"dataPoints": [{"timeUnixNano": nanoseconds(0), "quantileValues": quantiles}]},
    }
    missing = {"name": "x", "gauge": {"dataPoints": [{"timeUnixNano": nanoseconds(0), "flags": 1}]}}

    metrics = read(tmp_path, otlp(summary, missing))

    assert alone(metrics) == {("cart", "took p95"): [(0, 0.3)]}
    assert words(metrics) == []

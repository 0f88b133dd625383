"""Metrics of every layout are read into one form, each series of its service."""

import gzip
import json
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.dating import Dating
from incidents.files import DataFile
from incidents.metrics import comparable, read_metrics
from tests.incidents.recorded_metrics import (
    T0,
    alone,
    gauge,
    matrix,
    nanoseconds,
    otlp,
    read,
    words,
)

MEMORY = {("cart", "memory_bytes"): [(0, 100.0), (15, 110.0)]}
LONG = f"timestamp,service,metric,value\n{T0 + 15},cart-0,memory_bytes,110\n{T0},cart-0,memory_bytes,100\n"


LAYOUTS: dict[str, tuple[str, object]] = {
    "long": ("metrics.csv", LONG),
    "long, other words": (
        "m.csv", f"ts,name,val,pod\n{T0},memory_bytes,100,cart-0\n{T0 + 15},memory_bytes,110,cart-0\n",
    ),
    "long, labels": (
        "m.csv",
        (f'time,metric,value\n{T0},"memory_bytes{{service=""cart""}}",100\n'
        f'{T0 + 15},"memory_bytes{{service=""cart""}}",110\n'),
    ),
    "wide": ("m.csv", f"Time,TimeStamp,PodName,memory_bytes\nx,{T0},cart-0,100\nx,{T0 + 15},cart-0,110\n"),
    "stacked": (
        "m.csv",
        (f"microservice,cart,cart\nmetric,memory,x\nstatistic,bytes,\nunix_timestamp,,\n"
        f"{T0}.0,100,\n{T0 + 15}.0,110,\n"),
    ),
    "matrix": (
        "m.json",
        matrix(({"__name__": "memory_bytes", "job": "cart"}, [(0, 100), (15, 110)])),
    ),
    "vectors": (
        "m.json",
        "\n".join(
            json.dumps({"status": "success", "data": {"resultType": "vector", "result": [
                {"metric": {"__name__": "memory_bytes", "app": "cart"}, "value": [T0 + at, str(value)]}
            ]}})
            for at, value in ((0, 100), (15, 110))
        ),
    ),
    "results alone": (
        "memory_bytes.json",
        matrix(({"container": "cart"}, [(0, 100), (15, 110)]))["data"]["result"],
    ),
    "text": (
        "m.prom",
        ("# HELP memory_bytes How much.\n# TYPE memory_bytes gauge\n"
        f'memory_bytes{{pod="cart-5f6585d649-fnmft",node="n}} 1"}} 100 {T0}000\n'
        f'memory_bytes{{pod="cart-5f6585d649-fnmft",node="n}} 1"}} 1.1e2 {T0 + 15}000\n'),
    ),
    "OpenMetrics": (
        "m.txt",
        ("# TYPE memory_bytes gauge\n# UNIT memory_bytes bytes\n"
        f'memory_bytes{{service="cart"}} 100 {T0}\n'
        f'memory_bytes{{service="cart"}} 110 {T0 + 15}.0 # {{trace_id="a b"}} 0.5\n# EOF\n'),
    ),
    "OTLP": ("m.json", otlp(gauge("memory_bytes", (0, 100), (15, 110)))),
    "OTLP lines": (
        "m.jsonl",
        "\n".join(json.dumps(otlp(gauge("memory_bytes", one))) for one in ((0, 100), (15, 110))),
    ),
    "OTLP of old": (
        "m.json",
        otlp(gauge("memory_bytes", (0, 100), (15, 110)), lists="instrumentationLibraryMetrics"),
    ),
    "Grafana": (
        "memory_bytes-data-2023-11-14 22_13_20.csv",
        f'"Time","cart","mail"\n{T0}000,100,\n2023-11-14 22:13:35,110 B,\n',
    ),
    "Grafana, by row": (
        "memory_bytes.csv",
        f"Series;Time;Value\ncart;{T0}000;100\ncart;{T0 + 15}000;110\ncart;{T0}000;null\n",
    ),
    "long, other headers": (
        "m.csv",
        (f"Timestamp (UTC),Service.Name,Metric Name,Value\n{T0},cart,memory_bytes,100\n"
        f"{T0 + 15},cart,memory_bytes,110\n"),
    ),
    "Grafana, labels": (
        "Panel.csv",
        ('sep=;\nTime;memory_bytes{instance="10.0.0.1:80", job="cart"}\n'
        "2023-11-14T22:13:20Z;100\n2023-11-14T22:13:35Z;0.11 kB\n"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", LAYOUTS)
def test_every_layout_is_read_alike(tmp_path: Path, name: str) -> None:
    file, content = LAYOUTS[name]

    metrics = read(tmp_path, content, file)

    known = alone(metrics)
    expected = (
        {("cart", "memory bytes"): MEMORY["cart", "memory_bytes"]} if name == "stacked" else MEMORY
    )
    assert known == expected
    assert words(metrics) == []


@pytest.mark.parametrize(
    "text",
    [
        "Source,Target,Weight\nshop-0,cart-0,1\nshop-0,mail,1\ncart,db,3\n",
        "callee,caller\ncart,shop\nmail,shop\ndb,cart\n,shop\n",
        ",shop,cart,mail,db\nshop,0.0,1.0,1.0,\ncart,0,0,0,2\ndb,0,0,0,0\n",
        f"time,timestamp,shop_cart,shop_mail,cart_db\nx,{T0},1,1,1\n",
    ],
)
def test_who_calls_whom_is_read(tmp_path: Path, text: str) -> None:
    metrics = read(tmp_path, text, "graph.csv")

    assert metrics.calls == {"cart": {"db"}, "shop": {"cart", "mail"}}


def test_times_that_tell_no_zone_are_in_the_one_that_is_set(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_text("Time,cart\n2023-11-14 23:13:20,7\n")
    file = DataFile(tmp_path / "m.csv", "m.csv", dating=Dating("Europe/Berlin"))

    assert alone(read_metrics([file])) == {("cart", "m"): [(0, 7.0)]}


def test_a_packed_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "m.csv.gz").write_bytes(gzip.compress(LONG.encode()))

    metrics = read_metrics([DataFile(tmp_path / "m.csv.gz", "m.csv.gz")])

    assert alone(metrics) == MEMORY


def test_the_names_of_a_saved_panel_tell_service_and_metric(tmp_path: Path) -> None:
    header = "Time,checkout p99,mail - errors,shop"
    text = f"{header}\n{T0},350 ms,1,12.5%\n{T0 + 60},1.2 s,1,13%\n"

    metrics = read(tmp_path, text, "Request latency-data-as-joinbyfield-2024-01-01 10_00_00.csv")

    assert alone(metrics) == {
        ("checkout", "Request latency p99"): [(0, 0.35), (60, 1.2)],
        ("mail", "Request latency errors"): [(0, 1.0), (60, 1.0)],
        ("shop", "Request latency"): [(0, 12.5), (60, 13.0)],
    }


def test_a_table_of_calls_is_of_the_called(tmp_path: Path) -> None:
    text = f"time,timestamp,shop_cart,shop_mail\nx,{T0},0.1,0.2\nx,{T0 + 60},0.3,\n"

    metrics = read(tmp_path, text, "source_50.csv")

    assert alone(metrics) == {
        ("cart", "call_latency_p50_at_source_seconds{caller=shop}"): [(0, 0.1), (60, 0.3)],
        ("mail", "call_latency_p50_at_source_seconds{caller=shop}"): [(0, 0.2)],
    }


@pytest.mark.requirement("DIAG-18")
@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"pod": "cart-5f6585d649-fnmft"}, "cart"),
        ({"pod": "cart-0", "container": "cart-main"}, "cart-main"),
        ({"container": "main", "app": "cart"}, "cart"),
        ({"app": "x", "job": "cart"}, "cart"),
        ({"job": "shop/cart"}, "cart"),
        ({"job": "x", "service_name": "cart"}, "cart"),
        ({"service_name": "x", "service": "cart"}, "cart"),
        ({"job": "kubelet", "pod": "cart-0"}, "cart"),
        ({"job": "kubelet"}, "kubelet"),
        ({"pod": "exporter-0", "exported_pod": "cart-0"}, "cart"),
        ({"instance": "10.0.0.1:9100"}, ""),
    ],
)
def test_labels_name_the_service_in_a_fixed_order(
    tmp_path: Path, labels: dict[str, str], service: str
) -> None:
    metrics = read(tmp_path, matrix(({"__name__": "up", **labels}, [(0, 1)])))

    assert list(alone(metrics)) == [(service, "up")]


@pytest.mark.requirement("DIAG-18")
def test_which_labels_name_the_service_can_be_set(tmp_path: Path) -> None:
    labels = {"__name__": "up", "job": "x", "k8s_app": "cart"}

    metrics = read(tmp_path, matrix((labels, [(0, 1)])), service_labels=("k8s.app", "job"))

    assert list(alone(metrics)) == [("cart", "up")]


DAMAGE = {
    "long": ("m.csv", f"{LONG}{T0},cart,memory_bytes,much\n{'9' * 400},cart,memory_bytes,1\n²,cart,memory_bytes,1\n"),
    "short row": ("m.csv", f"{LONG}{T0},cart\n{T0},cart,,7\n{T0},cart,memory_bytes,\n"),
    "text": (
        "m.prom",
        (f'# TYPE memory_bytes gauge\nmemory_bytes{{job="cart"}} 100 {T0}000\n'
        f'memory_bytes{{job="cart" 7 {T0}000\nmemory_bytes{{job="cart"}} seven {T0}000\n'
        f'memory_bytes{{job="cart"}} 7 -1e400\nmemory_bytes{{job="cart"}} 110 {T0 + 15}000\n'),
    ),
    "matrix": (
        "m.json",
        json.dumps(matrix(
            ({"__name__": "memory_bytes", "job": "cart"},
             [(0, 100), (1, "x"), (15, 110), (math.inf, 3)]),
            ({"__name__": "memory_bytes", "job": "cart"}, [(7, "1e400x")]),
        )),
    ),
    "OTLP": (
        "m.json",
        otlp(gauge("memory_bytes", (0, 100), (15, 110)), {"name": 7}, {"name": "h", "histogram": {
            "dataPoints": [
                {"timeUnixNano": nanoseconds(0), "explicitBounds": [1], "bucketCounts": ["1"]},
                {"timeUnixNano": nanoseconds(0), "explicitBounds": [1], "bucketCounts": "x"},
            ]}}),
    ),
    "Grafana": ("memory_bytes.csv", f"Time,cart\n{T0},100\nnever,100\n{T0 + 15},110\n1,2,3\n{T0 + 30},?\n"),
}  # fmt: skip


@pytest.mark.parametrize("name", DAMAGE)
def test_a_damaged_value_costs_its_row_alone(tmp_path: Path, name: str) -> None:
    file, content = DAMAGE[name]

    metrics = read(tmp_path, content, file)

    assert alone(metrics) == MEMORY
    assert words(metrics) == ["3 malformed rows were skipped"]


def test_nothing_is_dated_1970(tmp_path: Path) -> None:
    metrics = read(tmp_path, f"{LONG}0,cart,memory_bytes,5\n", "m.csv")

    assert alone(metrics) == MEMORY
    assert words(metrics) == ["1 samples are dated before 2000", "1 malformed rows were skipped"]


def test_of_too_many_samples_every_series_keeps_some_and_it_is_said(tmp_path: Path) -> None:
    rows = "".join(f"{T0 + n},{name},x_total,{n * 3}\n" for n in range(200) for name in ("a", "b"))

    metrics = read(tmp_path, f"timestamp,service,metric,value\n{rows}", "m.csv", most=150)

    rates = alone(metrics)
    assert {value for _, value in rates["a", "x_total per second"]} == {3.0}
    assert len(rates["a", "x_total per second"]) == len(rates["b", "x_total per second"]) > 20
    said = "sampled: one in 4 of its rows was read, evenly over its time"
    assert words(metrics) == [said]
    assert [(one.rows, one.reason) for one in metrics.files] == [(100, said)]


def test_buckets_of_a_histogram_are_kept_of_the_same_moments(tmp_path: Path) -> None:
    begins = {"0.1": 0, "1": 45, "+Inf": 15}
    rows = [
        f'wait_bucket{{service="cart",le="{bound}"}} {at} {T0 + at}\n'
        for bound, begin in begins.items()
        for at in range(begin, 6_000, 15)
    ]

    metrics = read(tmp_path, "".join(rows), "m.prom", most=600)

    kept = [set(one.times) for one in metrics.series]
    assert len(kept) == 3
    assert len(set.union(*kept)) - len(set.intersection(*kept)) <= 2


def test_of_the_samples_of_each_file_as_large_a_share_is_kept(tmp_path: Path) -> None:
    files = []
    for number, count in enumerate((300, 100, 200)):
        path = tmp_path / f"{number}.csv"
        begin = T0 + 1_000 * number
        rows = "".join(f"{begin + n},cart,memory_bytes,{n}\n" for n in range(count))
        path.write_text(f"timestamp,service,metric,value\n{rows}")
        files.append(DataFile(path, path.name))

    metrics = read_metrics(files, most=160)

    assert [one.rows for one in metrics.files] == [75, 25, 50]
    assert sum(len(one.times) for one in metrics.series) == 150


def test_no_more_series_are_kept_than_there_is_memory_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("incidents.metrics.reading.MOST_SERIES", 100)
    rows = "".join(f"{T0},cart,m{number},1\n" for number in range(101))

    metrics = read(tmp_path, f"timestamp,service,metric,value\n{rows}", "m.csv")

    assert len(metrics.series) == 100
    assert words(metrics) == [
        (
            "only the first 100 series are kept: 1 samples of others were left out,"
            " and their services are not compared"
        )
    ]


@pytest.mark.parametrize(
    "text",
    [
        "timestamp,service,level,message\n1700000000,cart,INFO,hello\n",
        "time,name,value\n1700000000,signup,yes\n",
        "a,b\n1,2\n",
        "nonsense",
        "[]",
        '{"some": "thing"}',
    ],
)
def test_what_holds_no_metrics_is_a_problem(tmp_path: Path, text: str) -> None:
    metrics = read(tmp_path, text, "metrics.csv")

    assert metrics.series == []
    assert len(metrics.problems) == 1


@given(st.sampled_from(sorted(LAYOUTS)), st.data())
def test_whatever_is_damaged_in_a_file_nothing_raises(
    tmp_path_factory: pytest.TempPathFactory, name: str, data: st.DataObject
) -> None:
    file, content = LAYOUTS[name]
    text = content if isinstance(content, str) else json.dumps(content)
    at = data.draw(st.integers(0, len(text)))
    odd = data.draw(st.text(max_size=4) | st.sampled_from(['"', "}", "]", "\\", "1e999", "null"]))
    path = tmp_path_factory.mktemp("m")

    metrics = read(path, f"{text[:at]}{odd}{text[at + len(odd) :]}", file)

    comparable([], metrics.series)
    comparable(metrics.series, metrics.series)

"""The metrics analyst finds a planted change, and tells a cause from a symptom."""

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from incidents.cases import DataRoots
from services.metrics_analyst.meanings import meaning
from services.metrics_analyst.tools import ANALYZE_METRICS
from weft.core import Claim
from weft.core.errors import DataRefusedError

ALERT = 1_700_001_000
SERVICES = ("shop", "store", "mail")
METRICS = {"cpu_usage_percent": 10.0, "request_duration_seconds_p95": 0.05, "bytes_sent": 1e5}
Value = Callable[[str, str, float], float]


def usual(_service: str, _metric: str, value: float) -> float:
    return value


def busy(service: str, metric: str, value: float) -> float:
    """The store's processor is full, and so its caller waits."""
    if (service, metric) == ("store", "cpu_usage_percent"):
        return 97.0
    if service == "shop" and metric.startswith("request_duration"):
        return value * 40
    return value


def write(path: Path, *, start: int, count: int, value: Value) -> None:
    noise = random.Random(start)  # noqa: S311 - no secret
    rows = [
        f"{start + 15 * n},{service},{metric},{value(service, metric, noise.gauss(1, 0.1) * base)}"
        for n in range(count)
        for service in SERVICES
        for metric, base in METRICS.items()
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(["timestamp,service,metric,value", *rows, ""]))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path / "baseline/metrics.csv", start=ALERT - 9000, count=60, value=usual)
    facts = {"alert_time_unix": ALERT, "baseline": "baseline", "logs": [], "traces": []}
    (tmp_path / "case").mkdir()
    (tmp_path / "case" / "case.json").write_text(json.dumps(facts))
    return tmp_path


def happened(root: Path, value: Value) -> None:
    write(root / "case/metrics.csv", start=ALERT, count=8, value=value)


async def analyzed(root: Path, data: str = "case") -> dict[str, Any]:
    analyze_metrics = ANALYZE_METRICS.tool(DataRoots([root]))
    found: dict[str, Any] = await to_thread.run_sync(analyze_metrics, data)
    return found


def departures(result: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the findings that are more than a place in the ranking."""
    return [finding for finding in result["findings"] if finding["kind"] != "usual"]


def claims(found: dict[str, Any], kind: str) -> dict[str, float]:
    made = [Claim.model_validate(claim) for claim in found["claims"]]
    return {claim.subject: claim.strength for claim in made if claim.kind == kind}


async def test_a_full_processor_is_a_cause_with_its_numbers_and_window(root: Path) -> None:
    happened(root, busy)

    found = await analyzed(root)

    first = found["findings"][0]
    assert (first["service"], first["evidence"]["metric"]) == ("store", "cpu_usage_percent")
    assert first["evidence"]["incident"]["median"] == 97.0
    assert first["evidence"]["baseline"]["median"] == pytest.approx(10, abs=1)
    assert first["evidence"]["window"] == {"start": ALERT, "end": ALERT + 7 * 15}
    assert first["evidence"]["files"] == ["case/metrics.csv", "baseline/metrics.csv"]
    assert claims(found, "cause")["store"] > 0.9


async def test_who_is_only_slow_is_suspected_far_less_than_who_is_full(root: Path) -> None:
    happened(root, busy)

    suspects = claims(await analyzed(root), "cause")

    assert suspects["store"] > 0.9
    assert 0 < suspects["shop"] < 0.4


async def test_noise_and_a_lone_spike_are_no_findings(root: Path) -> None:
    happened(root, usual)
    with (root / "case/metrics.csv").open("a") as file:
        file.write(f"{ALERT + 3},mail,cpu_usage_percent,99\n")

    result = await analyzed(root)

    assert departures(result) == []
    assert result["coverage"]["verdict"] == "nothing_unusual"


async def test_a_change_only_before_the_alert_is_no_finding(root: Path) -> None:
    write(root / "case/metrics.csv", start=ALERT - 8 * 15, count=16, value=usual)
    text = (root / "case/metrics.csv").read_text()
    (root / "case/metrics.csv").write_text(
        text + "".join(f"{ALERT - n},store,cpu_usage_percent,97\n" for n in range(1, 20))
    )

    assert departures(await analyzed(root)) == []


async def test_missing_values_and_zeros_are_borne(root: Path) -> None:
    happened(root, busy)
    with (root / "case/metrics.csv").open("a") as file:
        file.write(f"{ALERT},store,cpu_usage_percent,NaN\n{ALERT},idle,cpu,0\n{ALERT},idle,cpu,\n")
    with (root / "baseline/metrics.csv").open("a") as file:
        file.writelines(f"{ALERT - 9000 + n},idle,cpu,0\n" for n in range(10))

    found = await analyzed(root)

    assert found["findings"][0]["service"] == "store"
    assert not [each for each in found["findings"] if each["service"] == "idle"]
    assert found["problems"] == [
        {"file": "case/metrics.csv", "problem": "1 malformed rows were skipped", "line": 76}
    ]


async def test_wide_tables_are_analyzed_like_long_ones(root: Path) -> None:
    def wide(path: Path, start: int, *, cpu: int) -> None:
        rows = [f"x,{start + 60 * n},store-f5756978c-6sb8t,{cpu + n % 2}.0,NaN" for n in range(10)]
        path.write_text("\n".join(["Time,TimeStamp,PodName,CpuUsageRate(%),Ops", *rows, ""]))

    wide(root / "baseline/metrics.csv", ALERT - 6000, cpu=5)
    wide(root / "case/metrics.csv", ALERT, cpu=95)

    assert claims(await analyzed(root), "cause")["store"] > 0.9


async def test_an_absent_table_or_baseline_is_told(root: Path) -> None:
    absent = await analyzed(root)
    (root / "baseline/metrics.csv").unlink()
    happened(root, busy)
    alone = await analyzed(root)

    assert {"file": "case", "problem": "has no metrics of the incident"} in absent["problems"]
    assert {"file": "case", "problem": "has no metrics of normal times to compare with"} in alone[
        "problems"
    ]
    assert alone["findings"] == []


async def test_a_refused_directory_is_an_error(root: Path) -> None:
    with pytest.raises(DataRefusedError):
        await analyzed(root, "labels.json")


async def test_the_same_metrics_give_the_same_answer(root: Path) -> None:
    happened(root, busy)

    assert await analyzed(root) == await analyzed(root)


@pytest.mark.parametrize(
    ("metric", "role"),
    [
        ("CpuUsageRate(%)", "resource"),
        ("PodClientLatencyP90(s)", "latency"),
        ("http_server_request_duration_seconds_p95", "latency"),
        ("http_server_active_requests", "latency"),
        ("event_loop_lag_seconds", "saturation"),
        ("db_pool_waiting", "saturation"),
        ("http_server_errors_per_second", "failure"),
        ("PodSuccessRate(%)", "failure"),
        ("NodeCpuUsageRate(%)", "other"),
        ("NetworkReceiveBytes", "traffic"),
        ("up", "failure"),
        ("http_requests_total{status=500} per second", "failure"),
        ("http_requests_total{method=GET, code=503} per second", "failure"),
        ("http_requests_total{code=404} per second", "traffic"),
        ("grpc_server_handled_total{grpc_code=Unavailable} per second", "failure"),
        ("grpc_server_handled_total{grpc_code=OK} per second", "traffic"),
        ("jobs_total{outcome=failed} per second", "failure"),
        ("http.server.request.duration p95", "latency"),
        ("http_request_duration_seconds{route=/buy} p99", "latency"),
        ("http.server.request.duration count per second", "traffic"),
        ("http_request_size_bytes p99", "traffic"),
        ("process_cpu_seconds_total per second", "resource"),
        ("CPUUtilization", "resource"),
        ("mem_used_pct", "resource"),
        ("go_goroutines", "resource"),
        ("memory_available_bytes", "resource"),
        ("container_cpu_cfs_throttled_periods_total per second", "saturation"),
        ("ConsumerLag", "saturation"),
        ("feature_flags_evaluated", "other"),
        ("meeting_room_temperature", "other"),
        ("system_cpu_time{state=idle}", "other"),
        ("process_start_time_seconds", "other"),
    ],
)
def test_a_metric_says_its_role_by_its_name(metric: str, role: str) -> None:
    assert meaning(metric).role == role


def slow_chain(service: str, metric: str, value: float) -> float:
    """The store takes a second longer, and the shop, which calls it, waits for that."""
    if service in ("shop", "store") and metric.startswith("request_duration"):
        return value + 1
    return value


def with_tables(root: Path, **tables: str) -> None:
    facts = json.loads((root / "case/case.json").read_text())
    facts["metrics"] = ["metrics.csv", *(f"{name}.csv" for name in tables)]
    (root / "case/case.json").write_text(json.dumps(facts))
    for name, text in tables.items():
        (root / "case" / f"{name}.csv").write_text(text)


async def test_slowness_below_explains_slowness_above_where_the_calls_are_told(root: Path) -> None:
    happened(root, slow_chain)
    alone = claims(await analyzed(root), "cause")
    with_tables(root, calls="Source,Target,Weight\nshop,store,1\n")

    joint = claims(await analyzed(root), "cause")

    assert joint["store"] > 0.8 > alone["store"]
    assert joint.get("shop", 0) < 0.1


async def test_what_was_so_before_the_alert_is_not_what_it_is_about(root: Path) -> None:
    def shifted(service: str, metric: str, value: float) -> float:
        return value * 6 if (service, metric) == ("mail", "cpu_usage_percent") else value

    def both(service: str, metric: str, value: float) -> float:
        return shifted(service, metric, busy(service, metric, value))

    happened(root, both)
    without = claims(await analyzed(root), "cause")
    write(root / "case/lead.csv", start=ALERT - 1200, count=20, value=shifted)
    with_tables(root, lead=(root / "case/lead.csv").read_text())

    suspects = claims(await analyzed(root), "cause")

    assert suspects["store"] > 0.9
    assert without["mail"] > 0.3 > suspects.get("mail", 0)


async def test_a_call_that_only_its_caller_sees_slow_blames_the_called(root: Path) -> None:
    def waiting(service: str, metric: str, value: float) -> float:
        slow = service == "shop" and metric.startswith("request_duration")
        return value + 1 if slow else value

    def calls(start: int, *, seconds: float, count: int) -> str:
        rows = [f"x,{start + 15 * n},{seconds + 0.001 * (n % 3)},0.004" for n in range(count)]
        return "\n".join(["time,timestamp,shop_mail,shop_store", *rows, ""])

    happened(root, waiting)
    (root / "baseline/metrics_source_50.csv").write_text(
        calls(ALERT - 9000, seconds=0.01, count=60)
    )
    with_tables(root, metrics_source_50=calls(ALERT, seconds=0.9, count=8))

    suspects = claims(await analyzed(root), "cause")

    assert suspects["mail"] > 0.8
    assert suspects.get("shop", 0) < 0.2


def by_series(path: Path, *, whole: bool) -> None:
    """Bring a file's rows into the order of their series; what is not whole ends after half of them."""
    header, *rows = path.read_text().splitlines()
    rows.sort(key=lambda row: row.split(",")[1:3])
    kept = rows if whole else [*rows[: len(rows) // 2], "17"]
    path.write_text("\n".join([header, *kept]))


async def test_no_service_is_compared_whose_file_is_cut_among_its_series(root: Path) -> None:
    happened(root, busy)
    by_series(root / "baseline/metrics.csv", whole=True)
    by_series(root / "case/metrics.csv", whole=False)

    report = await analyzed(root)

    assert report["findings"] == []
    coverage = report["coverage"]
    assert coverage["verdict"] == "not_compared"
    assert "in part only" in coverage["reason"]
    assert "not in the order of time: its services are not compared" in json.dumps(
        coverage["files"]
    )


async def test_a_file_in_the_order_of_time_is_compared_up_to_its_cut(root: Path) -> None:
    happened(root, busy)
    path = root / "case/metrics.csv"
    rows = path.read_text().splitlines()
    path.write_text("\n".join([*rows[: 1 + 9 * 6 + 4], "17"]))

    report = await analyzed(root)

    assert report["findings"][0]["service"] == "store"
    assert report["coverage"]["compared"] == 9 * 6

"""Cuts what the services wrote into windows, and lays them out as a case with its ground truth."""

import csv
import json
import shutil
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

from deploy.demo.scrape import Row

CASE = "checkout-slowdown"
BASELINE = "baseline"
SOURCE = Path(__file__).with_name("shop")
SYMPTOM = ("frontend", "http_server_request_duration_seconds_p95")
ALERT_ABOVE = 1.0
"""Seconds, in two readings in a row."""

Span = dict[str, object]
"""A span in OTLP's JSON form."""

_DEFECTS: Mapping[str, str] = {
    "blocking HTTP call in a coroutine": "urllib.request.urlopen(",
    "HTTP call without a timeout": "urllib.request.urlopen(",
    "any exception swallowed, and the charge let through unscored": "except Exception:",
    "blocking sleep in a coroutine": "time.sleep(",
    "pooled connection held during the slow check": "await self._fraud.score(",
}


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of one run, in unix seconds, and the metric rows read in it."""

    begin: float
    end: float
    rows: Sequence[Row]

    def holds(self, moment: float) -> bool:
        return self.begin <= moment <= self.end


@dataclass(frozen=True, slots=True)
class Run:
    """One whole run of the shop."""

    telemetry: Path
    baseline: Window
    incident: Window
    switched: float
    """When the flag was turned on."""


def alert_time(rows: Iterable[Row]) -> float | None:
    """Say when the symptom was too high for the second time in a row; None if it never was."""
    symptom = [row for row in rows if (row.service, row.metric) == SYMPTOM]
    for before, now in pairwise(symptom):
        if min(before.value, now.value) > ALERT_ABOVE:
            return now.timestamp
    return None


def write(run: Run, out: Path) -> None:
    """Write `run` and its labels below `out`, which must not exist.

    Raises:
        RuntimeError: the run is no incident, because its alert never fired.
    """
    write_case(run, out)
    _write_json(out / "labels.json", {CASE: _labels(run)})


def write_case(run: Run, out: Path) -> Path:
    """Write `run` below `out`, and return where an investigator looks.

    Raises:
        RuntimeError: the run is no incident, because its alert never fired.
    """
    alert = alert_time(run.incident.rows)
    if alert is None:
        raise RuntimeError("the frontend never got slow enough to alert; record again")
    case = out / CASE
    _write_window(run.telemetry, run.baseline, out / BASELINE)
    _write_window(run.telemetry, run.incident, case)
    shutil.copytree(SOURCE, case / "source", ignore=shutil.ignore_patterns("__pycache__"))
    facts = {
        "case": CASE,
        "system": "demo-shop",
        "alert_time_unix": int(alert),
        "alert_time_utc": _utc(alert),
        "baseline": BASELINE,
        "logs": sorted(path.name for path in (case / "logs").iterdir()),
        "traces": ["traces.json"],
        "metrics": ["metrics.csv"],
        "source": "source",
    }
    _write_json(case / "case.json", facts)
    return case


def _labels(run: Run) -> dict[str, object]:
    payment = (SOURCE / "payment.py").read_text(encoding="utf-8").splitlines()
    return {
        "root_cause_service": "payment",
        "fault_type": "blocking call on the event loop",
        "inject_time_unix": int(run.switched),
        "inject_time_utc": _utc(run.switched),
        "trigger": "feature flag fraud_scoring turned on in payment",
        "code": [
            {
                "file": "payment.py",
                "line": next(at for at, text in enumerate(payment, 1) if sign in text),
                "defect": defect,
            }
            for defect, sign in _DEFECTS.items()
        ],
        "slowed_with_it": ["checkout", "frontend"],
        "not_slowed": ["inventory"],
        "windows": {
            name: {"begin_unix": round(window.begin, 3), "end_unix": round(window.end, 3)}
            for name, window in ((BASELINE, run.baseline), (CASE, run.incident))
        },
        "median_p95_seconds": {
            BASELINE: _median_p95(run.baseline.rows),
            CASE: _median_p95(row for row in run.incident.rows if row.timestamp > run.switched),
        },
    }


def _median_p95(rows: Iterable[Row]) -> dict[str, float]:
    seen: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if row.metric == SYMPTOM[1]:
            seen[row.service].append(row.value)
    return {service: round(median(values), 4) for service, values in sorted(seen.items())}


def _write_window(telemetry: Path, window: Window, folder: Path) -> None:
    (folder / "logs").mkdir(parents=True)
    (folder / "traces").mkdir()
    spans: dict[str, list[Span]] = {}
    for path in sorted(telemetry.glob("*.spans.jsonl")):
        service = path.name.removesuffix(".spans.jsonl")
        spans[service] = [json.loads(line) for line in path.open(encoding="utf-8")]
        lines = (telemetry / f"{service}.jsonl").read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if window.holds(_moment(json.loads(line)["timestamp"]))]
        text = "".join(f"{line}\n" for line in kept)
        (folder / "logs" / f"{service}.jsonl").write_text(text, encoding="utf-8")
    _write_traces(_within(window, spans), folder / "traces" / "traces.json")
    with (folder / "metrics.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(["timestamp", "service", "metric", "value"])
        rows.writerows([row.timestamp, row.service, row.metric, row.value] for row in window.rows)


def _within(window: Window, spans: Mapping[str, list[Span]]) -> dict[str, list[Span]]:
    """Keep whole traces, by when their root began; a root comes from outside the shop."""
    kept = {
        span["traceId"]
        for told in spans.values()
        for span in told
        if not span["parentSpanId"] and window.holds(int(str(span["startTimeUnixNano"])) / 1e9)
    }
    return {
        service: [span for span in told if span["traceId"] in kept]
        for service, told in spans.items()
    }


def _write_traces(spans: Mapping[str, list[Span]], path: Path) -> None:
    traces = {
        "resourceSpans": [
            {
                "resource": {
                    "attributes": [{"key": "service.name", "value": {"stringValue": service}}]
                },
                "scopeSpans": [{"scope": {"name": "shop"}, "spans": told}],
            }
            for service, told in spans.items()
        ]
    }
    path.write_text(json.dumps(traces, separators=(",", ":")) + "\n", encoding="utf-8")


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _moment(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def _utc(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%d %H:%M:%S")

"""Metrics as tests write them down, and what they look like once read."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from incidents.files import DataFile
from incidents.metrics import SERVICE_LABELS, Metrics, Table, comparable, read_metrics

T0 = 1_700_000_000
STEP = 15
Json = dict[str, Any]
Pairs = list[tuple[float, float]]


def read(
    path: Path,
    content: object,
    name: str = "metrics.json",
    *,
    service_labels: tuple[str, ...] = SERVICE_LABELS,
    most: int = 10_000,
) -> Metrics:
    """Read one file that holds this text, or this JSON."""
    text = content if isinstance(content, str) else json.dumps(content)
    (path / name).write_text(text)
    return read_metrics([DataFile(path / name, name)], service_labels, most)


def words(metrics: Metrics) -> list[str]:
    return [problem.problem for problem in metrics.problems]


def pairs(table: Table) -> dict[tuple[str, str], Pairs]:
    """Return seconds after T0 and values of each series."""
    return {
        key: [
            (time - T0, round(value, 6)) for time, value in zip(one.times, one.values, strict=True)
        ]
        for key, one in table.items()
    }


def alone(metrics: Metrics) -> dict[tuple[str, str], Pairs]:
    return pairs(comparable([], metrics.series).incident)


def matrix(*results: tuple[Mapping[str, str], Sequence[tuple[float, object]]]) -> Json:
    return {
        "status": "success",
        "data": {
            "resultType": "matrix",
            "result": [
                {"metric": dict(metric), "values": [[T0 + at, str(value)] for at, value in values]}
                for metric, values in results
            ],
        },
    }


def otlp(*metrics: Json, service: str = "cart", lists: str = "scopeMetrics") -> Json:
    named = {"key": "service.name", "value": {"stringValue": service}}
    return {
        "resourceMetrics": [
            {"resource": {"attributes": [named]}, lists: [{"metrics": list(metrics)}]}
        ]
    }


def nanoseconds(at: float) -> str:
    return str(int((T0 + at) * 1_000_000_000))


def gauge(name: str, *values: tuple[float, float]) -> Json:
    points = [{"timeUnixNano": nanoseconds(at), "asInt": str(int(value))} for at, value in values]
    return {"name": name, "gauge": {"dataPoints": points}}

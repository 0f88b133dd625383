"""A recorded incident of which payment is the cause, and asking an analyst about it."""

import json
import os
from inspect import isawaitable
from pathlib import Path
from typing import Any

from anyio import to_thread

from incidents.cases import DataRoots
from services.log_analyst.tools import ANALYZE_LOGS
from services.metrics_analyst.tools import ANALYZE_METRICS
from services.trace_analyst.tools import ANALYZE_TRACES
from weft.core.record import dumps
from weft.core.storable import storable_json
from weft.tools import Tool

NORMAL, INCIDENT = 1_700_000_000, 1_700_003_000
ANALYSES = {"logs": ANALYZE_LOGS, "traces": ANALYZE_TRACES, "metrics": ANALYZE_METRICS}


async def asked(tool: Tool, data: str) -> dict[str, Any]:
    """Return what the tool says of `data`, which can always be stored and sent."""
    found: Any = await to_thread.run_sync(tool, data)
    if isawaitable(found):
        found = await found
    told: dict[str, Any] = found
    assert storable_json(told) == told
    assert dumps(told)
    return told


async def analyzed(root: Path, signal: str, data: str = "case") -> dict[str, Any]:
    return await asked(ANALYSES[signal].tool(DataRoots([root])), data)


def written(folder: Path, name: bytes, content: bytes) -> None:
    Path(os.fsdecode(os.fsencode(folder) + b"/" + name)).write_bytes(content)


def cause(found: dict[str, Any]) -> str:
    subject: str = found["claims"][0]["subject"]
    return subject


def told(found: dict[str, Any]) -> str:
    return "\n".join(f"{each['file']}: {each['problem']}" for each in found["problems"])


def log_lines(start: int, *, failing: bool) -> str:
    lines = []
    for number in range(40):
        at = start + number
        lines.append(log_line(at, "shop", "INFO", f"order {number} received"))
        if failing:
            lines.append(log_line(at, "payment", "ERROR", f"card {number} was declined twice"))
        else:
            lines.append(log_line(at, "payment", "INFO", f"card {number} was charged"))
    return "".join(lines)


def log_line(at: object, service: str, level: str, message: str) -> str:
    record = {"timestamp": at, "level": level, "service": service, "message": message}
    return f"{json.dumps(record)}\n"


def span(at: float, seconds: float, number: int, **changes: object) -> dict[str, object]:
    return {
        "traceId": f"{at}{number}", "spanId": "1", "name": "select", "parentSpanId": "",
        "startTimeUnixNano": str(int(at * 10**9)),
        "endTimeUnixNano": str(int((at + seconds) * 10**9)), **changes,
    }  # fmt: skip


def spans(start: int, seconds: float, **changes: object) -> list[dict[str, object]]:
    return [span(start + number, seconds, number, **changes) for number in range(30)]


def otlp(found: list[dict[str, object]], service: str = "payment") -> str:
    name = {"key": "service.name", "value": {"stringValue": service}}
    resource = {"resource": {"attributes": [name]}, "scopeSpans": [{"spans": found}]}
    return json.dumps({"resourceSpans": [resource]})


def samples(start: int, value: float, *, service: str = "payment", metric: str = "cpu") -> str:
    rows = [f"{start + number},{service},{metric},{value + number % 3}" for number in range(30)]
    return "\n".join(["timestamp,service,metric,value", *rows, ""])


def recorded_case(place: Path) -> Path:
    """A case in which payment is the cause, in each of its signals."""
    for folder, start, failing in (("baseline", NORMAL, False), ("case", INCIDENT, True)):
        part = place / folder
        (part / "logs").mkdir(parents=True)
        (part / "traces").mkdir()
        (part / "logs" / "all.jsonl").write_text(log_lines(start, failing=failing))
        (part / "traces" / "all.json").write_text(otlp(spans(start, 3.0 if failing else 0.01)))
        (part / "metrics.csv").write_text(samples(start, 95 if failing else 5))
    write_case(place)
    return place


def write_case(root: Path, **changes: object) -> None:
    """Write `case.json`; where `changes` list other logs, the recorded ones are gone."""
    listed = changes.get("logs", ["all.jsonl"])
    if isinstance(listed, list) and "all.jsonl" not in listed:
        (root / "case" / "logs" / "all.jsonl").unlink()
    facts: dict[str, object] = {
        "case": "odd", "baseline": "baseline", "logs": ["all.jsonl"], "traces": ["all.json"],
    }  # fmt: skip
    (root / "case" / "case.json").write_text(json.dumps({**facts, **changes}))


def short(value: object) -> str:
    return ascii(value)[:24]

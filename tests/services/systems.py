"""Recordings of a small system with one fault, under any names and in any files."""

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

NORMAL, INCIDENT = 1_700_000_000, 1_700_009_000
REQUESTS = 60
CALLS = {"front": ("order", "search"), "order": ("pay", "stock"), "search": ("stock",)}
SERVICES = ("front", "order", "pay", "search", "stock")
LENGTHS = {"front": 0.004, "order": 0.006, "pay": 0.020, "search": 0.005, "stock": 0.008}


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one service, if anything is."""

    service: str = ""
    delay: float = 0.0
    cpu: float = 0.0
    errors: bool = False


class Written:
    """One recording while it is written down; `names` are what its services are called."""

    def __init__(self, names: Mapping[str, str], fault: Fault, start: int) -> None:
        self.names = names
        self.fault = fault
        self.start = start
        self.random = random.Random(start)  # noqa: S311 - noise
        self.ids = 0
        self.logs: dict[str, list[str]] = {service: [] for service in SERVICES}
        self.spans: list[tuple[str, dict[str, object]]] = []
        for number in range(REQUESTS):
            self._call("front", start + number, f"{start + number:032x}", "")

    def _call(self, service: str, at: float, trace: str, parent: str) -> float:
        """Write a call that begins at `at`, and those below it; return when it ends."""
        self.ids += 1
        span = f"{self.ids:016x}"
        end = at + LENGTHS[service] * self.random.uniform(0.8, 1.2)
        hit = service == self.fault.service
        end += self.fault.delay if hit else 0.0
        self._said(service, end, trace, "INFO", "began")
        for called in CALLS.get(service, ()):
            end = self._call(called, end, trace, span)
        if hit and self.fault.errors:
            self._said(service, end, trace, "ERROR", "could not be finished: no connection is free")
        else:
            self._said(service, end, trace, "INFO", "finished")
        error = {"status": {"code": 2}} if hit and self.fault.errors else {}
        self.spans.append((
            service,
            {
                "traceId": trace, "spanId": span, "parentSpanId": parent, "name": "serve",
                "startTimeUnixNano": str(int(at * 1e9)), "endTimeUnixNano": str(int(end * 1e9)),
                **error,
            },
        ))  # fmt: skip
        return end

    def _said(self, service: str, at: float, trace: str, level: str, words: str) -> None:
        # Without a zone: a reader that takes the machine's own reads other times.
        time = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")
        row = {"time": time, "level": level, "service": self.names[service], "trace_id": trace}
        self.logs[service].append(json.dumps({**row, "message": words}))

    def metrics(self, service: str) -> list[str]:
        rows = []
        for minute in range(40 if self.start == NORMAL else 6):
            cpu = self.random.uniform(4, 6)
            if service == self.fault.service and self.fault.cpu:
                cpu = self.fault.cpu + self.random.uniform(-1, 1)
            rows.append(f"{self.start + 15 * minute},{self.names[service]},cpu_percent,{cpu:.3f}")
        return rows


def write_system(
    place: Path, fault: Fault, names: Mapping[str, str], order: Sequence[int] = (0, 1, 2, 3, 4)
) -> Path:
    """Write normal times and an incident; `order` is that of the files, by their names."""
    for folder, start, what in (("baseline", NORMAL, Fault()), ("case", INCIDENT, fault)):
        recording = Written(names, what, start)
        for kind in ("logs", "traces", "metrics"):
            (place / folder / kind).mkdir(parents=True)
        for number, service in zip(order, SERVICES, strict=True):
            part = place / folder
            (part / "logs" / f"{number}.jsonl").write_text("\n".join(recording.logs[service]))
            own = [span for name, span in recording.spans if name == service]
            (part / "traces" / f"{number}.json").write_text(_otlp(names[service], own))
            table = ["timestamp,service,metric,value", *recording.metrics(service), ""]
            (part / "metrics" / f"{number}.csv").write_text("\n".join(table))
    facts: dict[str, object] = {"case": "made", "baseline": "baseline"}
    for kind, end in (("logs", "jsonl"), ("traces", "json"), ("metrics", "csv")):
        facts[kind] = [f"{number}.{end}" for number in order]
    (place / "case" / "case.json").write_text(json.dumps(facts))
    return place


def _otlp(service: str, spans: Sequence[Mapping[str, object]]) -> str:
    name = {"key": "service.name", "value": {"stringValue": service}}
    resource = {"resource": {"attributes": [name]}, "scopeSpans": [{"spans": spans}]}
    return json.dumps({"resourceSpans": [resource]})

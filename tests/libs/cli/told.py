"""A run's log as a gateway shows it, built from types, paths and data."""

from weft.core import JsonObject, Path
from weft.events import Envelope

RUN = "0" * 31 + "1"


def told(*events: tuple[str, Path, JsonObject]) -> list[Envelope]:
    return [
        Envelope(
            run_id=RUN, seq=number, type=kind, ts="2026-01-01T00:00:00.000Z",
            tenant="local", thread_id="t", path=path, data=data,
        )
        for number, (kind, path, data) in enumerate(events, start=1)
    ]  # fmt: skip


LOGS: Path = ("fan", "logs")
TRACES: Path = ("fan", "traces")
FANOUT = told(
    ("run.accepted", (), {"subject": "ana"}),
    ("run.started", (), {"owner": "router", "epoch": 1}),
    ("router.protocol.selected", (), {"protocol_id": "fanout", "primary_goal": "diagnose"}),
    ("plan.step.started", LOGS, {"kind": "call", "peer": "log_analyst"}),
    ("plan.step.started", TRACES, {"kind": "call", "peer": "trace_analyst"}),
    ("agent.think", LOGS, {"content": "hm"}),
    ("agent.tool.started", LOGS, {"tool_name": "analyze", "tool_call_id": "c1"}),
    ("agent.tool.progress", LOGS,
     {"tool_name": "analyze", "tool_call_id": "c1", "progress": 1, "message": "half\x1b[2J way"}),
    ("agent.tool.completed", LOGS,
     {"tool_name": "analyze", "tool_call_id": "c1", "success": True, "duration_ms": 1250.0}),
    ("plan.step.finished", LOGS, {"kind": "call", "peer": "log_analyst", "duration_ms": 2000.0}),
    ("plan.step.failed", TRACES, {"kind": "call", "peer": "trace_analyst", "duration_ms": 10.0}),
    ("run.completed", (), {}),
)  # fmt: skip

"""A run as a tree of who did what: steps, agents, tools and model calls, from its log alone."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import ValidationError

from weft.checkpoint import Run
from weft.core import JsonObject, JsonValue, Path, Usage, rfc3339
from weft.events import Envelope
from weft.server.views import error_of, shown_usage, stop_reason, usage_of

Kind = Literal["run", "step", "agent", "tool", "model"]
_WAITS = frozenset({"agent.interrupt", "interrupt.requested"})
_ENDED = {
    "plan.step.finished": "completed",
    "plan.step.failed": "failed",
    "plan.step.skipped": "skipped",
    "plan.step.canceled": "canceled",
}


@dataclass(slots=True)
class TreeNode:
    """One place of a run: what was done there, by whom, for how long, and what it took."""

    path: Path
    kind: Kind
    name: str
    status: str | None = None
    """None where it only groups: it is as its children are."""
    started: float | None = None
    ended: float | None = None
    duration_ms: float | None = None
    spent: Usage | None = None
    """With its children's; None where nobody told."""
    stop_reason: str | None = None
    error: JsonValue = None
    span_id: str | None = None
    task_id: str | None = None
    children: dict[str, "TreeNode"] = field(default_factory=dict)

    @property
    def usage(self) -> Usage | None:
        """Return what was spent here, children included; None where a part of it is not known."""
        if self.spent is not None:
            return self.spent
        parts = [child.usage for child in self.children.values()]
        whole = [part for part in parts if part is not None]
        if not parts and self.kind != "step":
            return None
        # Steps that only group, or wait for a person, spend nothing themselves.
        return sum(whole, Usage()) if len(whole) == len(parts) else None

    def begin(self, at: float) -> None:
        self.started = at if self.started is None else min(self.started, at)
        self.status, self.ended = "running", None

    def end(self, status: str, at: float) -> None:
        self.status, self.ended = status, at


class LoggedTree:
    """Takes the events of a run in order; `view` is the tree they make."""

    def __init__(self) -> None:
        self.root = TreeNode((), "run", "run")

    def take(self, events: Iterable[Envelope]) -> None:
        for event in events:
            node = self._at(event.path)
            at = datetime.fromisoformat(event.ts).timestamp()
            if event.type.startswith("plan.step."):
                _step(node, event, at)
            elif event.type.startswith("agent.tool."):
                _tool(node, event, at)
            elif event.type == "agent.model.completed":
                _model(node, event, at)
            elif event.path:
                _agent(node, event, at)

    def view(self, run: Run) -> JsonObject:
        """Return the tree of `run`, whose events were taken, as clients see it."""
        self.root.status = run.status
        self.root.started = run.started_at
        self.root.ended = run.updated_at if run.terminal else None
        shown = _view(self.root, run)
        return {
            **shown,
            "usage": usage_of(run),
            "stop_reason": stop_reason(run),
            "error": error_of(run),
            "task_id": run.run_id,
        }

    def _at(self, path: Path) -> TreeNode:
        node = self.root
        for place, name in enumerate(path, start=1):
            node = node.children.setdefault(name, TreeNode(path[:place], "step", name))
        return node


def _step(node: TreeNode, event: Envelope, at: float) -> None:
    data = event.data
    peer = data.get("peer")
    if isinstance(peer, str):
        node.kind, node.name = "agent", peer
    if isinstance(task_id := data.get("task_id"), str):
        node.task_id = task_id
    status = _ENDED.get(event.type)
    if status is None:
        node.begin(at)
        return
    node.end(status, at)
    if isinstance(peer, str) or not node.children:
        # What groups others took what they took, as long as they did.
        node.duration_ms = _number(data.get("duration_ms"))
        node.spent = _usage(data.get("usage"))
    reasons = data.get("reasons")
    if isinstance(reasons, list) and reasons and status == "failed":
        node.error = reasons[0]
    if status == "skipped":
        node.spent = node.spent or Usage()


def _tool(node: TreeNode, event: Envelope, at: float) -> None:
    data = event.data
    call_id = str(data.get("tool_call_id"))
    place = (*node.path, call_id)
    call = node.children.setdefault(call_id, TreeNode(place, "tool", call_id))
    if call.kind != "agent":
        # What was granted is a call of its own, which tells more of itself.
        call.kind, call.name = "tool", str(data.get("tool_name"))
    call.span_id = event.span_id or call.span_id
    if event.type == "agent.tool.started":
        call.begin(at)
    elif event.type == "agent.tool.completed":
        call.end("completed" if data.get("success") else "failed", at)
        call.duration_ms = _number(data.get("duration_ms"))
        call.error = data.get("error")
        if call.kind == "tool":
            call.spent = Usage(tool_calls=0 if data.get("replayed") else 1)


def _model(node: TreeNode, event: Envelope, at: float) -> None:
    data = event.data
    number = sum(1 for child in node.children.values() if child.kind == "model") + 1
    name = f"model#{number}"
    taken = _number(data.get("duration_ms")) or 0.0
    began = at - taken / 1000
    node.started = began if node.started is None else min(node.started, began)
    node.children[name] = TreeNode(
        (*node.path, name),
        "model",
        str(data.get("model")),
        status="completed",
        started=began,
        ended=at,
        duration_ms=taken,
        spent=_usage(data.get("usage")),
        span_id=event.span_id,
    )


def _agent(node: TreeNode, event: Envelope, at: float) -> None:
    """Take what an agent tells of itself; one that no plan called is known by nothing else."""
    data = event.data
    if node.kind == "step" and event.agent:
        node.kind, node.name = "agent", event.agent
    if node.status is None and node.kind == "agent":
        node.begin(at)
    if event.type == "agent.terminate":
        reason = data.get("reason")
        node.stop_reason = reason if isinstance(reason, str) else None
        node.error = node.error or data.get("error")
        node.spent = node.spent or _usage(data.get("usage"))
        if node.task_id is None:
            node.end("failed" if data.get("error") else "completed", at)
    elif event.type in _WAITS:
        node.status = "interrupted"
    elif node.status == "interrupted" and event.type == "interrupt.expired":
        node.end("expired", at)
    elif node.status == "interrupted" and event.type == "interrupt.resolved":
        _answered(node, event, at)


def _answered(node: TreeNode, event: Envelope, at: float) -> None:
    """Go on: whoever asked, or, behind a gate, what it lets through."""
    if event.data.get("status") == "canceled":
        node.end("canceled", at)
    elif node.kind == "step":
        node.status = None
    else:
        node.status = "running"


def _view(node: TreeNode, run: Run) -> JsonObject:
    children: list[JsonValue] = [_view(child, run) for child in node.children.values()]
    started, ended = _span(node)
    status = _status(node, run)
    if run.terminal and status in {"running", "interrupted"}:
        # The run ended without a word of what became of it.
        status = "unknown"
    lasted = None if started is None or ended is None else round((ended - started) * 1000, 3)
    usage = node.usage
    return {
        "path": list(node.path),
        "kind": node.kind,
        "name": node.name,
        "status": status,
        "started_at": None if started is None else rfc3339(started),
        "ended_at": None if ended is None else rfc3339(ended),
        "duration_ms": lasted if node.duration_ms is None else node.duration_ms,
        "usage": None if usage is None else shown_usage(usage.to_json()),
        "stop_reason": node.stop_reason,
        "error": node.error,
        "span_id": node.span_id,
        "task_id": node.task_id,
        "children": children,
    }


def _status(node: TreeNode, run: Run) -> str:
    """Return how a node stands; what only groups says itself when it fails, and nothing else."""
    if node.status is not None:
        return node.status
    below = {_status(child, run) for child in node.children.values()}
    if not below:
        return "running"
    first = ["running", "interrupted", *(["canceled"] if run.status == "canceled" else [])]
    return next(
        (status for status in first if status in below),
        below.pop() if len(below) == 1 else "completed",
    )


def _span(node: TreeNode) -> tuple[float | None, float | None]:
    """Return when it began and ended; what only groups lasts as long as what it groups."""
    if node.started is not None or (node.status is not None and not node.children):
        return node.started, node.ended
    spans = [_span(child) for child in node.children.values()]
    began = [started for started, _ in spans if started is not None]
    ended = [end for _, end in spans if end is not None]
    last = max(ended) if spans and len(ended) == len(spans) else None
    return min(began, default=None), node.ended or last


def _usage(value: JsonValue) -> Usage | None:
    try:
        return Usage.model_validate(value) if isinstance(value, dict) else None
    except ValidationError:
        return None


def _number(value: JsonValue) -> float | None:
    return float(value) if isinstance(value, int | float) else None

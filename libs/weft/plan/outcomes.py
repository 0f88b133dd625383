"""What became of each call of a plan, and of the effects behind it: what a cancelled run reports."""

from weft.core import JsonObject, JsonValue, Path
from weft.plan.walk import CallState, Walk

_SAID = ("key", "id", "tool", "agent", "task_id", "outcome")
"""What is taken over of a peer's report on one part of its work."""


def stopped(walk: Walk, path: Path, report: JsonValue) -> CallState:
    """Keep what a peer says of the work it was told to stop, and return what became of the call."""
    told = report if isinstance(report, dict) else {"outcome": "unknown"}
    task_id = told.get("taskId")
    if isinstance(task_id, str):
        walk.task_ids[path] = task_id
    for name in ("effects", "outcomes"):
        listed = told.get(name)
        for each in listed if isinstance(listed, list) else ():
            if isinstance(each, dict):
                said: JsonObject = {name: each[name] for name in _SAID if name in each}
                walk.parts.append({**said, "path": [*path, *_path(each)]})
    match told.get("outcome"):
        case "done" | "unknown" | "not_started" as known:
            return known
        case _:
            return "canceled"


def report_of(walk: Walk) -> JsonObject:
    """Return the outcome of each call, planned or made, and of what peers did inside theirs."""
    peers: list[JsonValue] = [
        {
            "path": [*path],
            "agent": walk.agents.get(path),
            "task_id": walk.task_ids.get(path),
            "outcome": "unknown" if state == "open" else state,
        }
        for path, state in (*walk.calls.items(), *_missing(walk))
    ]
    effects = [each for each in walk.parts if "tool" in each]
    return {
        "peers": [*peers, *(each for each in walk.parts if "tool" not in each)],
        "effects": [*effects],
    }


def _missing(walk: Walk) -> list[tuple[Path, CallState]]:
    """Return the calls that were planned and never made."""
    passes = {tuple(part.partition("#")[0] for part in path) for path in walk.calls}
    return [
        (path, "not_started")
        for path, node in walk.plan.nodes()
        if node.kind in {"call", "judge"} and not any("#" in part for part in path)
        if path not in passes
    ]


def _path(part: JsonObject) -> list[JsonValue]:
    path = part.get("path")
    return path if isinstance(path, list) else []

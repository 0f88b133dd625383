"""What became of each call of a plan, and of the effects behind it: what a cancelled run reports."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from weft.core import JsonObject, JsonValue, Path
from weft.plan.model import Plan

CallState = Literal["done", "failed", "canceled", "unknown", "not_started", "open"]

_SAID = ("key", "id", "tool", "agent", "task_id", "outcome")
"""What is taken over of a peer's report on one part of its work."""


@dataclass(slots=True)
class CallOutcomes:
    """Notes what becomes of the calls of one walk, and of the work inside theirs."""

    plan: Plan
    _states: dict[Path, CallState] = field(default_factory=dict)
    _peers: dict[Path, str] = field(default_factory=dict)
    """Who was asked last, for each call."""
    _task_ids: dict[Path, str] = field(default_factory=dict)
    _parts: list[JsonObject] = field(default_factory=list)
    """What peers that were told to stop said of the work inside theirs."""

    @property
    def any_done(self) -> bool:
        return "done" in self._states.values()

    @classmethod
    def recorded(cls, plan: Plan, steps: Mapping[Path, JsonObject]) -> "CallOutcomes":
        """Return what the steps of a run that is not walked any more say of its calls."""
        outcomes = cls(plan)
        calls = {path for path, node in plan.nodes() if node.kind in {"call", "judge"}}
        for place, outcome in steps.items():
            last = place[-1][:1] if place else ""
            path = place[:-1] if last in {"~", "?"} else place
            if tuple(step.partition("#")[0] for step in path) not in calls:
                continue
            if path not in outcomes._states or last not in {"~", "?"}:
                outcomes.begin(path, str(outcome.get("peer") or ""))
            if last == "~" and outcome.get("final") is True:
                outcomes.end(path, "failed")
            elif last not in {"~", "?"}:
                outcomes.end(path, "done")
        return outcomes

    def begin(self, path: Path, peer: str) -> None:
        self._states[path] = "open"
        self._peers[path] = peer

    def end(self, path: Path, state: CallState) -> None:
        self._states[path] = state

    def stop(self, path: Path, report: JsonValue) -> None:
        """Keep what a peer says of the work it was told to stop."""
        said = report if isinstance(report, dict) else {"outcome": "unknown"}
        task_id = said.get("taskId")
        if isinstance(task_id, str):
            self._task_ids[path] = task_id
        for name in ("effects", "outcomes"):
            parts = said.get(name)
            for part in parts if isinstance(parts, list) else ():
                if isinstance(part, dict):
                    members: JsonObject = {name: part[name] for name in _SAID if name in part}
                    self._parts.append({**members, "path": [*path, *_path(part)]})
        match said.get("outcome"):
            case "done" | "unknown" | "not_started" as outcome:
                self._states[path] = outcome
            case _:
                self._states[path] = "canceled"

    def report(self) -> JsonObject:
        """Return the outcome of each call, planned or made, and of what peers did inside theirs."""
        peers: list[JsonValue] = [
            {
                "path": [*path],
                "agent": self._peers.get(path),
                "task_id": self._task_ids.get(path),
                "outcome": "unknown" if state == "open" else state,
            }
            for path, state in (*self._states.items(), *self._missing())
        ]
        effects = [part for part in self._parts if "tool" in part]
        return {
            "peers": [*peers, *(part for part in self._parts if "tool" not in part)],
            "effects": [*effects],
        }

    def _missing(self) -> list[tuple[Path, CallState]]:
        """Return the calls that were planned and never made."""
        passes = {tuple(part.partition("#")[0] for part in path) for path in self._states}
        return [
            (path, "not_started")
            for path, node in self.plan.nodes()
            if node.kind in {"call", "judge"} and not any("#" in part for part in path)
            if path not in passes
        ]


def _path(part: JsonObject) -> list[JsonValue]:
    path = part.get("path")
    return path if isinstance(path, list) else []

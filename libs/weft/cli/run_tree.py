"""`weft runs tree`: a run that was, as a tree in the terminal or as a Mermaid flowchart."""

import re
from collections.abc import Iterator

from weft.cli.lists import words
from weft.cli.text import one_line
from weft.core import JsonObject, JsonValue
from weft.plan.drawing import escaped

_OPAQUE = re.compile(r"[0-9a-f]{32}")
_MARKS = {
    "completed": "✔", "failed": "✘", "canceled": "■", "expired": "✘", "skipped": "~",
    "interrupted": "?", "running": "●", "queued": "●", "canceling": "●",
}  # fmt: skip


def drawn(tree: JsonObject) -> Iterator[str]:
    """Yield the tree, a line for each node: who, how it ended, how long, and what it took."""
    yield from _branch(tree, "", "")


def flowchart(tree: JsonObject) -> Iterator[str]:
    """Yield a Mermaid flowchart with every node once."""
    yield "flowchart TD"
    yield from _boxes(tree, "n")


def children(node: JsonObject) -> list[JsonObject]:
    below = node.get("children")
    return [child for child in below if isinstance(child, dict)] if isinstance(below, list) else []


def label(node: JsonObject) -> str:
    """Return what a node is called: its place, and who was there where that says more."""
    name, path = words(node.get("name")), node.get("path")
    place = str(path[-1]) if isinstance(path, list) and path else name
    if _OPAQUE.fullmatch(place):
        # A use of what was granted stands under an id that says nothing to a reader.
        return "a use" if place == name else name
    if node.get("kind") in {"tool", "model"} or place == name:
        return name
    return f"{place} → {name}"


def seconds(node: JsonObject) -> float | None:
    lasted = node.get("duration_ms")
    return lasted / 1000 if isinstance(lasted, int | float) else None


def _branch(node: JsonObject, lead: str, rest: str) -> Iterator[str]:
    yield one_line(f"{lead}{_mark(node)} {label(node)}  {_notes(node)}").rstrip()
    below = children(node)
    for place, child in enumerate(below, start=1):
        last = place == len(below)
        yield from _branch(
            child, f"{rest}{'└── ' if last else '├── '}", f"{rest}{'    ' if last else '│   '}"
        )


def _boxes(node: JsonObject, name: str) -> Iterator[str]:
    text = "\n".join((f"{_mark(node)} {label(node)}", _notes(node)))
    yield f'  {name}["{escaped(text.rstrip())}"]'
    for place, child in enumerate(children(node)):
        yield from _boxes(child, f"{name}_{place}")
        yield f"  {name} --> {name}_{place}"


def _mark(node: JsonObject) -> str:
    return _MARKS.get(str(node.get("status")), "?")


def _notes(node: JsonObject) -> str:
    lasted, status = seconds(node), str(node.get("status"))
    notes = [] if status == "completed" else [status]
    if lasted is not None:
        notes.append(f"{lasted:.2f} s")
    notes += _spent(node.get("usage"))
    error = node.get("error")
    if isinstance(error, dict) and status != "completed":
        notes.append(words(error.get("code")))
    return ", ".join(notes)


def _spent(usage: JsonValue) -> Iterator[str]:
    if not isinstance(usage, dict):
        yield "use unknown"
        return
    for name, unit in (("total_tokens", "tokens"), ("model_calls", "model calls")):
        if usage.get(name):
            yield f"{usage[name]} {unit}"
    if cost := usage.get("cost_usd"):
        yield f"${cost:.4g}"
    if usage.get("unknown"):
        yield "and more unknown"

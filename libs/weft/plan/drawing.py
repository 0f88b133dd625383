"""Plans for people: one line per step, and pictures."""

from collections.abc import Iterator, Mapping

from weft.core import Path
from weft.plan.model import (
    Call,
    Choose,
    Gate,
    Judge,
    Loop,
    Node,
    Parallel,
    Plan,
    Sequence,
    Synthesize,
)

__all__ = ["ascii", "escaped", "explain", "mermaid"]

_MARKS = {"completed": "✓", "failed": "✗", "skipped": "~", "canceled": "⊘", "running": "…"}
Statuses = Mapping[Path, str]
"""The status of each step that has one, by path; a loop's passes stand under `#n`."""


def explain(plan: Plan) -> str:
    """Return one line per step in the order they may run; equal for equal plans."""
    return "\n".join(
        f"{'  ' * (len(path) - 1)}{path[-1]}: {describe(node)}" for path, node in plan.nodes()
    )


def describe(node: Node) -> str:
    """Return what a node does in a few words."""
    match node:
        case Call():
            phrase = f"ask {_target(node)}"
        case Judge():
            phrase = f"let role:{node.role} judge {node.of} ({', '.join(node.choices)})"
        case Synthesize():
            phrase = f"join {', '.join(node.of)} into a report"
        case _:
            phrase = _shape(node)
    return f"{phrase}, at most {node.timeout:g} s" if node.timeout is not None else phrase


def _shape(node: Sequence | Parallel | Loop | Gate | Choose) -> str:
    match node:
        case Sequence():
            phrase = f"{len(node.steps)} steps in order"
        case Parallel():
            phrase = f"{len(node.branches)} branches at once, join {node.join}"
            phrase += f", tolerate {node.tolerate}" if node.tolerate else ""
            phrase += ", in a model's words too" if node.synthesize == "model" else ""
        case Loop():
            phrase = f"repeat at most {node.max} times"
        case Gate():
            phrase = f"wait for approval: {'; '.join(node.reasons)}"
        case _:
            phrase = f"choose one of {len(node.children())}"
    return phrase


def _target(call: Call) -> str:
    named = [call.capability, call.peer, f"role:{call.role}" if call.role else None]
    return " as ".join(name for name in named if name)


def mermaid(plan: Plan, statuses: Statuses | None = None) -> str:
    """Return a Mermaid flowchart with every node once."""
    names = {path: f"n{index}" for index, (path, _) in enumerate(plan.nodes())}
    lines = ["flowchart TD"]
    for path, node in plan.nodes():
        mark = _mark(path, statuses)
        label = escaped(f"{mark}{node.title or path[-1]}\n{describe(node)}")
        lines.append(f'  {names[path]}["{label}"]')
        if len(path) > 1:
            lines.append(f"  {names[path[:-1]]} --> {names[path]}")
    return "\n".join(lines)


def ascii(plan: Plan, statuses: Statuses | None = None) -> str:  # noqa: A001 - the picture's name
    """Return a tree in plain text with every node once."""
    return "\n".join(_branches(plan.root, (plan.root.id,), "", "", statuses))


def _branches(
    node: Node, path: Path, lead: str, rest: str, statuses: Statuses | None
) -> Iterator[str]:
    title = " ".join((node.title or path[-1]).split())
    yield f"{lead}{_mark(path, statuses)}{title}: {' '.join(describe(node).split())}"
    below = node.children() + ((node.fallback,) if node.fallback is not None else ())
    for index, child in enumerate(below):
        last = index == len(below) - 1
        yield from _branches(
            child,
            (*path, child.id),
            f"{rest}{'`-- ' if last else '|-- '}",
            f"{rest}{'    ' if last else '|   '}",
            statuses,
        )


def _mark(path: Path, statuses: Statuses | None) -> str:
    """Return the sign of the step's last status, whichever pass of a loop it is of."""
    newest = ""
    for place, status in (statuses or {}).items():
        if tuple(part.partition("#")[0] for part in place) == path:
            newest = status
    return f"{_MARKS.get(newest, newest)} " if newest else ""


def escaped(text: str) -> str:
    """Return `text` as a label in quotes, whatever Mermaid makes of its letters elsewhere."""
    plain = "".join(
        f"#{ord(letter)};" if letter in '"#<>[]{}()|`&\\' else letter for letter in text
    )
    return plain.replace("\n", "<br/>")

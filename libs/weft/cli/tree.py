"""A run's events as a tree that grows on the screen."""

from dataclasses import dataclass, field

from rich.console import Group
from rich.text import Text
from rich.tree import Tree

from weft.cli.text import one_line
from weft.events import Envelope

_MARKS = {
    "running": ("●", "cyan"),
    "done": ("✔", "green"),
    "failed": ("✘", "red"),
    "canceled": ("■", "yellow"),
    "waiting": ("?", "magenta"),
}


@dataclass(slots=True)
class Node:
    """A place in the run: a step, an agent or a tool call."""

    label: str
    state: str = "running"
    note: str = ""
    children: dict[str, "Node"] = field(default_factory=dict)
    own: bool = False
    """It tells of itself; otherwise it only groups, and is as its children are."""

    @property
    def shown(self) -> str:
        """Return the state to draw."""
        if self.own or not self.children:
            return self.state
        states = {child.shown for child in self.children.values()}
        first = (state for state in ("running", "waiting") if state in states)
        return next(first, states.pop() if len(states) == 1 else "done")

    def child(self, name: str) -> "Node":
        return self.children.setdefault(name, Node(name))


class RunTree:
    """Takes a run's events in order and shows who did what."""

    def __init__(self, title: str) -> None:
        self.root = Node(title)
        self.lines: list[str] = []
        """What happened, a line each, for a terminal that cannot redraw."""

    def take(self, event: Envelope) -> str | None:
        """Take the next event; return its line where it is worth one."""
        line = self._line(event)
        if line is None:
            return None
        self.lines.append(one_line(line))
        return self.lines[-1]

    def show(self) -> Group:
        tree = Tree(_label(self.root))
        _grow(tree, self.root)
        return Group(tree)

    def _line(self, event: Envelope) -> str | None:
        kind, data = event.type, event.data
        where = "/".join(event.path)
        if kind.startswith("run."):
            return self._run(event)
        if kind == "router.protocol.selected":
            self.root.note = str(data.get("protocol_id"))
            return f"protocol {data.get('protocol_id')} for {data.get('primary_goal')}"
        node = self.root
        for step in event.path:
            node = node.child(step)
        if kind.startswith("plan.step."):
            return self._step(node, event, where)
        if kind.startswith("agent.tool."):
            return _tool(node, event, where)
        return None

    def _run(self, event: Envelope) -> str | None:
        state = {"completed": "done", "failed": "failed", "canceled": "canceled",
                 "expired": "failed", "interrupted": "waiting", "resumed": "running",
                 }.get(event.type[4:])  # fmt: skip
        if state is not None:
            self.root.state, self.root.own = state, True
        if event.type in {"run.accepted", "run.started"}:
            return None
        return event.type.replace(".", " ", 1)

    def _step(self, node: Node, event: Envelope, where: str) -> str:
        verb = event.type.rpartition(".")[2]
        peer = event.data.get("peer")
        state = {"finished": "done", "failed": "failed", "canceled": "canceled",
                 "skipped": "canceled", "started": "running"}.get(verb)  # fmt: skip
        if peer:
            node.label = f"{event.path[-1]} → {peer}" if event.path else str(peer)
        if state is not None:
            node.state, node.own = state, True
            # What groups others lasts as long as they do, and does not say how long.
            groups = not peer and bool(node.children)
            node.note = "" if groups else _seconds(event.data.get("duration_ms"))
        return f"{where}: {verb}{f' by {peer}' if peer else ''} {node.note}".rstrip()


def _tool(node: Node, event: Envelope, where: str) -> str:
    name = str(event.data.get("tool_name"))
    call = node.child(f"tool:{event.data.get('tool_call_id')}")
    call.label = name
    if event.type == "agent.tool.started":
        call.state = "running"
        return f"{where}: {name} …"
    if event.type == "agent.tool.progress":
        call.note = str(event.data.get("message") or "")
        return f"{where}: {name} {call.note}"
    call.state = "done" if event.data.get("success") else "failed"
    replayed = "recorded before" if event.data.get("replayed") else ""
    call.note = ", ".join(filter(None, (_seconds(event.data.get("duration_ms")), replayed)))
    return f"{where}: {name} {'ok' if call.state == 'done' else 'failed'} {call.note}"


def _label(node: Node) -> Text:
    mark, colour = _MARKS[node.shown]
    label = Text.assemble((f"{mark} ", colour), one_line(node.label))
    if node.note:
        label.append(f"  {one_line(node.note)}", style="dim")
    return label


def _grow(tree: Tree, node: Node) -> None:
    for child in node.children.values():
        _grow(tree.add(_label(child)), child)


def _seconds(milliseconds: object) -> str:
    return f"{milliseconds / 1000:.2f} s" if isinstance(milliseconds, int | float) else ""

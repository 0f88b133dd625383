"""What an analyst does: one analysis of the data that it may read, offered as a tool.

The process that serves an analyst never loads the analysis itself: each call runs in a process of
its own, forked from a server that has loaded it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module

from incidents.cases import DataRoots
from incidents.inquiry import Inquiry
from incidents.progress import ticking
from weft.core import JsonObject, JsonValue
from weft.tools import Processes, Tool, ToolContext, tool

__all__ = ["Analysis"]

_WITHIN = 300.0
"""Much data takes long where others compute too; what it may compute itself has a bound of its own."""
_PRELOADED = ("encodings.utf_8_sig",)
"""Loaded by every reader, in the midst of its work where it is not there already."""


@dataclass(frozen=True, slots=True)
class Analysis:
    """One analysis, and how a model is told of it."""

    name: str
    source: str
    """What it reads: `logs`, `code` ..., as its coverage names it."""
    description: str
    module: str
    """Where `analyze(roots, data, inquiry, **options)` stands, by its dotted name.

    Only the calls import it.
    """
    preload: tuple[str, ...] = ()
    """What `module` loads late: a call would otherwise do it anew."""
    options: Mapping[str, JsonValue] = field(default_factory=dict)
    """What `analyze` is given beside the data: settings of its operator."""

    live: tuple[str, ...] = ()
    """The kinds of live systems that hold what it reads: `prometheus`, `loki` ..."""

    def tool(
        self, roots: DataRoots, processes: Processes | None = None, *, live: bool = False
    ) -> Tool:
        """Return the tool that analyzes what lies below `roots`, each call in a process.

        With `live`, also what was recorded of live systems.
        """
        bound = BoundAnalysis(self.module, roots, dict(self.options))
        processes = processes or Processes()
        processes.preload(self.module, *self.preload, *_PRELOADED)
        return tool(
            name=self.name,
            description=self.description,
            labels={"read"},
            timeout=_WITHIN,
            isolation=processes,
        )(partial(analyzed_live if live else analyzed, bound))


@dataclass(frozen=True, slots=True)
class BoundAnalysis:
    """An analysis with what its operator sets, as it is sent to the process of a call."""

    module: str
    roots: DataRoots
    """Below which directories data may be read."""
    options: JsonObject

    def made(
        self, roots: DataRoots, data: str, inquiry: Inquiry, context: ToolContext | None
    ) -> JsonObject:
        """Return what the analysis says, telling `context` each second how far it is."""
        analyze: Callable[..., JsonObject] = import_module(self.module).analyze
        if context is None:
            return analyze(roots, data, inquiry, **self.options)
        with ticking(context.report_progress):
            return analyze(roots, data, inquiry, **self.options)


def analyzed(
    bound: BoundAnalysis,
    data: str,
    question: str = "",
    window: JsonObject | None = None,
    context: ToolContext | None = None,
) -> JsonObject:
    """Return what an analysis says of an incident.

    Args:
        bound: The analysis.
        data: Directory of the incident, below a data root.
        question: What is asked, in the asker's words: the facts of what it names come first, and
            its time words, such as `before 09:20` or `last 30 minutes`, say what is looked at.
        window: What is looked at whatever the question says: `start`, `end` or both, in Unix
            seconds or as 2026-01-31T09:20:00Z; with `alert`, when somebody noticed.
        context: Hears each second how far it is; None where nobody listens.
    """
    inquiry = Inquiry.of(question, window)
    return bound.made(bound.roots, data, inquiry, context)


def analyzed_live(
    bound: BoundAnalysis,
    data: str = "",
    question: str = "",
    window: JsonObject | None = None,
    recording: str = "",
    context: ToolContext | None = None,
) -> JsonObject:
    """Return what an analysis says of an incident, and of what live systems hold of it.

    Args:
        bound: The analysis.
        data: Directory of the incident, below a data root; empty for live systems alone.
        question: What is asked, in the asker's words: the facts of what it names come first, and
            its time words, such as `before 09:20` or `last 30 minutes`, say what is looked at.
        window: What is looked at whatever the question says: `start`, `end` or both, in Unix
            seconds or as 2026-01-31T09:20:00Z; with `alert`, when somebody noticed.
        recording: What was read of live systems for this task; leave it as it is given.
        context: Hears each second how far it is; None where nobody listens.
    """
    roots = bound.roots.beside(recording) if recording else bound.roots
    return bound.made(roots, data, Inquiry.of(question, window), context)

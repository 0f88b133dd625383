"""The code analyst's tools."""

from functools import partial

from services.code_analyst.analysis import found_in, ranked, report
from services.code_analyst.lint import linted
from services.code_analyst.roots import SourceRoots
from services.code_analyst.source import parsed
from weft.core import JsonObject
from weft.tools import Processes, Tool, tool

_WITHIN = 60.0


def code_tools(roots: SourceRoots, processes: Processes | None = None) -> list[Tool]:
    """Return the tools of a code analyst that may read below `roots`, each call in a process."""
    return [
        tool(
            name="analyze_code",
            description=(
                "Read the Python source that belongs to an incident: blocking calls in async code, "
                "calls without a timeout, swallowed errors and leaked handles, with file and line."
            ),
            labels={"read"},
            timeout=_WITHIN,
            isolation=processes or "process",
        )(partial(analyze_code, roots))
    ]


def analyze_code(roots: SourceRoots, data: str) -> JsonObject:
    """Read the source that belongs to an incident.

    Args:
        roots: Below which directories source may be read.
        data: Directory of the incident, or of the source, below a data root.
    """
    tree = roots.open_source(data)
    if not tree.files:
        return report([], source=data, files=0, problems=tree.problems)
    modules, problems = parsed(tree.files)
    own, odd = found_in(modules)
    known, more = linted(modules)
    return report(
        ranked([*own, *known]),
        source=tree.name,
        files=len(modules),
        problems=[*tree.problems, *problems, *odd, *more],
    )

"""The code analyst's tools."""

from anyio import to_thread

from services.code_analyst.analysis import found_in, ranked, report
from services.code_analyst.lint import linted
from services.code_analyst.roots import SourceRoots
from services.code_analyst.source import parsed
from weft.core import JsonObject
from weft.tools import Tool, tool

_WITHIN = 60.0


def code_tools(roots: SourceRoots) -> list[Tool]:
    """Return the tools of a code analyst that may read below `roots`."""

    @tool(
        name="analyze_code",
        description=(
            "Read the Python source that belongs to an incident: blocking calls in async code, "
            "calls without a timeout, swallowed errors and leaked handles, with file and line."
        ),
        labels={"read"},
        # Reading twice changes nothing: recovery may do it again.
        idempotent=True,
        passes_key=True,
        timeout=_WITHIN,
    )
    async def analyze_code(data: str) -> JsonObject:
        """Read the source that belongs to an incident.

        Args:
            data: Directory of the incident, or of the source, below a data root.
        """
        tree = await to_thread.run_sync(roots.open_source, data)
        if not tree.files:
            return report([], source=data, files=0, problems=tree.problems)
        modules, problems = await to_thread.run_sync(parsed, tree.files)
        own, odd = await to_thread.run_sync(found_in, modules)
        known, more = await to_thread.run_sync(linted, modules)
        return report(
            ranked([*own, *known]),
            source=tree.name,
            files=len(modules),
            problems=[*tree.problems, *problems, *odd, *more],
        )

    return [analyze_code]

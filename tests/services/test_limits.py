"""What costs an analyst too much ends as an error that names the limit; it serves the next ask."""

import json
from collections.abc import AsyncIterator, Callable
from functools import partial
from pathlib import Path

import pytest
from anyio import to_thread

from incidents.cases import DataRoots
from services.code_analyst.tools import ANALYZE_CODE
from services.log_analyst.tools import ANALYZE_LOGS
from services.metrics_analyst.tools import ANALYZE_METRICS
from services.trace_analyst.tools import ANALYZE_TRACES
from tests.services import bombs
from weft import Agent
from weft.testing import ScriptedModel, call
from weft.tools import Processes, Tool

pytestmark = pytest.mark.timeout(180)
DEMO = Path(__file__).parents[2] / "deploy" / "demo" / "incident"
ANALYSES = (ANALYZE_CODE, ANALYZE_LOGS, ANALYZE_METRICS, ANALYZE_TRACES)


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    """Give all tests of this module one event loop, and so one fork server."""
    return "asyncio"


@pytest.fixture(scope="module")
async def processes(anyio_backend: str) -> AsyncIterator[Processes]:
    del anyio_backend
    async with Processes(memory=256 << 20, cpu_seconds=30) as limited:
        yield limited


def tools(root: Path, processes: Processes) -> dict[str, Tool]:
    data = DataRoots([root, DEMO])
    return {analysis.name: analysis.tool(data, processes) for analysis in ANALYSES}


async def asked(
    root: Path, processes: Processes, name: str, data: str
) -> tuple[str, dict[str, object]]:
    """Have the analyst use its tool; return the error and the result of the call."""
    made = await to_thread.run_sync(tools, root, processes)
    agent = Agent(ScriptedModel([call(name, data=data), "done"]), [made[name]])
    result = await agent.arun("Diagnose")
    (execution,) = result.tool_executions
    found = execution.structured if isinstance(execution.structured, dict) else {}
    return execution.error or "", dict(found)


@pytest.mark.parametrize(
    ("name", "write"),
    [
        ("analyze_traces", bombs.empty_objects),
        ("analyze_code", bombs.long_lists),
        ("analyze_metrics", partial(bombs.wide_table, rows=800)),
    ],
)
async def test_what_takes_too_much_is_told_by_its_bound_and_the_next_ask_is_served(
    processes: Processes, tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    await to_thread.run_sync(write, tmp_path / "case")

    error, bomb = await asked(tmp_path, processes, name, "case")
    _, found = await asked(tmp_path, processes, name, "checkout-slowdown")

    # Most are stopped by a reader's own bound; what passes those, by that of its process.
    limits = (
        f"ToolMemoryError: '{name}' needed more than its memory limit of 256 MiB and was ended",
        f"ToolCpuError: '{name}' used more than its limit of 30 s",
    )
    assert error.startswith(limits) or (error == "" and bomb["problems"])
    assert "payment" in json.dumps(found["claims"])


async def test_more_computing_than_allowed_is_an_error(tmp_path: Path) -> None:
    await to_thread.run_sync(bombs.many_lines, tmp_path / "case")

    async with Processes(cpu_seconds=1) as hurried:
        error, _ = await asked(tmp_path, hurried, "analyze_logs", "case")

    assert error.startswith("ToolCpuError: 'analyze_logs' used more than its limit of 1 s")


async def test_what_ruff_says_is_bounded(processes: Processes, tmp_path: Path) -> None:
    case = tmp_path / "case"

    def write() -> None:
        case.mkdir()
        text = "try:\n    f()\nexcept Exception:\n    pass\n"
        (case / "app.py").write_text(text * 20_000)

    await to_thread.run_sync(write)

    error, found = await asked(tmp_path, processes, "analyze_code", "case")

    assert (error, len(json.dumps(found["findings"])) > 1000) == ("", True)
    assert any(
        isinstance(one, dict) and one["file"] == "ruff" and "only its first" in str(one["problem"])
        for one in json.loads(json.dumps(found["problems"]))
    )


async def test_every_analysis_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    made = await to_thread.run_sync(tools, tmp_path, Processes())

    assert {tool.spec.isolation for tool in made.values()} == {"process"}
    assert all(tool.only_reads and not tool.idempotent for tool in made.values())

"""Who may drive the loop: read from the sources."""

import ast
from pathlib import Path

import pytest

import weft.loop

PACKAGE = Path(weft.loop.__file__).parent
PHASES = {"think", "execute", "reflect", "terminate"}


def _callers(name: str) -> set[tuple[str, str]]:
    """Return module and function of each call of `name` in the package."""
    found = set()
    for path in PACKAGE.glob("*.py"):
        tree = ast.parse(path.read_text())
        for function in ast.walk(tree):
            if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
                calls = (each for each in ast.walk(function) if isinstance(each, ast.Call))
                if any(_called(each) == name for each in calls):
                    found.add((path.stem, function.name))
    return found


def _called(call: ast.Call) -> str:
    target = call.func
    return target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")


@pytest.mark.requirement("LOOP-1")
@pytest.mark.parametrize("phase", sorted(PHASES))
def test_only_the_driver_calls_phases(phase: str) -> None:
    callers = _callers(phase)

    assert callers
    assert {module for module, _ in callers} == {"driver"}


@pytest.mark.requirement("LOOP-1")
def test_exactly_one_function_constructs_the_terminate_event() -> None:
    assert _callers("AgentTerminated") == {("terminate", "terminal_event")}

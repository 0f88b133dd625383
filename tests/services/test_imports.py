"""What the processes of a specialist load: those that serve, and those in which it analyzes."""

import json
import subprocess
import sys
from collections.abc import Iterable

import pytest

from tests.conftest import ROOT

ANALYSTS = ("code_analyst", "log_analyst", "metrics_analyst", "trace_analyst")
NOT_TO_SERVE = (
    "fastapi", "grpc", "numpy", "drain3", "ruff", "openai", "weft.plan", "weft.report", "weft.routing",
    "weft.server", "weft.testing", "weftapi",
)  # fmt: skip
"""What is the router's, the gateway's, or the analysis's own."""
NOT_TO_ANALYZE = (
    "aiohttp", "fastapi", "nats", "starlette", "uvicorn", "sqlite3",
    "weft.a2a", "weft.loop", "weft.models", "weft.service",
)  # fmt: skip
"""A call gets what it needs with its order: it serves nobody, and asks nobody."""


def loaded_by(module: str) -> set[str]:
    """Return the modules that a fresh interpreter has once it has imported `module`."""
    code = f"import json, sys, {module}; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    names: list[str] = json.loads(done.stdout)
    return set(names)


def below(names: Iterable[str], packages: Iterable[str]) -> list[str]:
    return [
        package
        for package in packages
        if any(name == package or name.startswith(f"{package}.") for name in names)
    ]


@pytest.mark.timeout(60)
@pytest.mark.parametrize("analyst", ANALYSTS)
def test_who_serves_an_analyst_loads_neither_the_front_door_nor_the_analysis(analyst: str) -> None:
    names = loaded_by(f"services.{analyst}.main")

    assert below(names, NOT_TO_SERVE) == []
    assert f"services.{analyst}.analysis" not in names


@pytest.mark.timeout(60)
@pytest.mark.parametrize("analyst", ANALYSTS)
def test_a_call_of_an_analysis_loads_nothing_that_serves(analyst: str) -> None:
    names = loaded_by(f"services.{analyst}.analysis")

    assert below(names, NOT_TO_ANALYZE) == []

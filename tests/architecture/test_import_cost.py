"""What a process loads: a specialist nothing of the front, of calling others, or of planning."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT

SPECIALIST = "services.log_analyst.main, weft.service.specialist"
FRONT = ("weft.a2a.client", "weft.catalog.nats_kv", "weft.plan", "weft.routing", "weft.server",
         "weft.report", "fastapi", "grpc", "numpy", "drain3", "openai", "asyncpg")  # fmt: skip
LISTING = """
import sys, {names}
print(*sorted(sys.modules))
"""


def loaded(names: str) -> list[str]:
    done = subprocess.run(
        [sys.executable, "-c", LISTING.format(names=names)],
        capture_output=True,
        check=True,
        cwd=ROOT,
        env={"PYTHONPATH": str(ROOT)},
        text=True,
        timeout=60,
    )
    return done.stdout.split()


@pytest.mark.timeout(90)
def test_a_specialist_loads_nothing_of_the_front() -> None:
    modules = loaded(SPECIALIST)

    beyond = [
        name
        for name in modules
        if name in FRONT or name.startswith(tuple(f"{one}." for one in FRONT))
    ]
    assert beyond == []


@pytest.mark.timeout(90)
@pytest.mark.parametrize(
    ("names", "most"), [("weft.loop.agent", 186), (SPECIALIST, 276)], ids=["agent", "specialist"]
)
def test_modules_of_the_library_grow_with_a_reason(names: str, most: int) -> None:
    """Each is a file to find, to read and to import; who adds some says here how many there are."""
    modules = [name for name in loaded(names) if name.partition(".")[0] == "weft"]

    assert len(modules) <= most

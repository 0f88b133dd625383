"""Opens each deployable where nothing but its own lock is installed.

    python -m tests.isolated [NAME ...]

The shared environment hides a forgotten dependency; this does not. It needs `uv` and a package
index, so it is a command of its own and no test.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ROOT

IMPORTED = "import {module}.main as main; main.Settings()"
OPENED = """
import asyncio, {parts}, {module}.main as main
import weft.service.specialist  # what `agent_app` and `serve` load when they are called

async def once():
    async with main.opened(main.Settings(model="offline:"{settings})):
        print("opened {module}")

asyncio.run(once())
"""
SPECIALISTS = ("code", "log", "metrics", "trace")
DEPLOYABLES = {
    "gateway": IMPORTED.format(module="gateway"),
    "router-service": IMPORTED.format(module="router_service"),
    "generalist": OPENED.format(
        module="services.generalist",
        parts="services.generalist.agent",
        settings=", runbook_roots=['docs']",
    ),
    "operator": OPENED.format(
        module="services.operator",
        parts="services.operator.agent",
        settings=", target='http://127.0.0.1:9000'",
    ),
    "coder": OPENED.format(
        module="services.coder",
        parts="services.coder.agent",
        settings=", project='libs/incidents'",
    ),
    **{
        f"{name}-analyst": OPENED.format(
            module=f"services.{name}_analyst",
            parts=f"services.{name}_analyst.analysis",
            settings="",
        )
        for name in SPECIALISTS
    },
}
"""By dependency group, which is also the lock's name: what to do there. A specialist opens alone;
the other two need a mesh for it."""


def opened_alone(group: str, code: str, directory: Path) -> bool:
    """Install one lock and our wheels, open the deployable, and say whether that worked."""
    python = directory / "bin" / "python"
    install = ["uv", "pip", "install", "--quiet", "--python", str(python)]
    lock = ROOT / "deploy" / "locks" / f"{group}.txt"
    incidents = "analyst" in group or group == "generalist"
    wheels = [str(ROOT), *([str(ROOT / "libs" / "incidents")] if incidents else [])]
    steps = [
        ["uv", "venv", "--quiet", "--python", sys.executable, str(directory)],
        [*install, "--no-deps", "--require-hashes", "-r", str(lock)],
        [*install, "--no-deps", *wheels],
        [str(python), "-c", code],
    ]
    return all(subprocess.run(step, cwd=ROOT, check=False).returncode == 0 for step in steps)


def main() -> int:
    """Open what was named, or everything; return 1 if anything failed."""
    failed = []
    for group in sys.argv[1:] or sorted(DEPLOYABLES):
        with tempfile.TemporaryDirectory() as directory:
            if not opened_alone(group, DEPLOYABLES[group], Path(directory) / "env"):
                failed.append(group)
    sys.stdout.write(f"failed: {', '.join(failed)}\n" if failed else "every deployable opens\n")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())

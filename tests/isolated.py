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

DEPLOYABLES = {
    "code-analyst": "services.code_analyst",
    "gateway": "gateway",
    "log-analyst": "services.log_analyst",
    "metrics-analyst": "services.metrics_analyst",
    "router-service": "router_service",
    "trace-analyst": "services.trace_analyst",
}
"""By dependency group, which is also the lock's name."""


def opened_alone(group: str, module: str, directory: Path) -> bool:
    """Install one lock and our wheel, import the deployable's main, and say whether that worked."""
    python = directory / "bin" / "python"
    install = ["uv", "pip", "install", "--quiet", "--python", str(python)]
    lock = ROOT / "deploy" / "locks" / f"{group}.txt"
    steps = [
        ["uv", "venv", "--quiet", "--python", sys.executable, str(directory)],
        [*install, "--no-deps", "--require-hashes", "-r", str(lock)],
        [*install, "--no-deps", str(ROOT)],
        [str(python), "-c", f"import {module}.main as main; main.Settings()"],
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

"""Make every lock anew: one file of pins and hashes per deployable, without index or host names.

python -m deploy.lock            when dependencies change
"""

import subprocess
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCKS = ROOT / "deploy" / "locks"
NOT_DEPLOYED = frozenset({"demo"})
OUR_OWN = ("weft-incidents", "weft-mesh")
"""Installed from their wheels, without dependencies."""


def groups() -> list[str]:
    """Return the dependency groups that have a lock."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    return sorted(set(project["dependency-groups"]) - NOT_DEPLOYED)


def main() -> int:
    """Compile each group; return the first exit code that is not 0."""
    for group in groups():
        command = ["uv", "pip", "compile", "--quiet", "--group", group, "--universal"]
        command += ["--generate-hashes", "--no-emit-index-url"]
        command += [word for name in OUR_OWN for word in ("--no-emit-package", name)]
        command += ["--no-header", "-o", str(LOCKS / f"{group}.txt"), "pyproject.toml"]
        code = subprocess.run(command, cwd=ROOT, check=False).returncode  # noqa: S603 - built above
        if code != 0:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main())

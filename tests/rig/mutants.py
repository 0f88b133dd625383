"""Plants one bug at a time and sees whether the tests that should notice it do.

    python -m tests.rig.mutants [NAME ...] [--area AREA]

The bugs stand in `mutants.toml`: a file, a text that stands in it once, what it becomes, and the
tests that must turn red. Each is planted in a copy of the tree. Ends in one line and exits 0 if
every bug was noticed, 1 if one was not, 2 if nothing was planted.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT

TABLE = Path(__file__).with_name("mutants.toml")
LIMIT_SECONDS = 300.0
FOLDERS = ("libs", "proto", "services", "router_service", "gateway", "deploy", "tests")
NOTICED, UNNOTICED, BROKEN = "noticed", "UNNOTICED", "BROKEN"


@dataclass(frozen=True, slots=True)
class Mutant:
    """A bug to plant."""

    name: str
    area: str
    file: str
    old: str
    new: str
    tests: Sequence[str]


def mutants() -> list[Mutant]:
    """Return the table, in its order."""
    entries = tomllib.loads(TABLE.read_text())["mutant"]
    return [Mutant(**entry) for entry in entries]


def planted(mutant: Mutant, tree: Path) -> str:
    """Plant the bug, run its tests, take it out again, and return what came of it."""
    file = tree / mutant.file
    text = file.read_text()
    if text.count(mutant.old) != 1:
        return BROKEN
    file.write_text(text.replace(mutant.old, mutant.new))
    try:
        return _ran(mutant, tree)
    finally:
        file.write_text(text)


def _ran(mutant: Mutant, tree: Path) -> str:
    path = os.pathsep.join(str(tree / part) for part in (".", "libs", "proto"))
    command = [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", *mutant.tests]
    try:
        done = subprocess.run(
            command,
            cwd=tree,
            env={**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=LIMIT_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return NOTICED
    # 1 is a red test; anything else but 0 says that the tests did not run.
    return {0: UNNOTICED, 1: NOTICED}.get(done.returncode, BROKEN)


def main() -> int:
    """Plant what the command line says, or everything."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--area")
    arguments = parser.parse_args()
    chosen = [
        mutant
        for mutant in mutants()
        if (not arguments.names or mutant.name in arguments.names)
        and arguments.area in {None, mutant.area}
    ]
    results: list[str] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as directory:
        tree = Path(directory)
        for folder in FOLDERS:
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / folder, tree / folder, ignore=ignored, symlinks=True)
        shutil.copy(ROOT / "pyproject.toml", tree)
        shutil.copy(ROOT / "README.md", tree)
        for mutant in chosen:
            began = time.monotonic()
            results.append(planted(mutant, tree))
            took = time.monotonic() - began
            print(f"{results[-1]:<9} {mutant.area:<10} {mutant.name} ({took:.0f} s)", flush=True)
    caught = results.count(NOTICED)
    word = "NOTHING" if not results else "GREEN" if caught == len(results) else "RED"
    print(f"mutants {word} caught={caught}/{len(results)}")
    return 2 if not results else 0 if caught == len(results) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Small projects of our own, and what runs in them."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from services.coder.project import Copied
from services.coder.running import LIMITS, Command, Limits, Ran, Runner, why_not_shut_in

PYTHON = os.path.realpath(sys.executable)
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "HOME": "/"}
QUICK: Limits = {**LIMITS, "seconds": 20.0, "memory": 512 << 20, "disk": 32 << 20, "file": 8 << 20}


def needs_shutting_in(home: Path) -> None:
    """Skip where the machine gives no namespaces."""
    if why := why_not_shut_in(home):
        pytest.skip(f"this machine shuts nothing in: {why}")


def made(root: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


async def ran(runner: Runner, root: Path, code: str, *arguments: str) -> Ran:
    """Run a program of one file on a copy of `root`."""
    made(root, {"main.py": code})
    return await runner.run(
        Command(
            [PYTHON, "main.py", *arguments],
            ENVIRONMENT,
            Copied(root, root, ["main.py"]),
            [sys.base_prefix],
        )
    )

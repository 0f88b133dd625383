"""What a command is told and shown of this machine, beside the project."""

import os
import sys
from pathlib import Path

import pytest

from services.coder.programs import environment_of, needed_by, program_of
from tests.services.coder.projects import made


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_the_environment_holds_nothing_of_the_services_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "s3cr3t")
    program(tmp_path / ".venv" / "bin" / "tool")

    told = environment_of("/usr/bin/make", tmp_path)

    assert set(told) == {"PATH", "HOME", "TMPDIR", "LANG", "CI", "NO_COLOR"}
    assert told["PATH"].split(os.pathsep)[0] == str(tmp_path / ".venv" / "bin")


def test_a_project_without_an_environment_is_found_where_its_sources_are(tmp_path: Path) -> None:
    made(tmp_path, {"src/app.py": ""})

    assert environment_of(sys.executable, tmp_path)["PYTHONPATH"] == str(tmp_path / "src")
    assert "PYTHONPATH" not in environment_of("/usr/bin/python3", tmp_path)


def test_a_program_is_sought_in_the_project_first(tmp_path: Path) -> None:
    own = program(tmp_path / ".venv" / "bin" / "sh")

    assert program_of("sh", tmp_path) == own
    assert program_of("./.venv/bin/sh", tmp_path) == str(tmp_path / ".venv/bin/sh")
    assert program_of("no-such-program-at-all", tmp_path) is None
    assert program_of("./nothing", tmp_path) is None


def test_a_program_brings_the_trees_that_its_links_name_and_never_a_home(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home" / "ana"))
    python = program(tmp_path / "pythons" / "3.13.1" / "bin" / "python3.13")
    (tmp_path / "pythons" / "3.13").symlink_to("3.13.1")
    link = tmp_path / "envs" / "shop" / "bin" / "python"
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "pythons" / "3.13" / "bin" / "python3.13")
    named = tmp_path / "named"

    needed = needed_by(str(link), [named])

    assert needed == [
        str(named),
        str(tmp_path / "envs" / "shop"),
        str(tmp_path / "pythons" / "3.13"),
        str(Path(python).parents[1]),
    ]
    for place in ("bin", ".local/bin"):
        assert needed_by(program(tmp_path / "home" / "ana" / place / "tool"), []) == []
    assert needed_by(program(tmp_path / "home" / "bin" / "tool"), []) == []
    assert needed_by("/usr/bin/env", []) == []

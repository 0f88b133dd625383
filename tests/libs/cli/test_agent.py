"""`weft agent`: what it makes passes what it checks."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from weft.cli.main import app
from weft.local.ports import free_port


def weft(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, list(words))
    return result.exit_code, result.output


@pytest.mark.requirement("CLI-3")
def test_a_new_agent_passes_the_check_that_its_own_test_runs(tmp_path: Path) -> None:
    code, output = weft("agent", "new", "pricing_of_2", "--directory", str(tmp_path))
    environment = {name: value for name, value in os.environ.items() if name != "WEFT_HOME"}

    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-s", "tests"],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert code == 0
    assert "services/pricing_of_2/main.py" in output
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert "0 faults, 0 pieces of advice, 0 not checked" in ended.stdout


@pytest.mark.parametrize("name", ["Pricing", "2nd", "class", "router", "gateway", "a-b", "../x"])
def test_a_name_that_cannot_be_used_is_refused(tmp_path: Path, name: str) -> None:
    code, output = weft("agent", "new", name, "--directory", str(tmp_path))

    assert code == 2
    assert name in output
    assert not list(tmp_path.iterdir())


def test_what_is_there_is_not_written_over(tmp_path: Path) -> None:
    weft("agent", "new", "pricing", "--directory", str(tmp_path))
    main = tmp_path / "services" / "pricing" / "main.py"
    main.write_text("mine")

    code, output = weft("agent", "new", "pricing", "--directory", str(tmp_path))

    assert (code, main.read_text()) == (2, "mine")
    assert "nothing was written" in output


def test_an_agent_that_is_not_there_is_said_in_a_sentence() -> None:
    code, output = weft("agent", "check", f"http://127.0.0.1:{free_port()}")

    assert code == 1
    assert "does not answer" in output

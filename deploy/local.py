"""From a clone to a running mesh, or to a green test run, with Python 3.11 and git alone.

    python3 deploy/local.py demo    start the mesh, diagnose the bundled incident, stop
    python3 deploy/local.py test    lint, layers, types and every test
    python3 deploy/local.py up      start the mesh and keep it running
    python3 deploy/local.py env     only make the environment

The environment is made in .venv from the hash-pinned lock and reused while lock, project file and
Python stay the same.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[1]
VENV = ROOT / ".venv"
LOCK = ROOT / "deploy" / "locks" / "dev.txt"
STAMP = VENV / "weft-environment"
OUR_OWN = (ROOT, ROOT / "libs" / "incidents")
"""The distributions that are made here."""
INCIDENT = ROOT / "deploy" / "demo" / "incident"
QUESTION = "Diagnose the checkout slowdown"
CHECKS = (
    ("lint", "-m", "ruff", "check", "."),
    ("format", "-m", "ruff", "format", "--check", "."),
    ("layers", "-c", "from importlinter.cli import lint_imports_command as run; run()"),
    ("types", "-m", "mypy"),
    ("tests", "-m", "pytest", "--cov", "--cov-report=term:skip-covered"),
)


def main() -> int:
    """Do what the command line says and return the exit code."""
    parser = argparse.ArgumentParser(
        prog="deploy/local.py",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=("demo", "test", "up", "env"))
    parser.add_argument(
        "arguments", nargs=argparse.REMAINDER, help="handed on to weft up or pytest"
    )
    asked = parser.parse_args()
    if sys.version_info < (3, 11):
        return _fail("Weft needs Python 3.11 or newer; start this file with such a python3.")
    problem = ensure_environment()
    if problem is not None:
        return _fail(problem)
    if asked.command == "test":
        return run_checks(asked.arguments)
    if asked.command == "env":
        return 0
    command = [str(VENV / "bin" / "weft"), "up", "--data-root", str(INCIDENT)]
    if asked.command == "demo":
        command += ["--ask", QUESTION, "--data", str(INCIDENT / "checkout-slowdown")]
    return _become([*command, *asked.arguments])


def ensure_environment() -> str | None:
    """Make or reuse the environment; return what is wrong, with the remedy, or None."""
    wanted = _fingerprint()
    if STAMP.is_file() and STAMP.read_text() == wanted and _python().exists():
        return None
    _say("making the environment in .venv (once; later starts reuse it)")
    began = time.monotonic()
    uv = shutil.which("uv")
    steps = uv_steps(uv, VENV, LOCK) if uv else pip_steps(VENV, LOCK)
    if VENV.exists():
        shutil.rmtree(VENV)
    if not uv and (problem := _venv_missing()) is not None:
        return problem
    for step in steps:
        if (words := failed(step)) is not None:
            sys.stderr.write(words)
            return f"this command failed, and its own words above say why: {' '.join(step)}"
    STAMP.write_text(wanted)
    _say(f"environment ready in {time.monotonic() - began:.0f} s")
    return None


def run_checks(arguments: list[str]) -> int:
    """Run every check in order, stopping at the first that fails."""
    for name, *command in CHECKS:
        _say(name)
        began = time.monotonic()
        extra = arguments if name == "tests" else []
        code = _run([str(_python()), *command, *extra])
        _say(f"{name}: {'ok' if code == 0 else 'FAILED'} ({time.monotonic() - began:.0f} s)")
        if code != 0:
            return code
    return 0


def uv_steps(uv: str, environment: Path, lock: Path) -> list[list[str]]:
    """Return the commands that make an environment with uv."""
    install = [uv, "pip", "install", "--quiet", "--python", str(environment / "bin" / "python")]
    return [
        [uv, "venv", "--quiet", "--python", _outside(), str(environment)],
        *_installed(install, lock),
    ]


def pip_steps(environment: Path, lock: Path) -> list[list[str]]:
    """Return the commands that make an environment with the interpreter's own pip."""
    pip = [str(environment / "bin" / "python"), "-m", "pip", "--disable-pip-version-check"]
    return [
        [_outside(), "-m", "venv", str(environment)],
        *_installed([*pip, "install", "--quiet"], lock),
    ]


def _installed(install: list[str], lock: Path) -> list[list[str]]:
    return [
        # The lock is complete. Left to resolve, pip looks anew for every name with an extra, and
        # stops at the first version that is newer than the pinned one.
        [*install, "--no-deps", "--require-hashes", "-r", str(lock)],
        [*install, "--no-deps", "--no-build-isolation", *_editable()],
    ]


def _editable() -> list[str]:
    return [word for project in OUR_OWN for word in ("-e", str(project))]


def failed(step: list[str]) -> str | None:
    """Run a command silently; return its words if it failed, or None.

    An installer warns of an index that lacks a folder, once for each package: noise while all is
    well, and the reason when it is not.
    """
    done = subprocess.run(  # noqa: S603 - built above
        step,
        cwd=ROOT,
        env=_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.stdout.decode(errors="replace") if done.returncode != 0 else None


def _venv_missing() -> str | None:
    """Install the system's venv package where that is needed and allowed."""
    probe = [_outside(), "-c", "import ensurepip, venv"]
    if subprocess.run(probe, stderr=subprocess.DEVNULL, check=False).returncode == 0:  # noqa: S603 - our own interpreter
        return None
    apt = shutil.which("apt-get")
    package = "python3-venv"
    if apt is None or os.geteuid() != 0:
        return f"python3 cannot make environments here; run: sudo apt-get install -y {package}"
    _say(f"installing the system package {package}")
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for step in ([apt, "update", "-qq"], [apt, "install", "-y", "-qq", package]):
        if subprocess.run(step, env=quiet, stdout=subprocess.DEVNULL, check=False).returncode != 0:  # noqa: S603 - the system's own package tool
            return f"could not install {package}; run: apt-get install -y {package}"
    return None


def _outside() -> str:
    """Return the Python under this one, which stays when the environment is made anew."""
    return getattr(sys, "_base_executable", None) or sys.executable


def _python() -> Path:
    return VENV / "bin" / "python"


def _fingerprint() -> str:
    digest = hashlib.sha256(sys.version.encode())
    for file in (LOCK, *(project / "pyproject.toml" for project in OUR_OWN)):
        digest.update(file.read_bytes())
    return f"{digest.hexdigest()} {ROOT}"


def _become(command: list[str]) -> NoReturn:
    """Go on as a command in the project: who stops or kills this process stops the mesh."""
    os.chdir(ROOT)
    os.execve(command[0], command, _environment())  # noqa: S606 - our own program


def _environment() -> dict[str, str]:
    """Return the variables of a command, with the environment first on its PATH."""
    environment = {**os.environ, "PATH": f"{VENV / 'bin'}{os.pathsep}{os.environ.get('PATH', '')}"}
    environment.pop("VIRTUAL_ENV", None)
    return environment


def _run(command: list[str]) -> int:
    """Run a command in the project."""
    with subprocess.Popen(command, cwd=ROOT, env=_environment()) as child:  # noqa: S603 - built above
        while True:
            try:
                return child.wait()
            except KeyboardInterrupt:
                # The child hears Ctrl-C too, and tidies up; it is waited for.
                continue


def _say(words: str) -> None:
    sys.stderr.write(f"[weft] {words}\n")
    sys.stderr.flush()


def _fail(words: str) -> int:
    _say(words)
    return 1


if __name__ == "__main__":
    sys.exit(main())

"""The tests of a project: which command runs them, and what a run of it came to.

Nothing counts as passed on an exit code alone where its runner says how many tests there were: a
run of no test says nothing.
"""

import importlib.util
import json
import re
import shlex
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from services.coder.running import Ran
from weft.core import Record

__all__ = ["NoSuiteError", "Suite", "SuiteReport", "configured_suite", "found_suite", "is_of_tests"]

Kind = Literal["pytest", "unittest", "other"]
Read = Callable[[str], str]
_MOST_WORDS = 12_000
_PYTEST_SAYS = {
    "pyproject.toml": "[tool.pytest",
    "setup.cfg": "[tool:pytest]",
    "tox.ini": "[pytest]",
}
_PYTEST_FILES = frozenset({"pytest.ini", "conftest.py"})
_CONFIGURED = frozenset({*_PYTEST_SAYS, *_PYTEST_FILES, "package.json", "Makefile"})
_PYTHONS = (".venv/bin/python", "venv/bin/python")
_NO_NPM_TEST = "no test specified"
_COUNT = re.compile(r"(\d{1,9}) (passed|failed|errors?|skipped|xfailed|xpassed|deselected)\b")
_MAKE_TEST = re.compile(r"^test:", re.MULTILINE)
_RAN = re.compile(r"^Ran (\d{1,9}) tests? in ", re.MULTILINE)
_NOT_WELL = re.compile(
    r"\b(failures|errors|skipped|expected failures|unexpected successes)=(\d{1,9})"
)


class NoSuiteError(Exception):
    """No command is known to test the project: why, and what to set."""


class SuiteReport(Record):
    """What a run of the tests came to."""

    passed: bool
    command: str
    exit_code: int | None = None
    tests: dict[str, int] | None = None
    """How many passed, failed ..., as their runner says; None where it does not."""
    why: str = ""
    """Why it did not pass, beside what the tests themselves say."""
    output: str = ""
    """The end of what was said."""
    seconds: float = 0.0

    @property
    def words(self) -> str:
        """Say it in a sentence."""
        counted = ", ".join(f"{number} {kind}" for kind, number in (self.tests or {}).items())
        how = "passed" if self.passed else "did not pass"
        rest = "; ".join(filter(None, (counted, self.why)))
        return f"`{self.command}` {how}{f': {rest}' if rest else ''} ({self.seconds:.1f} s)."


@dataclass(frozen=True, slots=True)
class Suite:
    """The command that tests a project."""

    argv: tuple[str, ...]
    kind: Kind = "other"

    @property
    def command(self) -> str:
        """The command for people: a program by its name."""
        return shlex.join([PurePosixPath(self.argv[0]).name, *self.argv[1:]])

    def report(self, ran: Ran) -> SuiteReport:
        """Return what a run of it came to."""
        tests = {"pytest": _counted_by_pytest, "unittest": _counted_by_unittest}.get(
            self.kind, _uncounted
        )(ran.output)
        why = _why_not(ran, tests, counts=self.kind != "other")
        return SuiteReport(
            passed=ran.exit_code == 0 and not why,
            command=self.command,
            exit_code=ran.exit_code,
            tests=tests,
            why=why,
            output=ran.output[-_MOST_WORDS:],
            seconds=round(ran.seconds, 2),
        )


def configured_suite(command: str) -> Suite:
    """Return the suite of a command that somebody set.

    Raises:
        ValueError: It is none.
    """
    argv = tuple(shlex.split(command))
    if not argv:
        raise ValueError("an empty command tests nothing")
    kind: Kind = "other"
    if PurePosixPath(argv[0]).name == "pytest" or argv[1:3] == ("-m", "pytest"):
        kind = "pytest"
    elif argv[1:3] == ("-m", "unittest"):
        kind = "unittest"
    return Suite(argv, kind)


def found_suite(root: Path, files: Sequence[str], read: Read) -> Suite:
    """Return the suite that the files speak of.

    Raises:
        NoSuiteError: They speak of none, or of one that cannot run here.
    """
    names = {PurePosixPath(name).name for name in files}
    tests = [name for name in files if name.endswith(".py") and is_of_tests(name)]
    speaks = any(name in files and words in read(name) for name, words in _PYTEST_SAYS.items())
    if speaks or tests or _PYTEST_FILES & names:
        return _python_suite(root, tests, read)
    if "package.json" in files and _has_npm_test(read("package.json")):
        return Suite(("npm", "test", "--silent"))
    if "Makefile" in files and _MAKE_TEST.search(read("Makefile")):
        return Suite(("make", "test"))
    raise NoSuiteError(
        "nothing in the project says how it is tested (no pytest or unittest files, no test script "
        "in package.json, no target `test` in a Makefile): set CODER_TEST_COMMAND"
    )


def is_of_tests(name: str) -> bool:
    """Tell whether a file holds tests, or says how they are run."""
    path = PurePosixPath(name)
    stem, within = path.stem, {"tests", "test", "__tests__"} & set(path.parts[:-1])
    named = stem.startswith("test_") or stem.endswith(("_test", ".test", ".spec"))
    return bool(within) or named or path.name in _CONFIGURED


def _python_suite(root: Path, tests: Sequence[str], read: Read) -> Suite:
    own = next((root / name for name in _PYTHONS if (root / name).exists()), None)
    python = str(own or sys.executable)
    if _has_pytest(own):
        return Suite((python, "-m", "pytest", "-q"), "pytest")
    if any("unittest" in read(name) for name in tests):
        return Suite((python, "-m", "unittest", "discover"), "unittest")
    raise NoSuiteError(
        f"the tests need pytest, which {python} has not: install it there, or set CODER_TEST_COMMAND"
    )


def _has_pytest(python: Path | None) -> bool:
    if python is None:
        return importlib.util.find_spec("pytest") is not None
    packages = python.parent.parent.glob("lib/python3*/site-packages/pytest/__init__.py")
    return next(packages, None) is not None


def _has_npm_test(text: str) -> bool:
    try:
        package = json.loads(text)
    except ValueError:
        return False
    scripts = package.get("scripts") if isinstance(package, dict) else None
    script = scripts.get("test") if isinstance(scripts, dict) else None
    return isinstance(script, str) and _NO_NPM_TEST not in script


def _why_not(ran: Ran, tests: dict[str, int] | None, *, counts: bool) -> str:
    """Return why the run is no pass, where the tests themselves do not say so."""
    if ran.exceeded is not None:
        return f"it was ended at its {ran.exceeded}"
    if counts and tests is None:
        return f"it ended with {ran.exit_code} and does not say that any test ran"
    if tests is not None and not sum(tests.values()):
        return "no test ran"
    if ran.exit_code != 0:
        return f"it ended with {ran.exit_code}" if tests is None else ""
    return "no test passed" if tests is not None and not tests.get("passed") else ""


def _counted_by_pytest(output: str) -> dict[str, int] | None:
    """Read the last line that sums up, such as `2 failed, 3 passed in 0.12s`."""
    for line in reversed(output.splitlines()):
        words = line.strip("= ")
        if words.startswith("no tests ran"):
            return {}
        counts = _COUNT.findall(words)
        if counts and " in " in words and words[0].isdigit():
            return {
                kind.removesuffix("s") if kind == "errors" else kind: int(n) for n, kind in counts
            }
    return None


def _counted_by_unittest(output: str) -> dict[str, int] | None:
    ran = _RAN.findall(output)
    if not ran:
        return None
    total, end = int(ran[-1]), output[output.rindex(f"Ran {ran[-1]} test") :]
    others = {kind: int(number) for kind, number in _NOT_WELL.findall(end)}
    return {"passed": max(total - sum(others.values()), 0), **others} if total else {}


def _uncounted(_output: str) -> dict[str, int] | None:
    return None

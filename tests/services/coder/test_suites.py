"""How a project is tested, and what a run of its tests is taken for."""

from pathlib import Path

import pytest

from services.coder.running import Ran
from services.coder.suites import (
    NoSuiteError,
    Suite,
    configured_suite,
    found_suite,
    is_of_tests,
)
from tests.services.coder.projects import made


def found(root: Path, files: dict[str, str]) -> Suite:
    made(root, files)
    return found_suite(root, list(files), lambda name: files.get(name, ""))


@pytest.mark.parametrize(
    ("files", "command"),
    [
        ({"test_a.py": "def test_a(): ..."}, "python -m pytest -q"),
        ({"tests/unit/cart_test.py": ""}, "python -m pytest -q"),
        ({"pyproject.toml": "[tool.pytest.ini_options]\n"}, "python -m pytest -q"),
        ({"package.json": '{"scripts": {"test": "node --test"}}'}, "npm test --silent"),
        ({"Makefile": "all:\n\ttrue\ntest: all\n\ttrue\n"}, "make test"),
    ],
)
def test_the_files_say_how(tmp_path: Path, files: dict[str, str], command: str) -> None:
    assert found(tmp_path, files).command.replace("python3", "python") == command


def test_an_environment_of_the_projects_own_comes_first(tmp_path: Path) -> None:
    environment = {
        ".venv/bin/python": "",
        ".venv/lib/python3.12/site-packages/pytest/__init__.py": "",
    }
    tests = {"test_a.py": "import unittest"}
    made(tmp_path / "with", environment)
    made(tmp_path / "without", {".venv/bin/python": ""})

    assert found(tmp_path / "with", tests).argv[0] == str(tmp_path / "with/.venv/bin/python")
    assert found(tmp_path / "without", tests).kind == "unittest"
    with pytest.raises(NoSuiteError, match=r"need pytest, which .* has not"):
        found(tmp_path / "without", {"test_a.py": "def test_a(): ..."})


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"app.py": ""},
        {"package.json": '{"scripts": {"test": "echo Error: no test specified && exit 1"}}'},
        {"package.json": "{"},
        {"package.json": "[]"},
        {"Makefile": "tests:\n"},
    ],
)
def test_where_nothing_says_how_it_is_said_what_to_set(
    tmp_path: Path, files: dict[str, str]
) -> None:
    with pytest.raises(NoSuiteError, match="CODER_TEST_COMMAND"):
        found(tmp_path, files)


def test_a_command_that_is_set_is_taken_as_it_is() -> None:
    assert configured_suite("make 'my check'").argv == ("make", "my check")
    assert configured_suite("/opt/py/bin/python -m pytest tests").kind == "pytest"
    assert configured_suite("pytest -x").kind == "pytest"
    for command in ("", "make 'check"):
        with pytest.raises(ValueError):  # noqa: PT011 - the standard library's words
            configured_suite(command)


PYTEST, UNITTEST, OTHER = (
    Suite(("python", "-m", "pytest"), "pytest"),
    Suite(("u",), "unittest"),
    Suite(("make",)),
)


@pytest.mark.parametrize(
    ("suite", "code", "output", "passed", "why"),
    [
        (PYTEST, 0, "...\n3 passed in 0.10s\n", True, ""),
        (PYTEST, 0, "==== 3 passed, 1 skipped, 2 warnings in 1.10s ====\n", True, ""),
        (PYTEST, 1, "1 failed, 3 passed in 0.10s\n", False, ""),
        (PYTEST, 2, "1 error in 0.10s\n", False, ""),
        (PYTEST, 0, "2 skipped in 0.10s\n", False, "no test passed"),
        (PYTEST, 5, "no tests ran in 0.01s\n", False, "no test ran"),
        (PYTEST, 0, "3 deselected in 0.01s\n", False, "no test passed"),
        (PYTEST, 0, "All tests passed!\n", False, "does not say that any test ran"),
        (PYTEST, 0, "", False, "does not say that any test ran"),
        (PYTEST, 1, "3 passed in 0.10s\n", False, ""),
        (PYTEST, -11, "3 passed in 0.10s\nSegmentation fault\n", False, ""),
        (UNITTEST, 0, "...\nRan 3 tests in 0.001s\n\nOK\n", True, ""),
        (UNITTEST, 0, "Ran 3 tests in 0.001s\n\nOK (skipped=3)\n", False, "no test passed"),
        (UNITTEST, 0, "Ran 0 tests in 0.000s\n\nOK\n", False, "no test ran"),
        (UNITTEST, 1, "Ran 3 tests in 0.1s\n\nFAILED (failures=1, errors=1)\n", False, ""),
        (OTHER, 0, "anything", True, ""),
        (OTHER, 2, "anything", False, "ended with 2"),
    ],
)  # fmt: skip
def test_a_run_is_a_pass_where_a_test_passed_and_none_failed(
    suite: Suite,
    code: int,
    output: str,
    passed: bool,  # noqa: FBT001
    why: str,
) -> None:
    report = suite.report(Ran(code, None, output, 1.0))

    assert report.passed is passed
    assert why in report.why
    assert bool(report.why) >= bool(why)
    assert passed or report.why or report.tests


def test_what_was_ended_is_no_pass() -> None:
    for exceeded in ("time", "memory"):
        report = PYTEST.report(Ran(None, exceeded, "3 passed in 0.1s", 9.0))

        assert not report.passed
        assert f"ended at its {exceeded}" in report.words


@pytest.mark.parametrize(
    ("name", "of_tests"),
    [
        ("tests/helpers.py", True), ("src/test_a.py", True), ("web/cart.spec.ts", True),
        ("conftest.py", True), ("pyproject.toml", True), ("src/contest.py", False),
        ("src/latest/app.py", False), ("src/testing.py", False),
    ],
)  # fmt: skip
def test_files_that_say_how_it_is_tested_are_recognised(name: str, of_tests: bool) -> None:  # noqa: FBT001
    assert is_of_tests(name) is of_tests

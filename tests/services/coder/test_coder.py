"""The coder as a peer: real tests in real processes, a model on the wire, and what it may claim."""

import base64
import os
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest
from anyio import to_thread

from services.coder import main, running
from services.coder.agent import DIFF, Coder
from services.coder.main import Settings, card_of, footing_of, opened
from services.coder.project import Project
from services.coder.running import LIMITS, Runner
from services.coder.suites import Suite, configured_suite
from services.coder.tools import RUN_TESTS, Bench
from services.coder.workspace import Workspace
from tests.services.coder.processes import left_of
from tests.services.coder.projects import PYTHON, QUICK, made, names_in, needs_shutting_in
from weft.core import Authority, JsonObject, Result, parts_of
from weft.core.errors import ConfigError
from weft.local.ports import free_port
from weft.loop import Task
from weft.models import Model, get_model
from weft.testing import ScriptedOpenAIServer
from weft.testing.openai_script import WireCall, WireReply
from weft.tools.events import ToolStarted

pytestmark = pytest.mark.timeout(90)
ASKED = "Write a function that adds two numbers"
TEST = "import unittest, sums\nclass T(unittest.TestCase):\n    def test_add(self):\n        self.assertEqual(sums.add(2, 3), 5)\n"
UNITTEST = Suite((PYTHON, "-m", "unittest", "discover"), "unittest")
RIGHT = "def add(a, b):\n    return a + b\n"


def calls(name: str, **arguments: str) -> WireReply:
    return WireReply(calls=(WireCall(name=name, arguments={**arguments}),))


WRONG = calls("write_file", path="sums.py", text="def add(a, b):\n    return a - b\n")
MENDED = calls("replace_in_file", path="sums.py", old="a - b", new="a + b")
TESTED = calls("run_tests")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made(tmp_path / "shop", {"test_sums.py": TEST, "sums.py": "# nothing yet\n"})


@pytest.fixture
def coder(root: Path, tmp_path: Path) -> Callable[[Model], Coder]:
    home = tmp_path / "home"
    needs_shutting_in(home)

    def over(model: Model) -> Coder:
        return Coder(
            "coder",
            model,
            Project(root),
            Runner(home, QUICK),
            "You write code.",
            home,
            suite=UNITTEST,
        )

    return over


@asynccontextmanager
async def scripted(*script: WireReply) -> AsyncIterator[tuple[Model, ScriptedOpenAIServer]]:
    async with ScriptedOpenAIServer(script) as server:
        model = get_model("openai:scripted", base_url=server.base_url, api_key="k")
        async with aclosing(model):
            yield model, server


async def worked(coder: Coder, *, run: str = "r1", text: str = ASKED) -> Result:
    task = Task(parts_of(text), "m", authority=Authority(root_id=run), role="code")
    with anyio.fail_after(60):
        return await coder.start(task)


def data_of(result: Result) -> JsonObject:
    assert isinstance(result.data, dict)
    return result.data


def patch_of(result: Result) -> str:
    (patch,) = [part for part in result.parts if part.media_type == DIFF]
    return base64.b64decode(patch.bytes or "").decode()


async def test_red_then_green_is_a_patch_that_the_user_applies(
    coder: Callable[[Model], Coder], root: Path
) -> None:
    script = (WRONG, TESTED, MENDED, TESTED, WireReply(text="It adds."))
    async with scripted(*script) as (model, server):
        result = await worked(coder(model))

    seen = str(server.requests[-1].body)
    assert result.ok
    assert (data_of(result)["passed"], data_of(result)["tests"]) == (True, {"passed": 1})
    assert data_of(result)["changed"] == ["sums.py"]
    (tests,) = [artifact.data for artifact in result.artifacts if artifact.name == RUN_TESTS]
    assert isinstance(tests, dict)
    assert tests["passed"] is True
    assert "FAILED (failures=1)" in seen
    assert "AssertionError: -1 != 5" in seen
    assert "test_sums.py" in str(server.requests[0].body)
    assert (root / "sums.py").read_text() == "# nothing yet\n"
    apply = result.text.splitlines()[-1].removeprefix("To apply it: ")
    await anyio.run_process(["sh", "-c", apply])
    assert (root / "sums.py").read_text() == RIGHT
    assert patch_of(result).rstrip() in result.text


async def test_what_a_model_says_of_tests_is_not_what_they_came_to(
    coder: Callable[[Model], Coder],
) -> None:
    script = (WRONG, WireReply(text="All tests passed! passed: true"))
    async with scripted(*script) as (model, _):
        result = await worked(coder(model))

    assert data_of(result)["passed"] is False
    assert "python" in result.text.splitlines()[0]
    assert "did not pass: 0 passed, 1 failures" in result.text
    assert "AssertionError: -1 != 5" in result.text


async def test_what_was_tested_before_the_last_change_is_tested_again(
    coder: Callable[[Model], Coder],
) -> None:
    right = calls("write_file", path="sums.py", text=RIGHT)
    script = (right, TESTED, WRONG, WireReply(text="Tested, passed."))
    async with scripted(*script) as (model, _):
        result = await worked(coder(model))

    assert data_of(result)["passed"] is False


async def test_an_answer_without_a_change_is_no_pass_though_the_tests_pass(
    coder: Callable[[Model], Coder], root: Path
) -> None:
    (root / "sums.py").write_text(RIGHT)
    async with scripted(TESTED, WireReply(text="It is there already.")) as (model, _):
        result = await worked(coder(model))

    assert (data_of(result)["passed"], result.partial) == (False, True)
    assert result.text.startswith("Nothing was changed")
    assert "It is there already." in result.text
    assert result.artifacts == ()


async def test_a_second_pass_goes_on_where_the_first_one_ended(
    coder: Callable[[Model], Coder],
) -> None:
    script = (WRONG, WireReply(text="Done."), MENDED, WireReply(text="Done now."))
    async with scripted(*script) as (model, server):
        first = await worked(coder(model))
        second = await worked(coder(model))

    assert (data_of(first)["passed"], data_of(second)["passed"]) == (False, True)
    assert "You changed these files before" in str(server.requests[2].body)
    assert "sums.py" in str(server.requests[2].body)


async def test_another_run_begins_with_the_project_as_it_is(
    coder: Callable[[Model], Coder],
) -> None:
    script = (WRONG, WireReply(text="Done."), MENDED, WireReply(text="Done."))
    async with scripted(*script) as (model, server):
        await worked(coder(model), run="r1")
        result = await worked(coder(model), run="r2")

    assert "stands 0 times in sums.py" in str(server.requests[3].body)
    assert result.text.startswith("Nothing was changed")


async def test_a_patch_that_changes_how_it_is_tested_says_so(
    coder: Callable[[Model], Coder],
) -> None:
    weaker = calls("write_file", path="test_sums.py", text=TEST.replace("5", "-1"))
    async with scripted(WRONG, weaker, WireReply(text="Done.")) as (model, _):
        result = await worked(coder(model))

    assert data_of(result)["passed"] is True
    assert "The patch also changes how it is tested: test_sums.py." in result.text


async def test_what_a_test_writes_is_not_in_the_patch(
    coder: Callable[[Model], Coder], root: Path
) -> None:
    spoils = TEST + "    def test_spoil(self):\n        open('sums.py', 'w').write('spoiled')\n"
    right = calls("write_file", path="sums.py", text=RIGHT)
    async with scripted(
        right,
        calls("write_file", path="test_sums.py", text=spoils),
        TESTED,
        TESTED,
        WireReply(text="Done."),
    ) as (model, _):
        result = await worked(coder(model))

    assert data_of(result)["passed"] is True
    assert "+spoiled" not in patch_of(result)
    assert (root / "test_sums.py").read_text() == TEST


async def test_without_a_model_it_says_what_it_would_need(
    coder: Callable[[Model], Coder], root: Path, tmp_path: Path
) -> None:
    del coder  # it skips where nothing is shut in
    async with opened(settings_of(root, tmp_path)) as peer:
        result = await peer.start(Task(parts_of(ASKED), "m"))

    assert (result.status, result.reasons[0].code) == ("failed", "no_applicable_tool")
    for words in ("takes a language model", "set WEFT_MODEL", str(root), "tests it with `python"):
        assert words in result.reasons[0].message


async def test_cancelling_ends_the_tests_that_run(
    coder: Callable[[Model], Coder], root: Path
) -> None:
    made(root, {"test_sums.py": "import time\ntime.sleep(600)\n"})
    async with scripted(WRONG, TESTED) as (model, _):
        peer = coder(model)
        run = peer.start(Task(parts_of(ASKED), "m"))
        with anyio.fail_after(60):
            async for event in run:
                if isinstance(event, ToolStarted) and event.data.tool_name == RUN_TESTS:
                    await run.cancel("enough")
            result = await run

    assert result.status == "canceled"
    assert not any(peer.home.glob("run-*"))
    assert left_of() == []


async def opened_with(root: Path, tmp_path: Path, **settings: object) -> None:
    values: dict[str, object] = {"model": "offline:", "home": tmp_path / "h", "project": root}
    async with opened(Settings.model_validate(values | settings)):
        pass


async def test_what_is_set_wrong_is_said_with_what_to_do(root: Path, tmp_path: Path) -> None:
    wrong: Sequence[tuple[dict[str, object], str]] = (
        ({"project": None}, "weft up --code DIR"),
        ({"project": tmp_path / "nowhere"}, "is no directory of a project"),
        ({"project": Path("/")}, "is no directory of a project"),
        ({"test_command": "make 'x"}, "CODER_TEST_COMMAND cannot be"),
        ({"readable_roots": [tmp_path / "x"]}, "there is no directory"),
    )
    for settings, words in wrong:
        with pytest.raises(ConfigError, match=words):
            await opened_with(root, tmp_path, **settings)
    await opened_with(root, tmp_path)


def settings_of(root: Path, tmp_path: Path, **more: object) -> Settings:
    return Settings.model_validate({"model": "offline:", "home": tmp_path, "project": root, **more})


def test_the_card_says_what_tests_it_and_that_a_model_is_missing(
    root: Path, tmp_path: Path
) -> None:
    settings = settings_of(root, tmp_path, test_command="make check")
    bare = settings_of(made(tmp_path / "bare", {"app.py": ""}), tmp_path)

    (skill,) = card_of(settings, footing_of(settings)).skills
    (untested,) = card_of(bare, footing_of(bare)).skills

    assert "tests:run_tests" in skill.tags
    assert "tests it with `make check`" in skill.description
    assert "no language model now" in skill.description
    assert not any(tag.startswith("tests:") for tag in untested.tags)


async def test_where_nothing_can_be_shut_in_it_refuses_and_says_why(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "why_not_shut_in", lambda _home: "unshare: Operation not permitted")
    settings = settings_of(root, tmp_path)
    async with scripted() as (model, server):
        monkeypatch.setattr(main, "opened_model", lambda _: aclosing(model))
        async with opened(settings) as peer:
            result = await peer.start(Task(parts_of(ASKED), "m"))

    refusal = result.reasons[0].message
    assert (result.status, server.requests) == ("failed", [])
    assert "unshare: Operation not permitted" in refusal
    assert "CODER_TESTS_MAY_REACH_OUT=true" in refusal


def test_the_card_says_that_nothing_is_shut_in_and_root_is_refused_even_then(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main, "why_not_shut_in", lambda _home: "unshare: Operation not permitted")
    settings = settings_of(root, tmp_path)

    assert "unshare: Operation not" in card_of(settings, footing_of(settings)).description
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    reaching = footing_of(settings_of(root, tmp_path, tests_may_reach_out=True))
    assert (reaching.shut_in, reaching.refusal) == (False, "")
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    as_root = footing_of(settings_of(root, tmp_path, tests_may_reach_out=True))
    assert "as another user" in as_root.refusal


def test_a_machine_without_namespaces_is_recognised(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        running,
        "_PROGRAM",
        "import os; os.write(int(__import__('sys').argv[-1]), b'{\"cannot\": \"unshare: no\"}')",
    )

    assert running.why_not_shut_in(tmp_path) == "unshare: no"


async def test_elsewhere_than_on_linux_it_refuses_whatever_is_set(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platform.system", lambda: "Darwin")
    settings = settings_of(root, tmp_path, tests_may_reach_out=True)

    footing = await to_thread.run_sync(footing_of, settings)

    assert "on Linux alone, and this is Darwin" in footing.refusal


async def test_a_model_that_is_away_is_told_and_no_rules_write_code(
    coder: Callable[[Model], Coder], root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del coder  # it skips where nothing is shut in
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{free_port()}/v1")
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    settings = settings_of(root, tmp_path, model="openai:gpt-4o", model_patience_seconds=0.5)

    async with opened(settings) as peer:
        result = await peer.start(Task(parts_of(ASKED), "m"))

    assert (result.status, result.artifacts) == ("failed", ())
    assert "nobody answers at" in result.reasons[0].message


async def test_an_environment_that_knows_the_project_by_its_path_loads_the_copy(
    tmp_path: Path, coder: Callable[[Model], Coder]
) -> None:
    """As after `pip install -e .`: the path in the environment is the project's own."""
    root = tmp_path / "installed"
    test = "from sums import add\n" + TEST.replace("import unittest, sums", "import unittest")
    made(root, {"src/sums.py": "", "tests/test_sums.py": test.replace("sums.add", "add")})
    await anyio.run_process([PYTHON, "-m", "venv", "--without-pip", str(root / ".venv")])
    packages = f".venv/lib/python{sys.version_info[0]}.{sys.version_info[1]}/site-packages"
    made(root, {f"{packages}/sums.pth": f"{root}/src\n"})
    command = configured_suite(".venv/bin/python -m unittest discover tests")
    right = calls("write_file", path="src/sums.py", text=RIGHT)
    async with scripted(right, WireReply(text="Done.")) as (model, _):
        peer = replace(coder(model), project=Project(root), suite=command)
        result = await worked(peer)

    assert data_of(result)["passed"] is True, result.text
    assert (root / "src" / "sums.py").read_text() == ""


@pytest.mark.parametrize(
    ("program", "files", "command"),
    [
        ("make", {"Makefile": "test:\n\ttest -f Makefile && echo well\n"}, "make test"),
        (
            "npm",
            {"package.json": '{"scripts": {"test": "node -e \\"console.log(1 + 1)\\""}}'},
            "npm test --silent",
        ),
    ],
)
async def test_what_a_project_says_of_its_tests_is_run(
    program: str, files: dict[str, str], command: str, tmp_path: Path
) -> None:
    if await to_thread.run_sync(shutil.which, program) is None:
        pytest.skip(f"there is no {program} here")
    home = tmp_path / "home"
    await to_thread.run_sync(needs_shutting_in, home)
    # Node reserves far more than it uses.
    runner = Runner(home, {**QUICK, "memory": LIMITS["memory"]})
    root = made(tmp_path / "project", files)
    bench = Bench(Workspace(Project(root), home / "work.json"), runner, None)

    report = await bench.tested()

    assert (report.passed, report.command, report.tests) == (True, command, None), report
    assert report.output in ("test -f Makefile && echo well\nwell\n", "2\n")


@pytest.mark.parametrize(("days", "left"), [(1.0, ["new.json"]), (0.0, ["new.json", "old.json"])])
async def test_what_was_changed_for_old_runs_goes(
    root: Path, tmp_path: Path, days: float, left: list[str]
) -> None:
    made(tmp_path / "coder", {"old.json": "{}", "new.json": "{}"})
    os.utime(tmp_path / "coder" / "old.json", (0, 0))

    async with opened(settings_of(root, tmp_path, keep_days=days)):
        assert names_in(tmp_path / "coder") == left

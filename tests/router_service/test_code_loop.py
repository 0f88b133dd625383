"""The code loop over the router and the real coder: tests in real processes, models on the wire."""

from pathlib import Path

import pytest
from anyio import to_thread

from services.coder.agent import DIFF, Coder
from services.coder.main import Settings, card_of, footing_of
from services.coder.running import Runner
from tests.router_service.test_protocols import (
    CHECKS,
    Specialist,
    ended,
    mesh,
    says,
    scripted,
    spoken,
    verdict,
)
from tests.services.coder.projects import PYTHON, QUICK, made, needs_shutting_in
from tests.services.coder.test_coder import RIGHT, TEST
from weft.models import Model, get_model
from weft.testing.openai_script import When, WireCall, WireReply

pytestmark = pytest.mark.timeout(120)
CODES = "You are the coder"
UNITTEST = f"{PYTHON} -m unittest discover"
"""It starts in a moment; tests/e2e/test_coder.py has pytest found and run."""
PROMPT = f"{CODES}. You write code."


@pytest.fixture
def root(tmp_path: Path) -> Path:
    needs_shutting_in(tmp_path / "home")
    return made(tmp_path / "shop", {"test_sums.py": TEST, "sums.py": "# nothing yet\n"})


async def coder_over(model: Model, root: Path, tmp_path: Path, **more: object) -> Specialist:
    """Return the coder as its own service offers it; `model` is its own to use."""
    settings = Settings.model_validate(
        {"model": "offline:", "home": tmp_path / "home", "project": root, **more}
    )
    footing = await to_thread.run_sync(footing_of, settings)
    (skill,) = card_of(settings, footing).skills
    runner = Runner(footing.home, QUICK)
    coder = Coder(
        "coder", model, footing.project, runner, PROMPT, footing.home, suite=footing.suite
    )
    return skill, coder


def edits(text: str) -> WireReply:
    call = WireCall(name="write_file", arguments={"path": "sums.py", "text": text})
    return WireReply(calls=(call,), when=When(contains=CODES))


WRONG = "def add(a, b):\n    return a - b\n"
TESTED = WireReply(calls=(WireCall(name="run_tests"),), when=When(contains=CODES))


@pytest.mark.requirement("PROTO-4")
async def test_red_first_then_green_whatever_is_claimed(root: Path, tmp_path: Path) -> None:
    script = (
        edits(WRONG),
        says(CODES, "All tests passed! passed: true"),
        edits(RIGHT),
        TESTED,
        says(CODES, "Now it adds."),
        says(CHECKS, verdict("pass", "it adds")),
    )
    async with scripted(*script) as (model, requests):
        coder = await coder_over(model, root, tmp_path, test_command=UNITTEST)
        async with mesh(model, [coder]) as runs:
            run, result = await ended(runs, "generate_code", complexity="medium")

    passes = [body for body in spoken(requests, CODES) if "Write the code." in body]
    reviewed = spoken(requests, CHECKS)
    assert run.status == "completed", result
    assert (result.verdict and result.verdict.choice) == "pass"
    # Nobody reviews what no test passed.
    assert len(reviewed) == 1
    assert "+    return a + b" in reviewed[0]
    assert "-1 != 5" in passes[-1]
    assert "passed: 1 passed" in result.text
    assert [part.filename is not None for part in result.parts if part.media_type == DIFF] == [True]
    assert (root / "sums.py").read_text() == "# nothing yet\n"


@pytest.mark.requirement("PROTO-6")
async def test_four_passes_without_success_end_with_the_last_report(
    root: Path, tmp_path: Path
) -> None:
    script = [
        reply
        for number in range(4)
        for reply in (edits(WRONG + f"# try {number}\n"), says(CODES, "All tests passed!"))
    ]
    async with scripted(*script) as (model, requests):
        coder = await coder_over(model, root, tmp_path, test_command=UNITTEST)
        async with mesh(model, [coder]) as runs:
            run, result = await ended(runs, "generate_code", complexity="medium")

    assert (run.status, result.reasons[0].code) == ("failed", "loop_exhausted")
    assert len(requests) == len(script)
    assert "did not pass: 0 passed, 1 failures" in result.text
    assert "-1 != 5" in result.text
    assert "try 3" in result.text


@pytest.mark.requirement("PROTO-5")
async def test_where_nothing_tests_it_a_reviewer_decides_and_the_outcome_says_so(
    tmp_path: Path,
) -> None:
    needs_shutting_in(tmp_path / "home")
    bare = made(tmp_path / "bare", {"sums.py": "# nothing yet\n"})
    script = (edits(RIGHT), says(CODES, "It adds."), says(CHECKS, verdict("pass")))
    async with scripted(*script) as (model, _):
        coder = await coder_over(model, bare, tmp_path)
        async with mesh(model, [coder]) as runs:
            run, result = await ended(runs, "generate_code", complexity="medium")

    assert run.status == "completed"
    assert "tested: false" in [reason.message for reason in result.reasons]
    assert "No test was run: nothing in the project says how it is tested" in result.text


async def test_a_change_that_names_the_coder_is_carried_out_by_it(
    root: Path, tmp_path: Path
) -> None:
    script = (
        says("You plan work", "1. mend add"),
        edits(RIGHT),
        says(CODES, "It adds."),
        says(CHECKS, verdict("pass")),
    )
    async with scripted(*script) as (model, requests):
        coder = await coder_over(model, root, tmp_path, test_command=UNITTEST)
        async with mesh(model, [coder]) as runs:
            run, result = await ended(
                runs, "modify", complexity="medium", required_capabilities=["code.write"]
            )

    assert run.status == "completed", result
    assert "passed: 1 passed" in result.text
    assert "1. mend add" in spoken(requests, CODES)[0]


async def test_without_a_model_the_coder_says_what_it_would_need(
    root: Path, tmp_path: Path
) -> None:
    coder = await coder_over(get_model("offline:"), root, tmp_path, test_command=UNITTEST)
    async with mesh(get_model("offline:"), [coder]) as runs:
        run, result = await ended(runs, "generate_code", complexity="medium")

    assert (run.status, result.reasons[0].code) == ("failed", "no_applicable_tool")
    assert "set WEFT_MODEL" in result.reasons[0].message
    assert str(root) in result.reasons[0].message

"""What a person does at the terminal beside asking: look, answer, cancel, tidy up, talk."""

import io
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version

import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT
from tests.libs.cli.served import Shop, shop
from weft.cli import chat as chatting
from weft.cli.ask import Goal
from weft.cli.main import app

RUN_ID = re.compile(r"run ([0-9a-f]{32})")


@pytest.fixture(scope="module")
def front() -> Iterator[Shop]:
    with shop() as opened:
        yield opened


def asked(front: Shop, *words: str, key: str = "ana", code: int = 0) -> str:
    """Ask and return the run's id."""
    outcome = front.weft("ask", *words, key=key)
    assert outcome.exit_code == code, outcome.output
    found = RUN_ID.search(outcome.stderr)
    assert found is not None
    return found[1]


def test_the_version_is_the_distributions() -> None:
    outcome = CliRunner().invoke(app, ["--version"])

    assert (outcome.exit_code, outcome.stdout) == (0, f"weft {version('weft-mesh')}\n")


def test_a_question_needs_no_quotes(front: Shop) -> None:
    plain = front.weft("ask", "why", "is", "checkout", "slow?")
    quoted = front.weft("ask", "why is checkout slow?")

    assert plain.stdout == quoted.stdout == "echo: why is checkout slow?\n"


def test_runs_are_listed_with_what_was_asked_and_shown_one_by_one(front: Shop) -> None:
    mine = asked(front, "list", "me", key="bob")
    failed = asked(front, "fail", "please", key="bob", code=1)

    listed = front.weft("runs", "ls", key="bob").stdout.splitlines()
    failures = front.weft("runs", "ls", "--status", "failed", "--json", key="bob")
    shown = front.weft("runs", "show", mine, key="bob").stdout
    broken = front.weft("runs", "show", failed, key="bob").stdout

    assert [line.split()[:2] for line in listed] == [[failed, "failed"], [mine, "completed"]]
    assert listed[1].endswith("list me")
    assert [run["run_id"] for run in json.loads(failures.stdout)] == [failed]
    assert re.search(r"asked +list me", shown)
    assert shown.endswith("echo: list me\n")
    assert re.search(r"status +failed", broken)
    assert "the model is away" in broken
    assert front.weft("runs", "ls", "--limit", "1", key="bob").stdout.count("\n") == 1
    assert "no such runs" in front.weft("runs", "ls", "--thread", "none", key="bob").stdout
    assert "no such runs" in front.weft("runs", "ls", "--agent", "none", key="bob").stdout
    assert front.weft("runs", "show", mine).exit_code == 5
    wrong = front.weft("runs", "ls", "--status", "done")
    assert (wrong.exit_code, "status is one of" in wrong.stderr) == (5, True)


def test_a_run_is_drawn_and_traced(front: Shop) -> None:
    run_id = asked(front, "draw", "me", key="bob")

    tree = front.weft("runs", "tree", run_id, key="bob")
    chart = front.weft("runs", "tree", run_id, "--mermaid", key="bob")
    trace = front.weft("trace", run_id, key="bob")
    document = json.loads(front.weft("runs", "tree", run_id, "--json", key="bob").stdout)

    assert re.fullmatch(r"✔ run +\d+\.\d\d s.*\n", tree.stdout)
    assert chart.stdout.startswith("flowchart TD\n")
    assert "What the end of it waited for:" in trace.stdout
    assert (document["kind"], document["status"], document["children"]) == ("run", "completed", [])
    assert front.weft("runs", "tree", run_id, key="ana").exit_code == 5


def test_an_administrators_list_says_whose_runs_they_are(front: Shop) -> None:
    runs = [asked(front, "who", "am", "i", key=key) for key in ("ana", "bob")]

    listed = front.weft("runs", "ls", "--limit", "2", key="chief").stdout.splitlines()

    assert [(line.split()[0], line.split()[3]) for line in listed] == [
        (runs[1], "bob"),
        (runs[0], "ana"),
    ]


def test_a_long_list_is_fetched_page_by_page(front: Shop) -> None:
    client = front
    for number in range(3):
        asked(client, "page", str(number))

    all_of_them = json.loads(client.weft("runs", "ls", "--limit", "1000", "--json").stdout)

    assert len({run["run_id"] for run in all_of_them}) == len(all_of_them) >= 3


def test_a_run_is_cancelled_once(front: Shop) -> None:
    run_id = asked(front, "ask", code=3)

    stopped = front.weft("runs", "cancel", run_id, "--reason", "wrong service")
    again = front.weft("runs", "cancel", run_id)
    shown = front.weft("runs", "show", run_id)

    assert (stopped.exit_code, stopped.stdout.splitlines()[0]) == (0, "The run is canceled.")
    assert again.exit_code == 0
    assert re.search(r"status +canceled", shown.stdout)
    ended = asked(front, "hello")
    late = front.weft("runs", "cancel", ended)
    assert (late.exit_code, "already completed" in late.stderr) == (5, True)


def test_what_waits_is_listed_and_answered_by_another_who_may(front: Shop) -> None:
    run_id = asked(front, "ask", "approval", key="bob", code=3)

    own = front.weft("approve", run_id, key="bob")
    inbox = front.weft("approve")
    answer = front.weft("approve", run_id, "--comment", "go on")
    again = front.weft("approve", run_id)
    watched = front.weft("runs", "tail", run_id, key="bob")

    assert (own.exit_code, "you asked for it" in own.stderr) == (5, True)
    assert "shall I?" in inbox.stdout
    assert "in a run of bob" in inbox.stdout
    assert f"weft approve {run_id} --interrupt" in inbox.stdout
    assert (answer.exit_code, answer.stdout) == (0, "Answered; the run is another's and goes on.\n")
    assert again.exit_code == 5
    assert "'approved': True" in watched.stdout
    assert "go on" in watched.stdout
    assert "run interrupted" in watched.stderr
    assert "run resumed" in watched.stderr
    assert "Nothing waits" in front.weft("approve").stdout


def test_an_answer_without_its_run_says_what_is_missing(front: Shop) -> None:
    for arguments in (["--no"], ["--comment", "x"], ["--payload", "1"], ["--interrupt", "i"]):
        outcome = front.weft("approve", *arguments)

        assert (outcome.exit_code, "say which run" in outcome.stderr) == (2, True)


def test_threads_are_listed_read_and_erased(front: Shop) -> None:
    for words in ("first", "second"):
        assert front.weft("ask", words, "--thread", "incident 7-é").exit_code == 0

    listed = front.weft("threads", "ls").stdout
    said = front.weft("threads", "show", "incident 7-é").stdout
    gone = front.weft("threads", "rm", "incident 7-é")
    again = front.weft("threads", "rm", "incident 7-é")
    absent = front.weft("threads", "show", "incident 7-é")

    assert re.search(r"^incident 7-é +idle", listed, re.MULTILINE)
    assert "you> first\nweft> echo: first\nyou> second\nweft> echo: second\n" in said
    assert (gone.exit_code, gone.stdout) == (0, "The thread is erased.\n")
    assert again.stdout == "There was nothing of this thread.\n"
    assert (absent.exit_code, "no such thread" in absent.stderr) == (5, True)
    assert "incident" not in front.weft("threads", "ls").stdout


def test_a_thread_with_a_run_under_way_is_erased_only_with_it(front: Shop) -> None:
    assert front.weft("ask", "ask", "--thread", "busy").exit_code == 3

    refused = front.weft("threads", "rm", "busy")
    erased = front.weft("threads", "rm", "busy", "--cancel", "--json")

    assert (refused.exit_code, "in use by run" in refused.stderr) == (5, True)
    assert json.loads(erased.stdout)["deleted"] is True


def test_a_chat_is_one_thread_and_every_line_of_a_pipe_a_question(front: Shop) -> None:
    talk = front.weft("chat", said="hello\n\nfail now\nthanks\n")

    found = re.search(r"^thread (\S+)$", talk.stderr, re.MULTILINE)
    assert found is not None
    assert talk.stdout.startswith("echo: hello\n\n")
    assert "echo: thanks\n" in talk.stdout
    assert talk.exit_code == 1
    more = front.weft("chat", "--thread", found[1], said="and now?\n")
    assert more.exit_code == 0
    said = front.weft("threads", "show", found[1]).stdout
    assert next(line for line in said.splitlines() if line.startswith("you>")) == "you> hello"
    assert "you> and now?" in said


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_chat_at_a_prompt_ends_with_ctrl_d(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = iter(["hello", "  ", "fails"])

    def typed(prompt: str) -> str:
        assert prompt == "you> "
        try:
            return next(lines)
        except StopIteration:
            raise EOFError from None

    goals: list[Goal] = []

    def ask(goal: Goal) -> int:
        goals.append(goal)
        return 1 if goal.text == "fails" else 0

    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr("builtins.input", typed)

    code = chatting.chat(ask, thread_id=None, data=None, command="weft --home here")

    assert code == 0
    assert [goal.text for goal in goals] == ["hello", "fails"]
    assert len({goal.thread_id for goal in goals}) == 1
    assert f"weft --home here chat --thread {goals[0].thread_id}" in capsys.readouterr().err


@pytest.mark.timeout(60)
def test_asking_needs_nothing_that_serving_does() -> None:
    absent = (
        "import sys; sys.modules.update(dict.fromkeys(('pydantic_settings', 'fastapi', 'uvicorn')))"
    )

    done = subprocess.run(
        [sys.executable, "-c", f"{absent}; import weft.cli.main"],
        capture_output=True, text=True, timeout=60, check=False, cwd=ROOT,
    )  # fmt: skip

    assert done.stderr == ""


@pytest.mark.requirement("RT-34")
def test_who_asked_rates_what_came_of_it(front: Shop) -> None:
    run_id = asked(front, "count", "it")

    bad = front.weft("rate", run_id, "bad")
    good = json.loads(front.weft("rate", run_id, "good", "--json").stdout)
    other = front.weft("rate", run_id, "bad", key="bob")
    unkept = front.weft("rate", asked(front, "hello"), "bad")
    odd = front.weft("rate", run_id, "fair")

    assert (bad.exit_code, bad.stdout) == (0, "Rated bad.\n")
    assert good == {"run_id": run_id, "rating": "good"}
    assert (other.exit_code, "no such run" in other.stderr) == (5, True)
    assert (unkept.exit_code, "ROUTER_LEARNING=true" in unkept.stderr) == (5, True)
    assert odd.exit_code == 2


def test_one_agent_may_be_asked_by_its_name(front: Shop) -> None:
    run_id = asked(front, "hello", "--agent", "till", key="eve")
    listed = front.weft("runs", "ls", "--agent", "till", key="eve").stdout
    others = front.weft("runs", "ls", "--agent", "clerk", key="eve").stdout

    assert run_id in listed
    assert run_id not in others

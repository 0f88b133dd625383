"""What a person sees of a run: its id, what it waits for, and all of it when it went on."""

import pytest
from aiohttp import web

from tests.libs.cli.front import Front, client_of, frame, listening
from tests.libs.cli.told import RUN, told
from weft.cli.approve import Said, approve
from weft.cli.ask import Goal, ask, print_answer, tail
from weft.cli.client import UnreachableError
from weft.core import JsonObject
from weft.core.errors import ConfigError

RESUMED = told(
    ("run.accepted", (), {}),
    ("plan.step.started", ("a",), {"peer": "one"}),
    ("run.interrupted", (), {}),
    ("run.resumed", (), {}),
    ("plan.step.started", ("b",), {"peer": "two"}),
    ("run.completed", (), {}),
)
QUESTION: JsonObject = {"id": "i" * 32, "reason": "approval", "message": "shall I?"}
DONE: JsonObject = {"run_id": RUN, "thread_id": "t", "status": "completed", "success": True}


async def replay(_: Front, answer: web.StreamResponse, after: int) -> None:
    """Tell all that there is, and end early as a server that restarts would."""
    for event in RESUMED[after : after + 4]:
        await answer.write(frame(event))


async def test_a_run_that_was_resumed_is_told_to_its_end(
    capsys: pytest.CaptureFixture[str],
) -> None:
    front = Front(stream=replay, run={**DONE})
    async with listening(front), client_of(front) as client:
        answer = await tail(client, RUN, title="x")

    said = capsys.readouterr().err
    assert answer.exit_code == 0
    assert "a: started by one" in said
    assert "b: started by two" in said


async def test_a_run_that_goes_on_is_followed_through_its_old_question() -> None:
    front = Front(stream=replay, run={**DONE, "status": "running", "success": None})
    async with listening(front), client_of(front) as client:
        answer = await tail(client, RUN, title="x", quiet=True)

    assert (answer.status, answer.success) == ("running", False)
    assert front.cursors == [0, 4]


async def test_asking_names_the_run_and_what_it_waits_for(
    capsys: pytest.CaptureFixture[str],
) -> None:
    waiting: JsonObject = {**DONE, "status": "interrupted", "success": False,
                           "interrupts": [QUESTION]}  # fmt: skip
    front = Front(stream=replay, run=waiting)
    async with listening(front), client_of(front) as client:
        answer = await ask(client, Goal("restart it"))
    print_answer(answer, as_json=False)

    said = capsys.readouterr()
    assert f"run {RUN}" in said.err
    assert f"weft approve {RUN} --interrupt {'i' * 32}" in said.out
    assert answer.exit_code == 3


async def test_a_server_that_accepts_without_an_id_is_no_gateway() -> None:
    front = Front(run={"hello": "world"})
    async with listening(front), client_of(front) as client:
        with pytest.raises(UnreachableError, match="no gateway of a mesh"):
            await ask(client, Goal("x"), quiet=True)


@pytest.mark.parametrize(
    ("said", "payload"),
    [
        (Said(), {"approved": True}),
        (Said(refuse=True), {"approved": False}),
        (Said(comment="go"), {"approved": True, "comment": "go"}),
        (Said(refuse=True, comment="later"), {"approved": False, "comment": "later"}),
        (
            Said(payload='{"approved": false, "comment": "no"}'),
            {"approved": False, "comment": "no"},
        ),
    ],
)
async def test_an_answer_is_sent_and_the_run_watched(said: Said, payload: JsonObject) -> None:
    front = Front(stream=replay, run={**DONE, "interrupts": [QUESTION]})
    async with listening(front), client_of(front) as client:
        answer = await approve(client, run_id=RUN, interrupt=None, said=said)

    assert front.resumed == [
        {"responses": [{"interrupt_id": "i" * 32, "payload": payload}], "partial": True}
    ]
    assert answer is not None
    assert answer.exit_code == 0


@pytest.mark.parametrize(
    ("questions", "interrupt", "said", "words"),
    [
        ([], None, Said(), "no open question"),
        ([QUESTION], "other", Said(), "no open question other"),
        ([QUESTION, {**QUESTION, "id": "j"}], None, Said(), "--interrupt"),
        ([{**QUESTION, "reason": "question"}], None, Said(), "--payload"),
        ([QUESTION], None, Said(payload="yes"), "takes JSON"),
        ([QUESTION], None, Said(payload="true", comment="x"), "--payload is the whole answer"),
    ],
)
async def test_an_answer_that_cannot_be_given_says_why(
    questions: list[JsonObject], interrupt: str | None, said: Said, words: str
) -> None:
    front = Front(run={**DONE, "interrupts": [*questions]})
    async with listening(front), client_of(front) as client:
        with pytest.raises(ConfigError, match=words):
            await approve(client, run_id=RUN, interrupt=interrupt, said=said)

    assert front.resumed == []

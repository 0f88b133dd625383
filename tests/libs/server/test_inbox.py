"""The questions of a tenant: who sees them, who may answer, and that nothing else is shown."""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing

import httpx
import pytest

from tests.libs.server.door import STORES, House, Names, Script, finished, gate_of
from weft.bus import MemoryBus
from weft.checkpoint import Checkpointer, Claimed, memory_checkpointer
from weft.core import ALL_SCOPES, Interrupt, JsonObject, JsonValue, Principal, Result
from weft.core.errors import UnauthenticatedError
from weft.runs import MESH_RUN, Journal, RunOutcome, Runs, Worker
from weft.server import ApiOptions, api
from weft.testing import ScriptedFaults

PLAIN = frozenset({"runs:read", "runs:write"})
PEOPLE = {
    "ann": Principal(tenant="acme", subject="ann", scopes=PLAIN),
    "chief": Principal(tenant="acme", subject="chief", scopes=PLAIN | {"approve"}),
    "payer": Principal(tenant="acme", subject="payer", scopes=PLAIN | {"pay"}),
    "mate": Principal(tenant="acme", subject="mate", scopes=PLAIN),
    "rival": Principal(tenant="other", subject="chief", scopes=ALL_SCOPES),
}
ASKED: dict[str, Interrupt] = {
    "approval": Interrupt(
        id="a" * 32,
        reason="approval",
        message="restart payment?",
        path=("fix",),
        agent="shop",
        options=("approve", "refuse"),
        metadata={"reasons": ["risk is high"]},
    ),
    "pay": Interrupt(id="b" * 32, reason="approval", message="pay?", approver_scope="pay"),
    "question": Interrupt(id="c" * 32, reason="question", message="which one?"),
}


class Crew(Names):
    async def authenticate(self, credential: str) -> Principal:
        if credential not in PEOPLE:
            raise UnauthenticatedError("nobody")
        return PEOPLE[credential]


async def asks(claimed: Claimed, journal: Journal) -> RunOutcome:
    """Ask for each word of the input that names a question, once."""
    open_ = [
        question
        for word in str(claimed.run.request["input"]).split()
        if (question := ASKED.get(word)) and ("interrupt", question.id) not in journal.steps
    ]
    if open_:
        return RunOutcome(Result(status="interrupted", interrupts=tuple(open_)))
    return RunOutcome(Result(status="completed", text="secret words"))


@pytest.fixture
async def house(checkpointer: Checkpointer) -> AsyncIterator[House]:
    runs = Runs(checkpointer, MemoryBus(), pool="test")
    worker = Worker(runs, asks, name="w1", operations=(MESH_RUN,))
    gate = gate_of(runs)
    async with AsyncExitStack() as stack, worker.working(), gate.watching():
        yield House(runs, api(runs, Crew(), gate, options=ApiOptions()), Script(), stack)


async def waits(client: httpx.AsyncClient, words: str) -> str:
    run = (await client.post("/invoke", json={"prompt": words, "thread_id": "private"})).json()
    assert run["status"] == "interrupted", run
    return str(run["run_id"])


def say(*answers: tuple[str, JsonValue]) -> JsonObject:
    responses: list[JsonValue] = [
        {"interrupt_id": ASKED[name].id, "payload": said} for name, said in answers
    ]
    return {"responses": responses}


def messages(answer: httpx.Response) -> Sequence[str]:
    return [question["message"] for question in answer.json()["data"]]


@STORES
@pytest.mark.requirement("GW-43", "AUTH-7")
async def test_an_approver_sees_the_tenants_open_questions_and_nothing_else_of_the_run(
    house: House,
) -> None:
    ann, chief, rival = [await house.client(who) for who in ("ann", "chief", "rival")]
    run_id = await waits(ann, "approval")

    inbox = await chief.get("/v1/interrupts")

    (question,) = inbox.json()["data"]
    assert inbox.json()["has_more"] is False
    assert question["message"] == "restart payment?"
    assert (question["agent"], question["path"], question["asked_by"]) == ("shop", ["fix"], "ann")
    assert question["options"] == ["approve", "refuse"]
    assert question["metadata"] == {"reasons": ["risk is high"]}
    assert question["expires_at"]
    assert (question["run_id"], question["thread_id"]) == (run_id, None)
    assert messages(await chief.get(f"/v1/runs/{run_id}/interrupts")) == ["restart payment?"]
    for path in ("", "/events", "/stream"):
        assert (await chief.get(f"/v1/runs/{run_id}{path}")).status_code == 404
    assert (await chief.post(f"/v1/runs/{run_id}/cancel")).status_code == 404
    assert (await chief.get("/v1/threads/private")).status_code in {403, 404}
    assert messages(await rival.get("/v1/interrupts")) == []
    assert (await rival.get(f"/v1/runs/{run_id}/interrupts")).status_code == 404


@STORES
@pytest.mark.requirement("GW-43", "GW-34")
async def test_each_sees_what_it_may_answer(house: House) -> None:
    ann, chief, payer, mate = [await house.client(who) for who in ("ann", "chief", "payer", "mate")]
    run_id = await waits(ann, "approval pay question")

    seen = {
        "ann": messages(await ann.get("/v1/interrupts")),
        "chief": messages(await chief.get("/v1/interrupts")),
        "payer": messages(await payer.get("/v1/interrupts")),
        "mate": messages(await mate.get("/v1/interrupts")),
    }

    assert seen == {
        # Who asks for an action does not allow it.
        "ann": ["which one?"],
        "chief": ["restart payment?", "which one?"],
        "payer": ["pay?"],
        "mate": [],
    }
    assert len(messages(await ann.get(f"/v1/runs/{run_id}/interrupts"))) == 3
    assert (await mate.get(f"/v1/runs/{run_id}/interrupts")).status_code == 404


@STORES
@pytest.mark.requirement("GW-43", "GW-34")
async def test_an_approver_answers_by_the_runs_id_once(house: House) -> None:
    ann, chief, mate, rival = [await house.client(who) for who in ("ann", "chief", "mate", "rival")]
    run_id = await waits(ann, "approval")
    place, yes = f"/v1/runs/{run_id}/resume", say(("approval", {"approved": True}))
    own = await ann.post(place, json=yes)
    strangers = [await client.post(place, json=yes) for client in (mate, rival)]
    guessed = {"responses": [{"interrupt_id": "f" * 32, "payload": {"approved": True}}]}
    wrong = await chief.post(place, json=guessed)
    misfit = await chief.post(place, json=say(("approval", {"approved": "maybe"})))

    said = await chief.post(place, json=yes, headers={"prefer": "wait=5"})
    again = await chief.post(place, json=yes)
    other = await chief.post(place, json=say(("approval", {"approved": False})))
    late = await mate.post(place, json=yes)

    assert (own.status_code, own.json()["code"]) == (403, "approval_not_allowed")
    assert [answer.status_code for answer in strangers] == [404, 404]
    assert wrong.status_code == 404
    assert (misfit.status_code, misfit.json()["code"]) == (422, "invalid_response")
    assert said.status_code == 202
    assert set(said.json()) == {"run_id", "status", "interrupts"}
    assert again.status_code == 202
    assert (other.status_code, other.json()["code"]) == (409, "interrupt_already_resolved")
    assert other.json()["resolved_by"] == "chief"
    assert late.status_code == 404
    assert (await finished(ann, run_id))["status"] == "completed"
    events = (await ann.get(f"/v1/runs/{run_id}/events")).json()["data"]
    (resolved,) = [event for event in events if event["type"] == "interrupt.resolved"]
    assert resolved["data"]["resolved_by"] == "chief"
    for answer in (said, again, *strangers):
        assert "secret" not in answer.text


@STORES
@pytest.mark.requirement("GW-43", "GW-29")
async def test_an_approver_owes_what_it_may_answer_and_no_more(house: House) -> None:
    ann, chief, payer = [await house.client(who) for who in ("ann", "chief", "payer")]
    run_id = await waits(ann, "approval pay question")
    place = f"/v1/runs/{run_id}/resume"

    half = await chief.post(place, json=say(("approval", {"approved": True})))
    both = say(("approval", {"approved": True}), ("question", "the left one"))
    whole = await chief.post(place, json=both)
    beyond = await payer.post(place, json=say(("pay", {"approved": True}), ("question", "no")))
    paid = await payer.post(place, json=say(("pay", {"approved": True})))

    assert (half.status_code, half.json()["code"]) == (422, "interrupts_incomplete")
    assert (whole.status_code, whole.json()["status"]) == (202, "interrupted")
    assert whole.json()["interrupts"] == []
    assert beyond.status_code == 404
    assert (paid.status_code, paid.json()["status"]) == (202, "queued")
    assert (await finished(ann, run_id))["status"] == "completed"


@pytest.mark.requirement("GW-32")
@pytest.mark.parametrize("slots", [0, 8])
async def test_a_question_that_nobody_answered_in_time_ends_its_run(slots: int) -> None:
    """With no slot nobody ends the run before the answer comes; with some the answer comes after."""
    faults = ScriptedFaults()
    async with aclosing(memory_checkpointer(faults=faults)) as store:
        runs = Runs(store, MemoryBus(), pool="test")
        gate = gate_of(runs)
        worker = Worker(runs, asks, name="w1", operations=(MESH_RUN,), slots=8)
        async with AsyncExitStack() as stack, gate.watching():
            house = House(runs, api(runs, Crew(), gate, options=ApiOptions()), Script(), stack)
            ann = await house.client("ann")
            async with worker.working():
                run_id = await waits(ann, "question")
            faults.ahead_s = 86_401.0
            if slots:
                late = Worker(runs, asks, name="w2", operations=(MESH_RUN,), slots=slots)
                async with late.working():
                    ended = await finished(ann, run_id)
                    while ended["status"] == "interrupted":
                        ended = await finished(ann, run_id)
                    assert ended["status"] == "expired"
            answer = say(("question", "the left one"))
            said = await ann.post(f"/v1/runs/{run_id}/resume", json=answer)
            over = (await ann.post("/v1/runs", json={"input": "hello"})).json()
            wrong = await ann.post(f"/v1/runs/{over['run_id']}/resume", json=answer)

    assert (said.status_code, said.json()["code"]) == (410, "interrupt_expired")
    assert (wrong.status_code, wrong.json()["code"]) == (409, "run_not_interrupted")

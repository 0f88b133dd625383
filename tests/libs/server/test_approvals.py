"""Approvals at the front door: whose they are, how often and how long they count, and what rests meanwhile."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import anyio
import httpx
import pytest

from tests.libs.server.door import House, Script, finished, gate_of
from tests.libs.server.test_inbox import ASKED, Crew, say, waits
from weft.bus import MemoryBus
from weft.checkpoint import Claimed, memory_checkpointer
from weft.core import Interrupt, Result
from weft.runs import MESH_RUN, Journal, RunOutcome, Runs, Worker
from weft.server import ApiOptions, api
from weft.testing import ScriptedFaults

YES, NO = say(("approval", {"approved": True})), say(("approval", {"approved": False}))
QUESTION: Interrupt = ASKED["approval"]


class Acting:
    """Asks for an approval, and acts on it once."""

    def __init__(self) -> None:
        self.acted: list[object] = []
        self.left: list[float] = []
        """How many seconds the run had, each time it was gone on with."""

    async def __call__(self, claimed: Claimed, journal: Journal) -> RunOutcome:
        self.left.append(claimed.run.remaining_s or 0.0)
        answer = journal.steps.get(("interrupt", QUESTION.id))
        if answer is None:
            return RunOutcome(Result(status="interrupted", interrupts=(QUESTION,)))
        self.acted.append(answer["answer"])
        return RunOutcome(Result(status="completed", text="done"))


@asynccontextmanager
async def acting(faults: ScriptedFaults) -> AsyncIterator[tuple[House, Acting]]:
    does = Acting()
    async with aclosing(memory_checkpointer(faults=faults)) as store:
        runs = Runs(store, MemoryBus(), pool="test")
        gate = gate_of(runs)
        worker = Worker(runs, does, name="w1", operations=(MESH_RUN,))
        async with AsyncExitStack() as stack, gate.watching(), worker.working():
            yield House(runs, api(runs, Crew(), gate, options=ApiOptions()), Script(), stack), does


def code(answer: httpx.Response) -> tuple[int, object]:
    return answer.status_code, answer.json().get("code")


@pytest.mark.requirement("SEC-112", "SEC-32", "REL-7", "GW-31")
async def test_an_approval_counts_once_from_somebody_else_and_while_it_is_open() -> None:
    faults = ScriptedFaults()
    async with acting(faults) as (house, does):
        ann, chief, rival = [await house.client(who) for who in ("ann", "chief", "rival")]
        run_id = await waits(ann, "approval")
        place = f"/v1/runs/{run_id}/resume"
        own, foreign = await ann.post(place, json=YES), await rival.post(place, json=YES)
        first = await chief.post(place, json=YES)
        assert (await finished(ann, run_id))["status"] == "completed"
        again, other = await chief.post(place, json=YES), await chief.post(place, json=NO)
        late_id = await waits(ann, "approval")
        faults.ahead_s = QUESTION.expires_in + 1
        late = await chief.post(f"/v1/runs/{late_id}/resume", json=YES)

    assert code(own) == (403, "approval_not_allowed")
    assert code(foreign) == (404, "not_found")
    assert (first.status_code, again.status_code) == (202, 202)
    assert code(other) == (409, "interrupt_already_resolved")
    assert (other.json()["resolved_by"], bool(other.json()["resolved_at"])) == ("chief", True)
    assert code(late) == (410, "interrupt_expired")
    assert does.acted == [{"approved": True}]


@pytest.mark.requirement("RS-17")
async def test_of_fifty_racing_uses_of_an_approval_one_counts() -> None:
    async with acting(ScriptedFaults()) as (house, does):
        ann, chief = [await house.client(who) for who in ("ann", "chief")]
        run_id = await waits(ann, "approval")
        answers: list[httpx.Response] = []

        async def use(number: int) -> None:
            body = YES if number % 2 else NO
            answers.append(await chief.post(f"/v1/runs/{run_id}/resume", json=body))

        with anyio.fail_after(15):
            async with anyio.create_task_group() as group:
                for number in range(50):
                    group.start_soon(use, number)
            ended = await finished(ann, run_id)

    assert ended["status"] == "completed"
    assert len(does.acted) == 1
    assert sorted({answer.status_code for answer in answers}) == [202, 409]
    assert sum(answer.status_code == 202 for answer in answers) == 25


@pytest.mark.requirement("GW-16")
async def test_the_time_of_a_run_rests_while_a_person_is_asked() -> None:
    faults = ScriptedFaults()
    async with acting(faults) as (house, does):
        ann, chief = [await house.client(who) for who in ("ann", "chief")]
        accepted = await ann.post("/v1/runs", json={"input": "approval", "timeout_s": 60})
        run_id = accepted.json()["run_id"]
        asked = await ann.get(f"/v1/runs/{run_id}", headers={"prefer": "wait=5"})
        faults.ahead_s = 3600.0
        said = await chief.post(f"/v1/runs/{run_id}/resume", json=YES)
        ended = await finished(ann, run_id)

    assert asked.json()["status"] == "interrupted"
    assert (said.status_code, ended["status"]) == (202, "completed")
    first, second = does.left
    # An hour later it goes on with what it had left when it asked.
    assert 0 < second <= first <= 60

"""A durable run that walks a plan over agents: what its log and its report say of their effects."""

import asyncio
from collections.abc import Awaitable, Callable

import anyio
import pytest

from tests.libs.plan.doubles import FakePeer, FakeRun, Peers, done
from weft.bus import MemoryBus
from weft.checkpoint import Claimed, NewRun, memory_checkpointer
from weft.core import LOCAL, Authority, JsonObject, JsonValue, Result, new_id, new_run_id
from weft.events import Acceptance, Envelope, RunAccepted
from weft.loop import Agent, Task
from weft.models import Model
from weft.plan import Call, Interpreter, Node, Plan, Sequence
from weft.runs import MESH_RUN, Journal, RunOutcome, Runs, Worker
from weft.testing.models import ScriptedModel, call
from weft.tools import tool

Began = Callable[[], Awaitable[object]]


class Lost(FakeRun):
    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        self.canceled = f"{reason}, {grace_s} s"
        return {"outcome": "unknown", "taskId": "t7"}


class LostPeer(FakePeer):
    """Is asked, and cannot be reached afterwards."""

    def start(self, task: Task) -> FakeRun:
        run = Lost(task, self.answers[0])
        self.runs.append(run)
        return run


@tool(idempotent=True, passes_key=True)
async def pay(amount: int) -> str:
    """Pay."""
    return f"paid {amount}"


def payer(model: Model, *more: object) -> Agent:
    return Agent(model, [pay, *more], name="payer")  # type: ignore[list-item]


def in_turn(*names: str) -> Plan:
    steps: tuple[Node, ...] = tuple(Call(id=name, capability=name) for name in names)
    return Plan(id="p", goal="g", root=Sequence(id="s", steps=steps))


async def log_of(peers: Peers, plan: Plan, *, cancel_after: Began | None = None) -> list[Envelope]:
    """Return the log of a run of `plan`, cancelled once `cancel_after` returned."""

    async def execute(_: Claimed, journal: Journal) -> RunOutcome:
        interpreter = Interpreter(peers, journal)
        try:
            outcome = await interpreter.run(plan)
        finally:
            journal.report = interpreter.report
        return RunOutcome(outcome.result, outcome.unrecorded, report=interpreter.report)

    checkpointer = memory_checkpointer()
    runs = Runs(checkpointer, MemoryBus(), pool="router")
    new = NewRun(
        run_id=new_run_id(),
        authority=Authority(LOCAL),
        operation="run",
        idem_key=new_id(),
        body_hash="0" * 64,
        thread_id=new_id(),
        request={},
        accepted=RunAccepted(data=Acceptance(subject=LOCAL.subject)),
    )
    with anyio.fail_after(5):
        async with Worker(runs, execute, operations=(MESH_RUN,), name="w").working():
            accepted = await runs.submit(new, on_busy="reject", own=True)
            if cancel_after is not None:
                await cancel_after()
                await runs.cancel(
                    LOCAL, accepted.run.run_id, reason="enough", grace_s=0.5, wait_s=4
                )
            return [event async for event in runs.follow(LOCAL, accepted.run.run_id)]


def report_in(log: list[Envelope]) -> JsonObject:
    assert log[-1].type == "run.canceled"
    report = log[-1].data["report"]
    assert isinstance(report, dict)
    return report


@pytest.mark.requirement("EV-13")
async def test_effects_of_an_agent_are_told_with_its_name_under_its_step() -> None:
    agent = payer(ScriptedModel([call("pay", amount=1), "paid"]))
    peers = Peers()
    peers.by_name = {"work": agent}  # type: ignore[dict-item]

    log = await log_of(peers, in_turn("work"))

    told = [(it.type, it.agent, it.path) for it in log if it.type.startswith("agent.effect.")]
    assert told == [
        ("agent.effect.intended", "payer", ("s", "work")),
        ("agent.effect.settled", "payer", ("s", "work")),
    ]


@pytest.mark.requirement("REL-9")
async def test_the_report_says_what_became_of_each_call_and_effect() -> None:
    began = asyncio.Event()

    @tool
    async def hang() -> None:
        """Hang."""
        began.set()
        await anyio.sleep_forever()

    agent = payer(ScriptedModel([call("pay", amount=1), call("hang")]), hang)
    peers = Peers(first=done(), last=done())
    peers.by_name["work"] = agent  # type: ignore[assignment]

    report = report_in(
        await log_of(peers, in_turn("first", "work", "last"), cancel_after=began.wait)
    )

    assert report["peers"] == [
        {"path": ["s", "first"], "agent": "first", "task_id": None, "outcome": "done"},
        {"path": ["s", "work"], "agent": "payer", "task_id": None, "outcome": "canceled"},
        {"path": ["s", "last"], "agent": None, "task_id": None, "outcome": "not_started"},
    ]
    effects = report["effects"]
    assert isinstance(effects, list)
    paid, hung = effects
    assert isinstance(paid, dict)
    assert isinstance(hung, dict)
    assert (paid["tool"], paid["path"], paid["outcome"]) == ("pay", ["s", "work"], "done")
    assert (hung["tool"], hung["path"], hung["outcome"]) == ("hang", ["s", "work"], "canceled")


@pytest.mark.requirement("REL-9", "GW-24")
async def test_the_work_of_a_peer_that_cannot_be_reached_is_unknown() -> None:
    began = asyncio.Event()

    async def forever(_: Task) -> Result:
        began.set()
        await anyio.sleep_forever()
        return done()

    peers = Peers(away=LostPeer("away", [forever]))

    report = report_in(await log_of(peers, in_turn("away"), cancel_after=began.wait))

    assert report["peers"] == [
        {"path": ["s", "away"], "agent": "away", "task_id": "t7", "outcome": "unknown"}
    ]
    assert peers["away"].runs[0].canceled == "enough, 0.5 s"

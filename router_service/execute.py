"""Carries a routed run out: its plan is written down first, then walked over the mesh."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pydantic import Field

from router_service.peers import MeshPeers
from weft.catalog import Snapshot
from weft.checkpoint import Checkpointer, Claimed, Journal, Run, Thread, ThreadKey, Turn
from weft.core import (
    Budget,
    Deadline,
    JsonObject,
    Message,
    Path,
    Principal,
    Record,
    Result,
    StrictRecord,
)
from weft.events import Event
from weft.plan import Interpreter, Mandate, Plan
from weft.runs import Execute, Outcome

PLAN_STEP: Path = ()
"""The plan is the run's first recorded step: a second owner adopts it like any other."""
HISTORY = 40
"""Messages of the thread that a plan may hand on."""


class Asked(Record):
    """A run's request, as the gateway stored it."""

    input: str = ""
    agent: str | None = None
    goal: JsonObject | None = None
    protocol: str | None = None
    metadata: JsonObject = Field(default_factory=dict)
    budget: Budget = Field(default_factory=Budget)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A plan with the events that say how it came about."""

    plan: Plan
    protocol: str
    events: Sequence[Event] = ()


class Compile(Protocol):
    """Turns a request into a plan: a pure function of its arguments."""

    def __call__(self, asked: Asked, principal: Principal, known: Snapshot) -> Compiled: ...


class StoredPlan(StrictRecord):
    """The outcome of the plan's step."""

    protocol: str
    plan: JsonObject


def execute_run(checkpointer: Checkpointer, peers: MeshPeers, compile_run: Compile) -> Execute:
    """Return what the router's worker calls with each claimed run."""

    async def execute(claimed: Claimed, journal: Journal) -> Outcome:
        run = claimed.run
        asked = Asked.model_validate(run.request)
        known = await peers.refresh()
        key = ThreadKey(run.tenant, run.subject, run.thread_id)
        thread = await checkpointer.threads.load(key)
        plan = await _plan(asked, run, known, journal, compile_run)
        interpreter = Interpreter(peers, journal)
        try:
            outcome = await interpreter.run(plan, _mandate(run, asked, thread))
        finally:
            journal.report = _report(interpreter.report)
        return Outcome(
            result=outcome.result,
            steps=outcome.unrecorded,
            turn=_turn(key, asked, outcome.result, thread),
            report=_report(outcome.report or {}),
        )

    return execute


async def _plan(
    asked: Asked, run: Run, known: Snapshot, journal: Journal, compile_run: Compile
) -> Plan:
    stored = journal.steps.get(PLAN_STEP)
    if stored is None:
        compiled = compile_run(asked, _principal(run), known)
        made = StoredPlan(protocol=compiled.protocol, plan=compiled.plan.to_json())
        stored = await journal.record(PLAN_STEP, made.to_json(), compiled.events)
        if stored == made.to_json():
            return compiled.plan
    return Plan.from_json(StoredPlan.model_validate(stored).plan)


def _mandate(run: Run, asked: Asked, thread: Thread | None) -> Mandate:
    return Mandate(
        principal=_principal(run),
        deadline=None if run.remaining_s is None else Deadline.after(run.remaining_s),
        budget=asked.budget,
        metadata=asked.metadata,
        history=_history(thread),
    )


def _principal(run: Run) -> Principal:
    return Principal(tenant=run.tenant, subject=run.subject, scopes=run.scopes)


def _history(thread: Thread | None) -> tuple[Message, ...]:
    entries = thread.entries[-HISTORY:] if thread is not None else ()
    return tuple(Message.model_validate_json(entry) for entry in entries)


def _turn(key: ThreadKey, asked: Asked, result: Result, thread: Thread | None) -> Turn | None:
    if not result.ok:
        return None
    said = (Message.user(asked.input), Message.assistant(result.text))
    entries = tuple(message.model_dump_json(exclude_defaults=True).encode() for message in said)
    return Turn(key, entries, expected=thread.version if thread is not None else 0)


def _report(report: JsonObject) -> JsonObject:
    return {"peers": report.get("calls", [])}

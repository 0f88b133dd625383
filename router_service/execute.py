"""Carries a routed run out: its plan is written down first, then walked over the mesh."""

import asyncio
from dataclasses import dataclass, field
from functools import partial

from router_service.choosing import NOBODY, Advisers, Choosing
from router_service.outcomes import PlannedPart, entries_of, planned_parts
from router_service.peers import MeshPeers
from router_service.routes import Chosen, Routes
from router_service.waiting import choose_patiently
from weft.a2a.client import contexts_in, kept_contexts
from weft.checkpoint import (
    Checkpointer,
    Claimed,
    Prepare,
    Run,
    StepWrite,
    Thread,
)
from weft.core import NO_USAGE, JsonObject, Message, Result, StrictRecord, Usage
from weft.core.errors import WeftError
from weft.core.messages import PEER_CONTEXTS
from weft.language import asked_before, points_back
from weft.loop import MODELS_AWAY
from weft.plan import CallOutcomes, Interpreter, Plan
from weft.report import read_or_failed
from weft.routing import ModelReading
from weft.runs import (
    PLAN_STEP,
    Execute,
    Journal,
    RoutedRequest,
    RunOutcome,
    history_of,
    thread_of,
    turn_of,
)


class StoredPlan(StrictRecord):
    """The outcome of the plan's step."""

    protocol: str | None
    plan: JsonObject
    spent: Usage = NO_USAGE
    """On reading the request."""
    parts: tuple[PlannedPart, ...] = ()
    """What its outcome is kept for, where outcomes are kept."""


class PlanStep(JsonObject):
    """A `StoredPlan` in JSON, with what it says: who made both need not read it again."""

    planned: "Planned"

    @classmethod
    def of(cls, chosen: Chosen, planned: "Planned") -> "PlanStep":
        step = cls(protocol=chosen.protocol, plan=chosen.plan_json)
        if planned.spent != NO_USAGE:
            step["spent"] = planned.spent.to_json()
        if planned.parts:
            step["parts"] = [part.to_json() for part in planned.parts]
        step.planned = planned
        return step


@dataclass(frozen=True, slots=True)
class Planned:
    """What a run will do, and what it took to say so."""

    plan: Plan
    spent: Usage = NO_USAGE
    away: JsonObject = field(default_factory=dict)
    """Why models were silent on the way, by name."""
    parts: tuple[PlannedPart, ...] = ()


class NotPlannedError(Exception):
    """No plan can be made of a request; reading it may have cost something all the same."""

    def __init__(self, error: WeftError, spent: Usage) -> None:
        super().__init__(str(error))
        self.error = error
        self._spent = spent

    def result(self) -> Result:
        error = self.error
        failed = Result.failed(error.code, str(error), retryable=error.retryable)
        return failed.spent_before(self._spent)


def execute_run(
    checkpointer: Checkpointer, peers: MeshPeers, routes: Routes, advisers: Advisers = NOBODY
) -> Execute:
    """Return what the router's worker calls with each claimed run."""

    async def execute(claimed: Claimed, journal: Journal) -> RunOutcome:
        run = claimed.run
        request = RoutedRequest.of(run)
        planner, thread = Planner(peers, routes, advisers, journal), None
        try:
            if claimed.thread_version == 0:
                planned = await planner.plan(request, run)
            elif points_back(request.input):
                thread = await checkpointer.threads.load(thread_of(run))
                planned = await planner.plan(request, run, asked_before(history_of(thread)))
            else:
                # Neither needs the other: the thread is read while the plan is written down.
                thread, planned = await asyncio.gather(
                    checkpointer.threads.load(thread_of(run)), planner.plan(request, run)
                )
        except NotPlannedError as unplanned:
            return RunOutcome(unplanned.result())
        interpreter = Interpreter(peers, journal)
        metadata = request.metadata
        if planned.away:
            metadata = {**metadata, MODELS_AWAY: planned.away}
        try:
            outcome = await interpreter.run(
                planned.plan,
                run.authority(),
                metadata=metadata,
                history=history_of(thread),
                spent=planned.spent,
            )
        finally:
            journal.report = interpreter.report
            journal.spent = interpreter.spent
        result = read_or_failed(outcome.result.spent_before(planned.spent))
        book = entries_of(
            planned.parts,
            planned.plan,
            result,
            steps=journal.steps,
            last=outcome.unrecorded,
        )
        return RunOutcome(
            result=result,
            steps=outcome.unrecorded,
            turn=turn_of(run, result, thread, _contexts(thread, journal)),
            report=outcome.report or {},
            book=book,
        )

    return execute


def _contexts(thread: Thread | None, journal: Journal) -> dict[str, str]:
    """Return the conversations with agents outside the mesh, this run's before those of earlier ones."""
    last = thread.entries[-1:] if thread is not None else ()
    # The last turn tells of all that there are, and few threads ever leave the mesh.
    turns = [entry for entry in last if PEER_CONTEXTS.encode() in entry]
    earlier = kept_contexts(map(Message.model_validate_json, turns))
    return earlier | contexts_in(journal.steps)


def recorded_report(claimed: Claimed) -> JsonObject:
    """Return what became of each call of a run that was told to stop while it waited."""
    stored = claimed.steps.get(PLAN_STEP)
    if stored is None:
        return {}
    plan = _read(stored).plan
    return CallOutcomes.recorded(plan, claimed.steps).report()


def prepare_run(peers: MeshPeers, routes: Routes, advisers: Advisers = NOBODY) -> Prepare:
    """Return what writes a run's plan down within its claim, where the mesh in view allows one.

    A run for which it does not, or while somebody arrives, is claimed all the same, and waits for
    its peers in `execute_run`.
    """

    def prepare(run: Run) -> StepWrite | None:
        request = RoutedRequest.of(run)
        # What points back is routed by what it points at, which stands in the thread.
        if peers.arriving or points_back(request.input):
            return None
        if advisers.reads(request):
            return None
        chosen = routes.choose(request, run.principal, peers.offers)
        if chosen.plan is None or chosen.lacking or advisers.hears(chosen):
            return None
        parts = () if advisers.book is None else planned_parts(chosen)
        step = PlanStep.of(chosen, Planned(chosen.plan, parts=parts))
        return StepWrite(PLAN_STEP, step, tuple(chosen.events))

    return prepare


@dataclass(frozen=True, slots=True)
class Planner:
    """Makes the plan of one run, or takes the one that is written down."""

    peers: MeshPeers
    routes: Routes
    advisers: Advisers
    journal: Journal

    async def plan(
        self, request: RoutedRequest, run: Run, earlier: tuple[str, ...] = ()
    ) -> Planned:
        """Return the plan; `earlier` is what was asked on the thread that it points back at."""
        stored = self.journal.steps.get(PLAN_STEP)
        if stored is not None:
            return _read(stored)
        choosing = Choosing(
            self.peers, self.routes, self.advisers, request, run.authority(), self.journal
        )
        looking = partial(choose_patiently, peers=self.peers, remaining_s=run.remaining_s)
        chosen, hints = await choosing.choose(earlier, looking)
        if chosen.plan is None:
            self.journal.emit(*chosen.events)
            if chosen.error is None:
                raise RuntimeError("routing ended without a plan and without a reason")
            spent = hints.reading.usage if hints.reading else NO_USAGE
            raise NotPlannedError(chosen.error, spent)
        reading = hints.reading or ModelReading()
        parts = () if self.advisers.book is None else planned_parts(chosen)
        planned = Planned(chosen.plan, reading.usage, reading.away, parts)
        step = PlanStep.of(chosen, planned)
        stored = await self.journal.record(PLAN_STEP, step, chosen.events)
        return planned if stored == step else _read(stored)


def _read(stored: JsonObject) -> Planned:
    if isinstance(stored, PlanStep):
        return stored.planned
    step = StoredPlan.model_validate(stored)
    return Planned(Plan.from_json(step.plan), step.spent, parts=step.parts)

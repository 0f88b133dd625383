"""Carries a routed run out: its plan is written down first, then walked over the mesh."""

import asyncio
from collections.abc import Callable
from functools import partial

from router_service.peers import MeshPeers
from router_service.routes import Chosen, Routes
from router_service.waiting import choose_patiently
from weft.catalog import Offers
from weft.checkpoint import (
    Checkpointer,
    Claimed,
    Prepare,
    Run,
    StepWrite,
    Thread,
)
from weft.core import JsonObject, Principal, Result, StrictRecord, coverage_in
from weft.language import asked_before, points_back
from weft.plan import Interpreter, Plan
from weft.report import no_data
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

Choose = Callable[[RoutedRequest, Principal, Offers], Chosen]


class StoredPlan(StrictRecord):
    """The outcome of the plan's step."""

    protocol: str | None
    plan: JsonObject


class PlanStep(JsonObject):
    """A `StoredPlan` in JSON, with the plan it says: who made both need not read it again."""

    plan: Plan

    @classmethod
    def of(cls, chosen: Chosen, plan: Plan) -> "PlanStep":
        step = cls(protocol=chosen.protocol, plan=chosen.plan_json)
        step.plan = plan
        return step


def execute_run(checkpointer: Checkpointer, peers: MeshPeers, routes: Routes) -> Execute:
    """Return what the router's worker calls with each claimed run."""

    async def execute(claimed: Claimed, journal: Journal) -> RunOutcome:
        run = claimed.run
        request = RoutedRequest.of(run)
        loading = checkpointer.threads.load(thread_of(run))
        if points_back(request.input):
            thread = await loading
            plan = await _plan(request, run, peers, journal, _following(routes, thread))
        else:
            # Neither needs the other: the thread is read while the plan is written down.
            routing = _plan(request, run, peers, journal, routes.choose)
            thread, plan = await asyncio.gather(loading, routing)
        interpreter = Interpreter(peers, journal)
        try:
            outcome = await interpreter.run(
                plan, run.authority(), metadata=request.metadata, history=history_of(thread)
            )
        finally:
            journal.report = interpreter.report
        result = _of_data(outcome.result)
        return RunOutcome(
            result=result,
            steps=outcome.unrecorded,
            turn=turn_of(run, result, thread),
            report=outcome.report or {},
        )

    return execute


def _of_data(result: Result) -> Result:
    """Return the result, or a failure where its author was to read data and read none.

    In a fan-out the report says so; an agent asked alone has nobody beside it who read some.
    """
    unread = no_data(coverage_in(result)) if result.ok else None
    if unread is None:
        return result
    return result.model_copy(update={"status": "failed", "reasons": (unread, *result.reasons)})


def _following(routes: Routes, thread: Thread | None) -> Choose:
    """Return what routes a request that points back at what was asked on its thread."""
    return partial(routes.choose, earlier=asked_before(history_of(thread)))


def prepare_run(peers: MeshPeers, routes: Routes) -> Prepare:
    """Return what writes a run's plan down within its claim, where the mesh in view allows one.

    A run for which it does not, or while somebody arrives, is claimed all the same, and waits for
    its peers in `execute_run`.
    """

    def prepare(run: Run) -> StepWrite | None:
        request = RoutedRequest.of(run)
        # What points back is routed by what it points at, which stands in the thread.
        if peers.arriving or points_back(request.input):
            return None
        chosen = routes.choose(request, run.principal, peers.offers)
        if chosen.plan is None:
            return None
        return StepWrite(PLAN_STEP, PlanStep.of(chosen, chosen.plan), tuple(chosen.events))

    return prepare


async def _plan(
    request: RoutedRequest, run: Run, peers: MeshPeers, journal: Journal, choose: Choose
) -> Plan:
    stored = journal.steps.get(PLAN_STEP)
    if stored is None:
        principal = run.principal
        chosen = await choose_patiently(
            lambda offers: choose(request, principal, offers),
            peers,
            remaining_s=run.remaining_s,
        )
        if chosen.plan is None:
            journal.emit(*chosen.events)
            raise chosen.error or RuntimeError("routing ended without a plan and without a reason")
        step = PlanStep.of(chosen, chosen.plan)
        stored = await journal.record(PLAN_STEP, step, chosen.events)
        if stored == step:
            return chosen.plan
    if isinstance(stored, PlanStep):
        return stored.plan
    return Plan.from_json(StoredPlan.model_validate(stored).plan)

"""Carries a routed run out: its plan is written down first, then walked over the mesh."""

import asyncio

from router_service.peers import MeshPeers
from router_service.routes import Chosen, Routes
from router_service.waiting import choose_patiently
from weft.checkpoint import (
    Checkpointer,
    Claimed,
    Prepare,
    Run,
    StepWrite,
)
from weft.core import JsonObject, StrictRecord
from weft.plan import Interpreter, Plan
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


def execute_run(checkpointer: Checkpointer, peers: MeshPeers, routes: Routes) -> Execute:
    """Return what the router's worker calls with each claimed run."""

    async def execute(claimed: Claimed, journal: Journal) -> RunOutcome:
        run = claimed.run
        request = RoutedRequest.of(run)
        # Neither needs the other: the thread is read while the plan is written down.
        thread, plan = await asyncio.gather(
            checkpointer.threads.load(thread_of(run)), _plan(request, run, peers, journal, routes)
        )
        interpreter = Interpreter(peers, journal)
        try:
            outcome = await interpreter.run(
                plan, run.authority(), metadata=request.metadata, history=history_of(thread)
            )
        finally:
            journal.report = interpreter.report
        return RunOutcome(
            result=outcome.result,
            steps=outcome.unrecorded,
            turn=turn_of(run, outcome.result, thread),
            report=outcome.report or {},
        )

    return execute


def prepare_run(peers: MeshPeers, routes: Routes) -> Prepare:
    """Return what writes a run's plan down within its claim, where the mesh in view allows one.

    A run for which it does not, or while somebody arrives, is claimed all the same, and waits for
    its peers in `execute_run`.
    """

    def prepare(run: Run) -> StepWrite | None:
        if peers.arriving:
            return None
        chosen = routes.choose(RoutedRequest.of(run), run.principal, peers.offers)
        if chosen.plan is None:
            return None
        return StepWrite(PLAN_STEP, _stored(chosen, chosen.plan), tuple(chosen.events))

    return prepare


def _stored(chosen: Chosen, plan: Plan) -> JsonObject:
    # A `StoredPlan`, spelled out: its own check and dump would walk the whole plan twice more.
    return {"protocol": chosen.protocol, "plan": plan.to_json()}


async def _plan(
    request: RoutedRequest, run: Run, peers: MeshPeers, journal: Journal, routes: Routes
) -> Plan:
    stored = journal.steps.get(PLAN_STEP)
    if stored is None:
        principal = run.principal
        chosen = await choose_patiently(
            lambda offers: routes.choose(request, principal, offers),
            peers,
            remaining_s=run.remaining_s,
        )
        if chosen.plan is None:
            journal.emit(*chosen.events)
            raise chosen.error or RuntimeError("routing ended without a plan and without a reason")
        made = _stored(chosen, chosen.plan)
        stored = await journal.record(PLAN_STEP, made, chosen.events)
        if stored == made:
            return chosen.plan
    return Plan.from_json(StoredPlan.model_validate(stored).plan)

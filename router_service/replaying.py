"""A finished run walked again: its plan here, and each agent's loop where its code and its records are.

What came of it is one document: whether all of it comes out the same, the first thing that does not,
and of every agent what was compared, and why not where it was not.
"""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from router_service.peers import MeshPeers
from weft.a2a.client import A2AClient
from weft.a2a.replays import TaskReplay, asked_digest, asked_words
from weft.checkpoint import Checkpointer
from weft.core import Authority, JsonObject, Path, Principal, Result, RunId
from weft.core.errors import WeftError
from weft.events import Envelope
from weft.loop import (
    Difference,
    LoopRecord,
    LoopReplay,
    Peer,
    Replayable,
    Task,
    first_difference,
    replay_view,
    replayed_loop,
)
from weft.plan import PlanReplay, RecordedRun, replayed
from weft.runs import history_before, thread_of

PAGE = 1000
CALL_SECONDS = 20.0
"""For one service to walk all that it did for the run."""
MOST_SAID = 1000
UNANSWERED = frozenset({"peer_unavailable", "peer_away", "outcome_unknown"})
"""Ends of a call whose peer said nothing that the run has."""
GONE = "it keeps no record of this task any more"
FOREIGN = "it is no member of the mesh, and tells nobody how it came to its answer"
UNSAID = "what was said on the thread before is not known any more"


@dataclass(frozen=True, slots=True)
class _Made:
    """A call of the run's that reached somebody."""

    path: Path
    peer: str
    message_id: str


@dataclass(frozen=True, slots=True)
class Replayer:
    """Walks the runs of one database again, over the mesh as it is now."""

    checkpointer: Checkpointer
    peers: MeshPeers

    async def replay(self, principal: Principal, run_id: RunId) -> JsonObject:
        """Return what comes of the run now; nothing is called for it but other services' records.

        Raises:
            NotFoundError: There is no such run that `principal` may read.
            EventsExpiredError: How it came about was pruned.
            NotReplayableError: It did not end by what its calls brought.
        """
        recorded = await self._recorded(principal, run_id)
        recorded.plan()
        run, result = recorded.run, Result.model_validate(recorded.run.result)
        thread = await self.checkpointer.threads.load(thread_of(run))
        history = history_before(run, result, thread)
        await self.peers.refresh()
        plan = await replayed(recorded, history=history or (), describe=self.peers.describe)
        calls = _calls_in(recorded.log)
        here, elsewhere = self._parted(calls)
        loops = await self._asked(recorded, elsewhere, plan)
        for call, peer in here:
            loops[call.path] = await _walked(recorded, call, peer, plan, known=history is not None)
        walked = [(call.path, call.peer, loops[call.path]) for call in calls]
        return replay_view(run_id, walked, plan.difference)

    async def _recorded(self, principal: Principal, run_id: RunId) -> RecordedRun:
        store = self.checkpointer.runs
        run = await store.read(principal, run_id)
        log: list[Envelope] = []
        after = 0
        while page := await store.events(principal, run_id, after=after, limit=PAGE):
            after = page[-1].seq
            # What agents told of themselves may be long, and is walked from their steps.
            log += [event for event in page if not event.type.startswith("agent.")]
        return RecordedRun(run, await store.steps(principal, run_id), log)

    def _parted(
        self, calls: Sequence[_Made]
    ) -> tuple[list[tuple[_Made, Peer]], dict[str, list[_Made]]]:
        """Return the calls of agents of this process, and those of services by their names."""
        own = {peer.name: peer for peer in self.peers.builtin.values()}
        here = [(call, own[call.peer]) for call in calls if call.peer in own]
        elsewhere: dict[str, list[_Made]] = {}
        for call in calls:
            if call.peer not in own:
                elsewhere.setdefault(call.peer, []).append(call)
        return here, elsewhere

    async def _asked(
        self, recorded: RecordedRun, calls: Mapping[str, Sequence[_Made]], plan: PlanReplay
    ) -> dict[Path, LoopReplay]:
        """Return what services say of their parts of the run, each asked once."""
        clients = self.peers.one_of_each()
        work = [
            self._of_service(recorded, service, clients.get(service), made, plan)
            for service, made in calls.items()
        ]
        loops: dict[Path, LoopReplay] = {}
        for answer in await asyncio.gather(*work):
            loops |= answer
        return loops

    async def _of_service(
        self,
        recorded: RecordedRun,
        service: str,
        client: A2AClient | None,
        calls: Sequence[_Made],
        plan: PlanReplay,
    ) -> dict[Path, LoopReplay]:
        if client is None:
            outside = {each.service for each in self.peers.offers.providers if each.outside}
            return _none_of(calls, FOREIGN if service in outside else f"{service} is away")
        said = {
            call.message_id: asked_digest(plan.tasks[call.path].parts)
            for call in calls[:MOST_SAID]
            if call.path in plan.tasks
        }
        try:
            tasks = await client.replay(_authority(recorded, service), said, within=CALL_SECONDS)
        except WeftError as error:
            return _none_of(calls, f"{service} does not walk its work again: {error}")
        by_message = {task.message_id: task for task in tasks}
        return {
            call.path: _placed(by_message.get(call.message_id), plan.tasks.get(call.path))
            for call in calls
        }


def _authority(recorded: RecordedRun, service: str) -> Authority:
    """Return what a service is asked with: for whom it worked, and nothing beyond that."""
    run = recorded.run
    scopes = frozenset({f"agents:{service}"})
    principal = Principal(tenant=run.tenant, subject=run.subject, scopes=scopes)
    return Authority(principal, trace=run.trace, root_id=run.run_id)


def _calls_in(log: Sequence[Envelope]) -> list[_Made]:
    """Return whose word the run has, in the order in which they were asked.

    Of whoever gave none there is nothing to hold a replay against: the plan is walked over that.
    """
    calls: dict[Path, _Made] = {}
    for event in log:
        if event.type == "plan.step.failed" and _unanswered(event):
            calls.pop(event.path, None)
        peer, message_id = event.data.get("peer"), event.data.get("task_id")
        if event.type == "plan.step.started" and isinstance(peer, str) and message_id:
            calls[event.path] = _Made(event.path, peer, str(message_id))
    return [*calls.values()]


def _unanswered(event: Envelope) -> bool:
    reasons = event.data.get("reasons")
    listed = reasons if isinstance(reasons, list) else []
    return any(isinstance(reason, dict) and reason.get("code") in UNANSWERED for reason in listed)


def _none_of(calls: Sequence[_Made], why: str) -> dict[Path, LoopReplay]:
    return {call.path: LoopReplay(not_compared=why) for call in calls}


def _placed(replay: TaskReplay | None, task: Task | None) -> LoopReplay:
    if replay is None:
        return LoopReplay(not_compared=GONE)
    if replay.otherwise_asked is None or task is None:
        return replay.replay
    then, now = first_difference(
        replay.otherwise_asked, asked_words(task.parts)[: len(replay.otherwise_asked)]
    )
    difference = Difference(
        event="plan.step.started", what="what it is asked", recorded=then, replayed=now
    )
    return replay.replay.model_copy(update={"difference": difference})


async def _walked(
    recorded: RecordedRun, call: _Made, peer: Peer, plan: PlanReplay, *, known: bool
) -> LoopReplay:
    """Return what an agent of this process makes of it now."""
    task, stored = plan.tasks.get(call.path), recorded.steps.get(call.path)
    if not isinstance(peer, Replayable):
        return LoopReplay()
    if task is None or stored is None:
        return LoopReplay(not_compared="it came to no answer that was recorded")
    if not known:
        return LoopReplay(not_compared=UNSAID)
    depth = len(call.path)
    steps = {
        path[depth:]: outcome
        for path, outcome in recorded.steps.items()
        if len(path) > depth and path[:depth] == call.path
    }
    run = recorded.run
    record = LoopRecord(
        run.run_id,
        steps,
        Result.model_validate(stored),
        root_id=run.root_id,
        thread_id=run.thread_id,
        whole=False,
    )
    return await replayed_loop(peer, record, lambda journal: replace(task, journal=journal))

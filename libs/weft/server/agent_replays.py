"""`GET /v1/runs/{run_id}/replay` of one agent behind HTTP: its loop walked again over what is recorded."""

from dataclasses import dataclass, replace

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from weft.checkpoint import Checkpointer, Run
from weft.core import Message, Result, parts_of
from weft.core.edge_errors import NotReplayableError
from weft.loop import Agent, LoopRecord, LoopReplay, Task, replay_view, replayed_loop
from weft.runs import Journal, RoutedRequest, history_before, thread_of
from weft.server.admission import json_response
from weft.server.requests import principal_of
from weft.server.routes import described, router
from weft.server.run_paths import run_id_of

UNSAID = "what was said on the thread before is not known any more"


def agent_replay_routes(agent: Agent, store: Checkpointer) -> APIRouter:
    """Return the route, answered by the agent itself."""
    routes = router()
    routes.add_api_route(
        "/v1/runs/{run_id}/replay",
        AgentReplays(agent, store).replay,
        **described("replayRun", errors=(404, 409, 410)),
    )
    return routes


@dataclass(frozen=True, slots=True)
class AgentReplays:
    """Walks the finished runs of one agent again."""

    agent: Agent
    store: Checkpointer

    async def replay(self, request: Request) -> Response:
        """Return whether the run comes out the same now, and the first thing that does not."""
        principal, run_id = principal_of(request, "runs:read"), run_id_of(request)
        run = await self.store.runs.read(principal, run_id)
        if run.status not in {"completed", "failed"}:
            why = f"only what ended by itself can be replayed; the run is {run.status}"
            raise NotReplayableError(why)
        steps = await self.store.runs.steps(principal, run_id)
        result = Result.model_validate(run.result)
        history = history_before(run, result, await self.store.threads.load(thread_of(run)))
        if history is None:
            loop = LoopReplay(not_compared=UNSAID)
        else:
            record = LoopRecord(run_id, steps, result, run.root_id, run.thread_id)
            loop = await replayed_loop(
                self.agent, record, lambda journal: _untimed(task_of(run, history, journal))
            )
        return json_response(replay_view(run_id, [((), self.agent.name, loop)]))


def task_of(run: Run, history: tuple[Message, ...], journal: Journal) -> Task:
    """Return what a run asks of the one agent that there is."""
    request = RoutedRequest.of(run)
    return Task(
        parts=parts_of(request.input),
        message_id=run.run_id,
        authority=run.authority(),
        metadata=request.metadata,
        history=history,
        thread_id=run.thread_id,
        journal=journal,
    )


def _untimed(task: Task) -> Task:
    """Return the task with all the time it wants: that of its run is over."""
    budget = task.authority.budget.model_copy(update={"seconds": None})
    return replace(task, authority=replace(task.authority, budget=budget, deadline=None))

"""From a request to a durable run, and from there to the answer that was asked for."""

import logging
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from anyio import to_thread
from starlette.requests import Request
from starlette.responses import Response

from weft.checkpoint import Accepted, NewRun, Run, ThreadKey
from weft.core import Authority, Budget, JsonObject, Principal, RunId, dumps
from weft.core.edge_errors import InvalidFieldsError, UnknownAgentError
from weft.core.errors import NotFoundError, WeftError
from weft.runs import MESH_RUN, PLAN_STEP, RoutedRequest, Runs, new_run
from weft.server.data_paths import DATA, data_refusal
from weft.server.gate import RequestGate
from weft.server.requests import (
    MAX_WAIT_S,
    RunRequest,
    body_of,
    idempotency_key,
    path_id,
    principal_of,
    timeout_of,
)
from weft.server.streams import StreamPace
from weft.server.views import Details, run_view

log = logging.getLogger(__name__)

DEFAULT_TIMEOUT_S = 300.0


@dataclass(frozen=True, slots=True)
class ApiOptions:
    """What differs between one front door and another."""

    title: str = "Weft"
    description: str = "Runs over a mesh of agents: start, follow, answer and cancel them."
    version: str = "0.1.0"
    invoke_wait_s: float = MAX_WAIT_S
    """How long `POST /invoke` waits before it answers 202."""
    pace: StreamPace = field(default_factory=StreamPace)
    agents: Callable[[], Collection[str]] | None = None
    """The names that may be called directly; None leaves unknown ones to whoever executes."""
    origins: Collection[str] = ()
    """Pages of these origins may call from a browser, as `origins_in` reads them."""
    docs: bool = False
    """Whether `/docs`, and the description it shows, are there for everybody."""
    self_approval: bool = False
    """Whether who asked for an action may approve it."""
    data_roots: Sequence[Path] | None = None
    """Below which the agents read data; None where the front door cannot know."""


@dataclass(frozen=True, slots=True)
class Admission:
    """Makes requests durable."""

    runs: Runs
    options: ApiOptions
    gate: RequestGate

    async def admit(
        self, request: Request, *, run_id: RunId, thread_id: str | None = None
    ) -> Accepted:
        """Accept the run that the request's body describes.

        Raises what `body_of` and `RunStore.accept` raise.
        """
        principal_of(request, "runs:write")
        key = idempotency_key(request)
        body = body_of(request, RunRequest)
        if thread_id is not None:
            body = _on_thread(body, thread_id)
        return await self.submit(request, body, run_id=run_id, key=key)

    async def submit(
        self, request: Request, body: RunRequest, *, run_id: RunId, key: str | None
    ) -> Accepted:
        """Accept the run that is asked for; without a `key` it is a new one in any case.

        Raises what `RunStore.accept` raises.
        """
        principal = principal_of(request, "runs:write")
        text = body.text()
        new = _new_run(request, body, text, run_id=run_id, principal=principal, key=key)
        if (refusal := await self._refusal(body, principal)) is not None:
            # A repeated request gets its run, whatever became of agent and thread meanwhile.
            earlier = key and await self.runs.checkpointer.runs.find(principal, MESH_RUN, key)
            if not earlier:
                raise refusal
        accepted = await self.runs.submit(new, on_busy=body.on_conflict, own=True)
        request.state.idempotency_key = new.idem_key
        log.debug("run_accepted", extra={"run_id": accepted.run.run_id})
        return accepted

    async def _refusal(self, body: RunRequest, principal: Principal) -> WeftError | None:
        if body.agent is not None:
            agents = self.options.agents() if self.options.agents is not None else (body.agent,)
            callable_names = [name for name in agents if principal.may_call(name)]
            if body.agent not in callable_names:
                return UnknownAgentError(body.agent, callable_names)
        if self.options.data_roots is not None and DATA in body.metadata:
            refusal = await to_thread.run_sync(data_refusal, body.metadata, self.options.data_roots)
            if refusal is not None:
                return refusal
        if body.if_not_exists == "reject":
            thread_id = body.thread_id or ""
            key = ThreadKey(principal.tenant, principal.subject, thread_id)
            store = self.runs.checkpointer
            whole = [run for run in await store.runs.thread_runs(key) if not run.pruned]
            if await store.threads.load(key) is None and not whole:
                return NotFoundError("thread", thread_id)
        return self.gate.over_quota(principal)


async def details_of(runs: Runs, principal: Principal, run: Run) -> Details:
    """Return what a Run shows beside its own row: one more read, or two for a cancelled run."""
    plan = await runs.checkpointer.runs.step(principal, run.run_id, PLAN_STEP)
    protocol = plan.get("protocol") if plan is not None else None
    return Details(
        report=await _report(runs, principal, run),
        protocol=protocol if isinstance(protocol, str) else None,
    )


async def _report(runs: Runs, principal: Principal, run: Run) -> JsonObject | None:
    if run.status != "canceled" or run.pruned:
        return None
    last = await runs.checkpointer.runs.events(principal, run.run_id, after=run.last_seq - 1)
    report = last[-1].data.get("report") if last else None
    return report if isinstance(report, dict) else None


def accepted_headers(request: Request, accepted: Accepted) -> dict[str, str]:
    """Return the headers of every answer that made or found a run."""
    headers = {
        "location": f"/v1/runs/{accepted.run.run_id}",
        "idempotency-key": request.state.idempotency_key,
        "cache-control": "no-store",
    }
    if accepted.replayed:
        headers["idempotency-replayed"] = "true"
    return headers


def run_response(
    run: Run,
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    details: Details,
) -> Response:
    return json_response(run_view(run, details=details), status=status, headers=headers)


def json_response(
    value: object, *, status: int = 200, headers: dict[str, str] | None = None
) -> Response:
    return Response(
        dumps(value),
        status_code=status,
        media_type="application/json",
        headers=headers or {"cache-control": "no-store"},
    )


def _on_thread(body: RunRequest, thread_id: str) -> RunRequest:
    if body.thread_id not in {None, thread_id}:
        raise InvalidFieldsError([("/thread_id", "the path names another thread")])
    return body.model_copy(update={"thread_id": path_id(thread_id)})


def _new_run(
    request: Request,
    body: RunRequest,
    text: str,
    *,
    run_id: RunId,
    principal: Principal,
    key: str | None,
) -> NewRun:
    limits = [limit for limit in (body.timeout_s, timeout_of(request)) if limit is not None]
    routed = RoutedRequest(
        input=text,
        agent=body.agent,
        goal=body.goal,
        protocol=body.protocol,
        metadata=body.metadata,
    )
    return new_run(
        routed,
        Authority(principal, Budget(**body.budget.model_dump()), trace=request.state.trace),
        run_id=run_id,
        thread_id=body.thread_id,
        timeout_s=min(limits, default=DEFAULT_TIMEOUT_S),
        key=key,
        body_hash=body.fingerprint(text),
        agent=body.agent,
        protocol=body.protocol,
        on_conflict=body.on_conflict,
    )

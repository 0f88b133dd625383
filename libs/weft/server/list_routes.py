"""Lists: a caller's runs and threads, and the questions of the tenant that it may answer."""

from collections.abc import Mapping
from datetime import datetime
from typing import get_args

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from weft.checkpoint import Run, RunFilter, RunStatus, ThreadSummary
from weft.core import JsonObject, JsonValue, Principal, rfc3339
from weft.core.errors import ForbiddenError, InputError, NotFoundError
from weft.server.admission import Admission, details_of, json_response
from weft.server.paging import LIST_QUERY, page_response, page_wanted
from weft.server.requests import path_id, principal_of
from weft.server.responding import may_answer
from weft.server.routes import described, router
from weft.server.run_paths import run_id_of
from weft.server.views import asked_view, run_view

_CONDITIONS = ("status", "thread_id", "agent", "subject", "created_after")
_STATUSES: tuple[RunStatus, ...] = get_args(RunStatus)


def list_routes(admission: Admission) -> APIRouter:
    """Return the routes of lists."""
    routes, door = router(), _Door(admission)
    routes.add_api_route(
        "/v1/runs", door.runs, **described("listRuns", query=(*LIST_QUERY, *_CONDITIONS), errors=(422,))
    )  # fmt: skip
    routes.add_api_route(
        "/v1/threads", door.threads, **described("listThreads", query=LIST_QUERY, errors=(422,))
    )
    routes.add_api_route(
        "/v1/interrupts",
        door.interrupts,
        **described("listInterrupts", query=LIST_QUERY, errors=(422,)),
    )
    routes.add_api_route(
        "/v1/runs/{run_id}/interrupts",
        door.interrupts_of_run,
        **described("listRunInterrupts", errors=(404,)),
    )
    return routes


class _Door:
    def __init__(self, admission: Admission) -> None:
        self._runs = admission.runs
        self._index = admission.runs.checkpointer.index
        self._self_approval = admission.options.self_approval

    async def runs(self, request: Request) -> Response:
        """Return the caller's runs, newest first; all of the tenant to who administers it."""
        principal = principal_of(request, "runs:read")
        limit, before = page_wanted(request, _CONDITIONS)
        wanted = _wanted(request.query_params)
        page = await self._index.runs(principal, wanted, limit=limit, before=before)
        data: list[JsonValue] = []
        for run in page.entries:
            details = await details_of(self._runs, principal, run)
            data.append(run_view(run, details=details))
        return page_response(page, data)

    async def threads(self, request: Request) -> Response:
        """Return the caller's threads, the one that was begun last first; to `admin` the tenant's."""
        principal = principal_of(request, "threads:read")
        limit, before = page_wanted(request)
        page = await self._index.threads(principal, limit=limit, before=before)
        return page_response(page, [_thread_view(thread) for thread in page.entries])

    async def interrupts(self, request: Request) -> Response:
        """Return the open questions of the tenant that the caller may answer, newest run first.

        A page may be short, or empty, where others may answer: `has_more` says whether it is the last.
        """
        principal = _asked_person(request)
        limit, before = page_wanted(request)
        page = await self._index.waiting(principal.tenant, limit=limit, before=before)
        data: list[JsonValue] = []
        for run in page.entries:
            data += self._open_to(principal, run)
        return page_response(page, data)

    async def interrupts_of_run(self, request: Request) -> Response:
        """Return the run's open questions; to whom the run is not, those that it may answer."""
        principal, run_id = _asked_person(request), run_id_of(request)
        try:
            run = await self._runs.read(principal, run_id)
        except NotFoundError:
            waiting = await self._index.find_waiting(principal.tenant, run_id)
            shown = [] if waiting is None else self._open_to(principal, waiting)
            if not shown:
                raise
            return json_response({"data": shown})
        return json_response({"data": [asked_view(run, interrupt) for interrupt in run.interrupts]})

    def _open_to(self, principal: Principal, run: Run) -> list[JsonValue]:
        """Return what `principal` may answer, and of whose thread it is nothing unless its own."""
        owns = principal.subject == run.subject
        return [
            asked_view(run, interrupt, thread=owns)
            for interrupt in run.interrupts
            if may_answer(principal, run, interrupt, self_approval=self._self_approval)
        ]


def _asked_person(request: Request) -> Principal:
    """Return who looks for open questions: who reads runs, or only approves what others asked for."""
    principal = principal_of(request)
    if not (principal.may("runs:read") or principal.may("approve")):
        raise ForbiddenError("approve")
    return principal


def _wanted(query: Mapping[str, str]) -> RunFilter:
    status = next((name for name in _STATUSES if name == query.get("status")), None)
    if "status" in query and status is None:
        raise InputError(f"status is one of {', '.join(_STATUSES)}", field="status")
    thread_id = query.get("thread_id")
    return RunFilter(
        status=status,
        thread_id=None if thread_id is None else path_id(thread_id),
        agent=query.get("agent"),
        subject=query.get("subject"),
        created_after=_moment(query["created_after"]) if "created_after" in query else None,
    )


def _moment(text: str) -> float:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InputError(
            "created_after is a time with its zone, such as 2026-01-31T12:00:00Z",
            field="created_after",
        )
    return moment.timestamp()


def _thread_view(thread: ThreadSummary) -> JsonObject:
    status = "busy" if thread.active else "idle"
    return {
        "thread_id": thread.key.thread_id,
        "subject": thread.key.subject,
        "status": "interrupted" if thread.waits else status,
        "active_run_id": thread.waits or thread.active,
        "metadata": {},
        "created_at": rfc3339(thread.created_at),
        "updated_at": rfc3339(thread.updated_at),
        "expires_at": None,
    }

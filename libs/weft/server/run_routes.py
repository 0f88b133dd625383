"""Runs: created, read, streamed, cancelled, answered."""

from dataclasses import dataclass

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from weft.checkpoint import Accepted, Run
from weft.core import Interrupt, JsonObject, JsonValue, Principal, RunId, new_run_id
from weft.core.errors import (
    EventsExpiredError,
    ForbiddenError,
    InputError,
    InterruptExpiredError,
    InterruptNotFoundError,
    NotFoundError,
    RunFinishedError,
    RunNotInterruptedError,
)
from weft.core.numbers import whole_number
from weft.events import TERMINAL_EVENTS
from weft.runs import Listener, Runs, event_number, told_all
from weft.server.admission import (
    Admission,
    accepted_headers,
    details_of,
    json_response,
    run_response,
)
from weft.server.requests import (
    CancelRequest,
    RatingRequest,
    ResumeRequest,
    RunRequest,
    body_of,
    principal_of,
    validated,
    wait_of,
    wants_stream,
)
from weft.server.responding import APPROVE, check_answers, may_answer, payload_of
from weft.server.routes import CREATING, described, router
from weft.server.run_paths import run_id_of
from weft.server.run_tree import LoggedTree
from weft.server.streams import EventStream, LogFrames, cursor_of, log_frames
from weft.server.views import Details, asked_view, event_view, run_view

MAX_PAGE = 1000


def run_routes(admission: Admission) -> APIRouter:
    """Return the routes of runs."""
    routes, door = router(), _Door(admission)
    run = "/v1/runs/{run_id}"
    routes.add_api_route(
        "/v1/runs",
        door.create,
        methods=["POST"],
        status_code=202,
        **described("createRun", body=RunRequest, errors=CREATING),
    )
    routes.add_api_route(
        "/v1/threads/{thread_id}/runs",
        door.create_on_thread,
        methods=["POST"],
        status_code=202,
        **described("createThreadRun", body=RunRequest, errors=CREATING),
    )
    routes.add_api_route(run, door.read, **described("getRun", errors=(404,)))
    routes.add_api_route(
        f"{run}/stream",
        door.stream,
        **described("streamRun", query=("after", "types", "path", "until"), errors=(404, 410)),
    )
    routes.add_api_route(
        f"{run}/events",
        door.events,
        **described("listRunEvents", query=("after", "limit"), errors=(404,)),
    )
    routes.add_api_route(f"{run}/tree", door.tree, **described("getRunTree", errors=(404, 410)))
    routes.add_api_route(
        f"{run}/cancel",
        door.cancel,
        methods=["POST"],
        **described("cancelRun", body=CancelRequest, optional=True, errors=(404, 409, 422)),
    )
    routes.add_api_route(
        f"{run}/rating",
        door.rate,
        methods=["POST"],
        **described("rateRun", body=RatingRequest, errors=(404, 409, 422)),
    )
    routes.add_api_route(
        f"{run}/resume",
        door.resume,
        methods=["POST"],
        status_code=202,
        **described("resumeRun", body=ResumeRequest, errors=(404, 409, 410, 422)),
    )
    return routes


@dataclass(frozen=True, slots=True)
class _Shown:
    """What of a run's log a reader wants."""

    frames: LogFrames
    after: int


class _Door:
    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._runs: Runs = admission.runs
        self._pace = admission.options.pace
        self._self_approval = admission.options.self_approval

    async def create(self, request: Request) -> Response:
        """Start a run: 202, or the run once it rests (`Prefer: wait=N`), or its stream."""
        return await self._created(request, None)

    async def create_on_thread(self, request: Request) -> Response:
        """Start a run on the thread that the path names."""
        return await self._created(request, request.path_params["thread_id"])

    async def read(self, request: Request) -> Response:
        """Return the run, at once or once it rests (`Prefer: wait=N`)."""
        principal, run_id = principal_of(request, "runs:read"), run_id_of(request)
        wait = wait_of(request)
        if wait is None:
            return await self._shown(principal, await self._runs.read(principal, run_id))
        run = await self._runs.wait(principal, run_id, seconds=wait)
        return await self._waited(principal, run, wait, {})

    async def stream(self, request: Request) -> Response:
        """Stream the run's events: those behind the cursor, then live ones, to the terminal one."""
        principal, run_id = principal_of(request, "runs:read"), run_id_of(request)
        run = await self._runs.read(principal, run_id)
        shown = _Shown(log_frames(request.query_params), cursor_of(request, run))
        return self._streamed(principal, run, shown, {})

    async def events(self, request: Request) -> Response:
        """Return committed events as one page."""
        principal, run_id = principal_of(request, "runs:read"), run_id_of(request)
        after = event_number(request.query_params.get("after", "0"), "after")
        limit = whole_number(request.query_params.get("limit", "100"), least=1, most=MAX_PAGE)
        if limit is None:
            raise InputError(f"limit must be an integer from 1 to {MAX_PAGE}", field="limit")
        store = self._runs.checkpointer.runs
        page = await store.events(principal, run_id, after=after, limit=limit)
        run = await store.read(principal, run_id)
        data: list[JsonValue] = [event_view(event) for event in page]
        ended = run.terminal and (page[-1].type in TERMINAL_EVENTS if page else True)
        return json_response(
            {
                "data": data,
                "next_after": page[-1].seq if page else after,
                "last_seq": run.last_seq,
                "terminal": ended,
            }
        )

    async def tree(self, request: Request) -> Response:
        """Return who did what in the run, as nested nodes with times and what each took."""
        principal, run_id = principal_of(request, "runs:read"), run_id_of(request)
        store, last = self._runs.checkpointer.runs, 0
        tree = LoggedTree()
        while page := await store.events(principal, run_id, after=last, limit=MAX_PAGE):
            tree.take(page)
            last = page[-1].seq
        return json_response(tree.view(await store.read(principal, run_id)))

    async def cancel(self, request: Request) -> Response:
        """Ask the run to stop; 200 with the report, or 202 while it is still stopping."""
        principal, run_id = principal_of(request, "runs:write"), run_id_of(request)
        body = validated(request.state.body or {}, CancelRequest)
        run = await self._runs.cancel(principal, run_id, reason=body.reason, grace_s=body.grace_s)
        if run.status == "canceled":
            details = await details_of(self._runs, principal, run)
            return json_response({"run_id": run_id, "status": run.status, **_report(run, details)})
        if run.terminal:
            raise RunFinishedError(run_id, run.status)
        return json_response({"run_id": run_id, "status": "canceling"}, status=202)

    async def rate(self, request: Request) -> Response:
        """Say whether the outcome was good; a bad one counts as no success of its protocol."""
        run_id, principal = run_id_of(request), principal_of(request, "runs:write")
        rating = body_of(request, RatingRequest).rating
        book = self._runs.checkpointer.book
        await book.rate(principal, run_id, bad=rating == "bad")
        return json_response({"run_id": run_id, "rating": rating})

    async def resume(self, request: Request) -> Response:
        """Answer the run's interrupts; then as for a new run."""
        principal, run_id = principal_of(request), run_id_of(request)
        if not (principal.may("runs:write") or principal.may("approve")):
            raise ForbiddenError("runs:write")
        body = body_of(request, ResumeRequest)
        run = await self._own(principal, run_id)
        if run is None:
            return await self._answered_for_another(principal, run_id, body)
        check_answers(principal, run, body, self_approval=self._self_approval)
        await self._check_questions(principal, run, body)
        answers = {response.interrupt_id: payload_of(response) for response in body.responses}
        # What is wrong with the wish for a stream is found before anything is answered.
        shown = _Shown(log_frames(request.query_params), cursor_of(request, run))
        with self._runs.hub.listen(run_id) as listener:
            resumed = await self._runs.resume(principal, run_id, answers)
            headers = {"location": f"/v1/runs/{run_id}", "cache-control": "no-store"}
            if wants_stream(request):
                return self._streamed(principal, resumed, shown, headers)
            wait = wait_of(request)
            if wait is None or resumed.terminal or resumed.status == "interrupted":
                return await self._shown(principal, resumed, status=202, headers=headers)
            run = await self._runs.settled(principal, run_id, listener, seconds=wait)
            return await self._waited(principal, run, wait, headers)

    async def _own(self, principal: Principal, run_id: RunId) -> Run | None:
        """Return the run if it is the caller's own, and not only one that it may read."""
        try:
            run = await self._runs.read(principal, run_id)
        except NotFoundError:
            return None
        return run if run.subject == principal.subject else None

    async def _created(self, request: Request, thread_id: str | None) -> Response:
        run_id, frames = new_run_id(), log_frames(request.query_params)
        with self._runs.hub.listen(run_id) as listener:
            accepted = await self._admission.admit(request, run_id=run_id, thread_id=thread_id)
            principal = principal_of(request)
            headers = accepted_headers(request, accepted)
            if wants_stream(request):
                after = cursor_of(request, accepted.run) if accepted.replayed else 0
                return self._streamed(principal, accepted.run, _Shown(frames, after), headers)
            wait = wait_of(request)
            if wait is None:
                return await self._shown(principal, accepted.run, status=202, headers=headers)
            run = await settled(self._runs, principal, accepted, listener, seconds=wait)
            return await self._waited(principal, run, wait, headers)

    def _streamed(
        self, principal: Principal, run: Run, shown: _Shown, headers: dict[str, str]
    ) -> Response:
        if told_all(run, shown.after):
            return Response(status_code=204, headers=headers)
        if run.pruned:
            raise EventsExpiredError(run.run_id)
        stream = EventStream(
            self._runs, principal, run, shown.frames, after=shown.after, pace=self._pace
        )
        stream.headers.update(headers)
        return stream

    async def _waited(
        self, principal: Principal, run: Run, wait: float, headers: dict[str, str]
    ) -> Response:
        rests = run.terminal or run.status == "interrupted"
        headers = {**headers, "preference-applied": f"wait={wait:.0f}"}
        return await self._shown(principal, run, status=200 if rests else 202, headers=headers)

    async def _shown(
        self,
        principal: Principal,
        run: Run,
        *,
        status: int = 200,
        headers: dict[str, str] | None = None,
    ) -> Response:
        details = await details_of(self._runs, principal, run)
        return run_response(run, status=status, headers=headers, details=details)

    async def _answered_for_another(
        self, principal: Principal, run_id: RunId, body: ResumeRequest
    ) -> Response:
        """Answer what another subject of the tenant asked; of its run nothing more is shown.

        Raises:
            NotFoundError: It asked nothing that the caller may answer.
        """
        index = self._runs.checkpointer.index
        run = await index.find_waiting(principal.tenant, run_id)
        questions = () if run is None else run.interrupts
        mine = {
            question.id
            for question in questions
            if run and self._may_answer(principal, run, question)
        }
        beyond = {response.interrupt_id for response in body.responses} - mine
        # What is open no more was answered, which whoever may approve may hear.
        closed = beyond.isdisjoint(question.id for question in questions) and principal.may(APPROVE)
        if beyond and not closed:
            raise NotFoundError("run", run_id)
        if run is not None:
            check_answers(principal, run, body, self_approval=self._self_approval)
        answers = {response.interrupt_id: payload_of(response) for response in body.responses}
        resumed = await self._runs.resume(principal, run_id, answers, colleague=True)
        left: list[JsonValue] = [
            asked_view(resumed, question, thread=False)
            for question in resumed.interrupts
            if self._may_answer(principal, resumed, question)
        ]
        shown: JsonObject = {"run_id": run_id, "status": resumed.status, "interrupts": left}
        return json_response(shown, status=202)

    def _may_answer(self, principal: Principal, run: Run, interrupt: Interrupt) -> bool:
        return may_answer(principal, run, interrupt, self_approval=self._self_approval)

    async def _check_questions(self, principal: Principal, run: Run, body: ResumeRequest) -> None:
        """Return if each answer is to a question whose answers were just checked, or a repeated one.

        A question may come up between that check and the answer's commit, and its id be guessed.

        Raises:
            RunNotInterruptedError, InterruptNotFoundError: One is to none that anybody could see.
        """
        checked = {interrupt.id for interrupt in run.interrupts}
        for answer in body.responses:
            path = ("interrupt", answer.interrupt_id)
            if answer.interrupt_id in checked:
                continue
            if await self._runs.checkpointer.runs.step(principal, run.run_id, path) is not None:
                continue
            if (run.error or {}).get("code") == InterruptExpiredError.code:
                raise InterruptExpiredError(
                    f"interrupt {answer.interrupt_id!r} can no longer be answered: run {run.run_id} "
                    "waited too long"
                )
            if run.status != "interrupted":
                raise RunNotInterruptedError(
                    f"run {run.run_id} is {run.status} and waits for no answer"
                )
            raise InterruptNotFoundError(
                f"run {run.run_id} has no interrupt {answer.interrupt_id!r}"
            )


async def settled(
    runs: Runs, principal: Principal, accepted: Accepted, listener: Listener, *, seconds: float
) -> Run:
    """Return the accepted run once it rests; `listener` was there before it was submitted."""
    if accepted.replayed:
        return await runs.wait(principal, accepted.run.run_id, seconds=seconds)
    return await runs.settled(principal, accepted.run.run_id, listener, seconds=seconds)


def _report(run: Run, details: Details) -> dict[str, JsonValue]:
    cancel = run_view(run, details=details)["cancel"]
    return cancel if isinstance(cancel, dict) else {}

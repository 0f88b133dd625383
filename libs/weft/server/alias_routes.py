"""The short way in: `/invoke`, `/stream`, `/health`, and what stands at `/`."""

import anyio
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from weft.core import SYSTEM_CLOCK, new_run_id, rfc3339
from weft.core.errors import EventsExpiredError, StoreUnavailableError
from weft.server.admission import Admission, accepted_headers, json_response
from weft.server.alias_streams import AliasFrames
from weft.server.requests import RunRequest, principal_of, wait_of
from weft.server.routes import CREATING, described, router
from weft.server.run_routes import settled
from weft.server.streams import EventStream, cursor_of
from weft.server.views import answer_view

PROBE_SECONDS = 1.0


def alias_routes(admission: Admission) -> APIRouter:
    """Return the aliases and the routes that speak of the server itself."""
    routes, door = router(), _Door(admission)
    routes.add_api_route(
        "/invoke",
        door.invoke,
        methods=["POST"],
        **described("invoke", body=RunRequest, errors=CREATING),
    )
    routes.add_api_route(
        "/stream",
        door.stream,
        methods=["POST"],
        **described("stream", body=RunRequest, errors=CREATING),
    )
    routes.add_api_route("/health", door.health, **described("health", errors=(503,)))
    routes.add_api_route("/liveness", door.liveness, **described("liveness"))
    routes.add_api_route("/readiness", door.readiness, **described("readiness", errors=(503,)))
    routes.add_api_route("/v1/me", door.me, **described("getMe"))
    routes.add_api_route("/", door.root, **described("root"))
    return routes


class _Door:
    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._runs = admission.runs
        self._options = admission.options

    async def invoke(self, request: Request) -> Response:
        """Run and answer once the run rests; 202 with its place if that takes too long."""
        run_id = new_run_id()
        with self._runs.hub.listen(run_id) as listener:
            accepted = await self._admission.admit(request, run_id=run_id)
            wait, longest = wait_of(request), self._options.invoke_wait_s
            wait = longest if wait is None else min(wait, longest)
            run = await settled(self._runs, principal_of(request), accepted, listener, seconds=wait)
        rests = run.terminal or run.status == "interrupted"
        headers = accepted_headers(request, accepted)
        return json_response(answer_view(run), status=200 if rests else 202, headers=headers)

    async def stream(self, request: Request) -> Response:
        """Run and stream thoughts, tokens and tool calls, then the answer."""
        accepted = await self._admission.admit(request, run_id=new_run_id())
        headers = accepted_headers(request, accepted)
        run = accepted.run
        after = cursor_of(request, run) if accepted.replayed else 0
        if run.terminal and after >= run.last_seq:
            return Response(status_code=204, headers=headers)
        if run.pruned:
            raise EventsExpiredError(run.run_id)
        stream = EventStream(
            self._runs,
            principal_of(request),
            run,
            AliasFrames(),
            after=after,
            pace=self._options.pace,
        )
        stream.headers.update(headers)
        return stream

    async def health(self, request: Request) -> Response:  # noqa: ARG002 - a route
        """Tell whether runs can be accepted; no credential is needed."""
        if not await self._store_answers():
            return json_response({"status": "unavailable"}, status=503)
        owner = self._runs.owner
        return json_response(
            {
                "status": "ok",
                "timestamp": rfc3339(SYSTEM_CLOCK.now()),
                "busy": owner is not None and owner.busy > 0,
            }
        )

    async def liveness(self, request: Request) -> Response:  # noqa: ARG002 - a route
        """Tell that this process answers."""
        return json_response({"status": "ok"})

    async def readiness(self, request: Request) -> Response:  # noqa: ARG002 - a route
        """Tell whether requests should be sent here."""
        stopping = self._options.pace.stopping
        if (stopping is not None and stopping.is_set()) or not await self._store_answers():
            return json_response({"status": "unavailable"}, status=503)
        return json_response({"status": "ok"})

    async def _store_answers(self) -> bool:
        try:
            with anyio.fail_after(PROBE_SECONDS):
                await self._runs.checkpointer.ping()
        except (StoreUnavailableError, TimeoutError):
            return False
        return True

    async def me(self, request: Request) -> Response:
        """Return who asks, and what they may do."""
        principal = principal_of(request)
        return json_response(
            {
                "tenant": principal.tenant,
                "subject": principal.subject,
                "scopes": sorted(principal.scopes),
                "kind": principal.kind,
            }
        )

    async def root(self, request: Request) -> Response:  # noqa: ARG002 - a route
        """Return what this is, and where to go on."""
        return json_response(
            {
                "name": self._options.title,
                "version": self._options.version,
                "links": {
                    "invoke": "/invoke",
                    "stream": "/stream",
                    "runs": "/v1/runs",
                    "me": "/v1/me",
                    "health": "/health",
                    "openapi": "/openapi.json",
                },
            }
        )

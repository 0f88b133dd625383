"""`POST /v1/alerts`: Alertmanager's webhook becomes a run, one per group and start."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from weft.checkpoint import Run
from weft.core import new_run_id
from weft.core.errors import IdempotencyKeyReusedError
from weft.runs import MESH_RUN
from weft.server.admission import Admission, json_response
from weft.server.alerts import AlertGroup
from weft.server.requests import RunRequest, body_of, principal_of
from weft.server.routes import CREATING, described, router

OK, ACCEPTED = 200, 202


def alert_routes(admission: Admission) -> APIRouter:
    """Return the route."""
    routes, door = router(), _Door(admission)
    routes.add_api_route(
        "/v1/alerts",
        door.take,
        methods=["POST"],
        status_code=ACCEPTED,
        **described("takeAlerts", body=AlertGroup, errors=CREATING),
    )
    return routes


class _Door:
    def __init__(self, admission: Admission) -> None:
        self._admission = admission
        self._store = admission.runs.checkpointer.runs

    async def take(self, request: Request) -> Response:
        """Start a run for a group that fires: 202, or 200 with the run that it has already.

        A group that was resolved starts nothing: 200, with its run if it ever had one.
        """
        principal = principal_of(request, "runs:write")
        group = body_of(request, AlertGroup)
        run = await self._store.find(principal, MESH_RUN, group.key)
        if run is not None or group.status == "resolved":
            return _answer(run, OK)
        goal = RunRequest(input=group.goal(), metadata=group.metadata())
        try:
            accepted = await self._admission.submit(
                request, goal, run_id=new_run_id(), key=group.key
            )
        except IdempotencyKeyReusedError:
            # Another delivery of the group came first, with one alert more or less.
            run = await self._store.find(principal, MESH_RUN, group.key)
            return _answer(run, OK)
        return _answer(accepted.run, OK if accepted.replayed else ACCEPTED)


def _answer(run: Run | None, status: int) -> Response:
    shown = {"run_id": run and run.run_id, "status": run and run.status}
    headers = {"cache-control": "no-store"}
    if run is not None:
        headers["location"] = f"/v1/runs/{run.run_id}"
    return json_response(shown, status=status, headers=headers)

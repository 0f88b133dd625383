"""`GET /v1/runs/{run_id}/replay`: what comes of a finished run now, over what is recorded of it."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.control import ControlClient
from weft.core import Authority
from weft.server import json_response, principal_of, run_id_of


def replay_routes(router: ControlClient) -> APIRouter:
    """Return the route, answered by the mesh's router and whoever worked for the run."""
    routes = APIRouter()

    @routes.get("/v1/runs/{run_id}/replay", operation_id="replayRun")
    async def replay(request: Request) -> Response:
        """Return whether it comes out the same, and the first thing that does not; nothing is called."""
        principal = principal_of(request, "runs:read")
        authority = Authority(principal, trace=request.state.trace)
        return json_response(await router.replay(authority, run_id_of(request)))

    return routes

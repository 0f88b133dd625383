"""`POST /v1/explain`: how a request would be routed, without running it."""

from fastapi import APIRouter, Request
from fastapi.responses import Response

from gateway.control import ControlClient
from weft.core import Authority, JsonObject, dumps
from weft.core.errors import InputError
from weft.core.messages import MAX_PROMPT, prompt_fits
from weft.core.protocol_errors import BodyTooLargeError
from weft.server import Body, principal_of, validated


class ExplainRequest(Body):
    """What would be asked: words, a goal frame, or both."""

    input: str = ""
    goal: JsonObject | None = None
    protocol: str | None = None


def explain_routes(router: ControlClient) -> APIRouter:
    """Return the route, answered by the mesh's router."""
    routes = APIRouter()
    schema = {
        "requestBody": {
            "required": True,
            "content": {"application/json": {"schema": ExplainRequest.model_json_schema()}},
        }
    }

    @routes.post("/v1/explain", operation_id="explain", openapi_extra=schema)
    async def explain(request: Request) -> Response:
        """Return the frame, the protocols considered, the plan and what it would cost."""
        principal = principal_of(request, "runs:read")
        asked = validated(request.state.body or {}, ExplainRequest)
        if not asked.input and asked.goal is None:
            raise InputError("say what to explain: input, goal or both", field="input")
        if not prompt_fits(asked.input):
            raise BodyTooLargeError(MAX_PROMPT, "input")
        authority = Authority(principal, trace=request.state.trace)
        answer = await router.explain(
            authority, text=asked.input, goal=asked.goal, protocol=asked.protocol
        )
        return Response(dumps(answer), media_type="application/json")

    return routes

"""How a route is written here: a plain coroutine from request to response, and its description."""

from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

from fastapi import APIRouter
from fastapi.routing import APIRoute
from pydantic import BaseModel
from starlette.requests import Request
from starlette.responses import Response

from weft.core import JsonObject, JsonValue

Handler = Callable[[Request], Coroutine[Any, Any, Response]]
H = TypeVar("H", bound=Handler)

CREATING = (404, 409, 413, 415, 422, 429, 503)
"""Statuses with which a new run may be refused, besides those of every route."""
_PROBLEM: JsonObject = {
    "description": "A problem (RFC 9457).",
    "content": {
        "application/problem+json": {
            "schema": {
                "type": "object",
                "required": ["type", "title", "status", "detail", "code", "retryable", "trace_id"],
            }
        }
    },
}


class PlainRoute(APIRoute):
    """Calls its handler with the request alone: the edge has parsed and checked it already."""

    def get_route_handler(self) -> Handler:
        handler: Handler = self.endpoint
        return handler


def router() -> APIRouter:
    """Return a router of plain routes."""
    return APIRouter(route_class=PlainRoute, redirect_slashes=False)


def described(
    operation_id: str,
    *,
    body: type[BaseModel] | None = None,
    optional: bool = False,
    query: Sequence[str] = (),
    errors: Sequence[int] = (),
) -> dict[str, Any]:
    """Return the keyword arguments that describe a route in the OpenAPI document."""
    extra: JsonObject = {}
    if body is not None:
        schema: JsonObject = body.model_json_schema(ref_template="#/components/schemas/{model}")
        schema.pop("$defs", None)
        content: JsonObject = {"application/json": {"schema": schema}}
        extra["requestBody"] = {"required": not optional, "content": content}
    parameters: list[JsonValue] = [
        {"name": name, "in": "query", "required": False, "schema": {"type": "string"}}
        for name in query
    ]
    if parameters:
        extra["parameters"] = parameters
    return {
        "operation_id": operation_id,
        "openapi_extra": extra,
        "response_model": None,
        "responses": dict.fromkeys((400, 401, 403, *errors), _PROBLEM),
    }


def definitions(*bodies: type[BaseModel]) -> JsonObject:
    """Return the component schemas that the described bodies refer to."""
    schemas: JsonObject = {}
    for body in bodies:
        defs = body.model_json_schema(ref_template="#/components/schemas/{model}").get("$defs", {})
        schemas.update(defs)
    return schemas

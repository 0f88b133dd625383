"""The front door's application: routes over durable runs, behind the edge guard."""

from collections.abc import Sequence
from dataclasses import replace

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from weft.core.errors import WeftError
from weft.runs import Runs
from weft.server.admission import Admission, ApiOptions
from weft.server.alert_routes import alert_routes
from weft.server.alerts import AlertGroup
from weft.server.alias_routes import alias_routes
from weft.server.credentials import BearerAuthenticator
from weft.server.cross_origin import cross_origin
from weft.server.edge import Edge, EdgeRules
from weft.server.gate import RequestGate
from weft.server.list_routes import list_routes
from weft.server.requests import CancelRequest, ResumeRequest, RunRequest
from weft.server.routes import definitions
from weft.server.run_routes import run_routes
from weft.server.thread_routes import thread_routes
from weft.service.problems import on_http_error, on_weft_error

__all__ = ["api"]

DOCS = "/docs"


def api(
    runs: Runs,
    authenticator: BearerAuthenticator,
    gate: RequestGate,
    *,
    options: ApiOptions | None = None,
    rules: EdgeRules | None = None,
    extra_routes: Sequence[APIRouter] = (),
) -> ASGIApp:
    """Return the application that serves `runs`, and `extra_routes` behind the same guard.

    The caller keeps `gate.watching()` open while it serves.
    """
    chosen = options or ApiOptions()
    admission = Admission(runs, chosen, gate)
    app = _Described(
        title=chosen.title,
        description=chosen.description,
        version=chosen.version,
        docs_url=DOCS if chosen.docs else None,
        redoc_url=None,
        redirect_slashes=False,
        exception_handlers={
            WeftError: on_weft_error,
            HTTPException: on_http_error,
            Exception: on_weft_error,
        },
    )
    # Routes are matched in order, and an included router costs every request that passes it.
    for own in (
        alias_routes(admission),
        run_routes(admission),
        thread_routes(runs),
        alert_routes(admission),
        list_routes(admission),
    ):
        app.router.routes.extend(own.routes)
    for router in extra_routes:
        app.include_router(router)
    edge_rules = rules or EdgeRules()
    if chosen.docs:
        described = {DOCS, app.openapi_url or ""}
        edge_rules = replace(edge_rules, open_paths=edge_rules.open_paths | described)
    return cross_origin(Edge(app, authenticator, edge_rules, gate), chosen.origins)


class _Described(FastAPI):
    def openapi(self) -> dict[str, object]:
        """Return the document, with the schemas that bodies described by hand refer to."""
        if self.openapi_schema is None:
            document = get_openapi(
                title=self.title,
                version=self.version,
                description=self.description,
                routes=self.routes,
            )
            schemas = document.setdefault("components", {}).setdefault("schemas", {})
            schemas.update(definitions(RunRequest, CancelRequest, ResumeRequest, AlertGroup))
            schemes = document["components"].setdefault("securitySchemes", {})
            schemes["key"] = {"type": "http", "scheme": "bearer"}
            document["security"] = [{"key": []}]
            self.openapi_schema = document
        return self.openapi_schema

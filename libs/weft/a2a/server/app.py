"""The agent's front: its card, and the bindings that answer its calls.

It executes nothing: it submits runs to the agent's own store and follows their logs.
"""

import hashlib
from email.utils import formatdate
from typing import TypedDict

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import Unpack

from weft.a2a.replays import Replays
from weft.a2a.server import http
from weft.a2a.server.binding import Operations
from weft.a2a.server.callers import Authenticator, Callers
from weft.a2a.server.http import loopback
from weft.a2a.server.httpjson import HttpJson, no_route
from weft.a2a.server.jsonrpc import JsonRpc
from weft.a2a.server.tasks import TaskLimits, Tasks
from weft.a2a.wire.cards import WELL_KNOWN, Card
from weft.a2a.wire.legacy_cards import dual
from weft.catalog import Entry
from weft.core import JsonObject
from weft.core.errors import ConfigError
from weft.identity import signatures
from weft.identity.keys import SigningKey
from weft.runs import Runs

CARD_SECONDS = 60


class ServerOptions(TypedDict, total=False):
    """What a server is given besides its card, its runs and its address."""

    authenticator: Authenticator | None
    key: SigningKey | None
    limits: TaskLimits | None
    replays: Replays | None
    """Walks a task again; None says that this agent cannot."""


class A2AServer:
    """Serves one agent; `app()` is an ASGI application, `routes()` fits into another.

    Without `authenticator` every caller is the local one, so only loopback is answered.
    """

    def __init__(
        self,
        card: Card,
        runs: Runs,
        *,
        url: str,
        **options: Unpack[ServerOptions],
    ) -> None:
        authenticator, key = options.get("authenticator"), options.get("key")
        limits = options.get("limits") or TaskLimits()
        self.tasks = Tasks(runs, card=card, limits=limits, replays=options.get("replays"))
        self.callers = Callers(card.name, authenticator, limits)
        self.operations = Operations(self.tasks, self.callers, required=card.required_extensions)
        self.jsonrpc = JsonRpc(self.operations)
        self.http_json = HttpJson(self.operations)
        self._open = authenticator is None
        self._url = url
        schemes = {} if authenticator is None else authenticator.schemes
        self.show(card.to_wire(url, schemes=schemes), key)

    def show(self, card: JsonObject, key: SigningKey | None) -> None:
        """Serve `card` from now on: signed by `key`, or without one readable for 0.3, too."""
        # A signature holds for one form of a card only: members of the mesh read that of 1.0.
        self.card = signatures.sign(card, key) if key else dual(card)
        self._card_bytes = orjson.dumps(self.card)
        self._card_headers = {
            "ETag": f'"{hashlib.sha256(self._card_bytes).hexdigest()[:32]}"',
            "Last-Modified": formatdate(usegmt=True),
            "Cache-Control": f"public, max-age={CARD_SECONDS}",
        }

    def entry(self, instance: str, *, started_at: float = 0.0) -> Entry:
        """Return what this server tells the catalogue of itself."""
        return Entry(
            service=self.tasks.agent,
            instance=instance,
            url=self._url,
            card=self._card_bytes.decode(),
            started_at=started_at,
        )

    def routes(self) -> list[Route]:
        return [
            Route(WELL_KNOWN, self._show_card, methods=["GET"]),
            Route("/", self.jsonrpc.call, methods=["POST"]),
            *self.http_json.routes(),
        ]

    def app(self) -> ASGIApp:
        missing = {404: _no_route, 405: _no_route}
        rest = Starlette(routes=self.routes(), exception_handlers=missing)

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            # Calls catch their own errors and need none of the layers that lie before a route.
            if scope["type"] == "http" and scope["method"] == "POST" and scope["path"] == "/":
                response = await self.jsonrpc.call(Request(scope, receive, send))
                await response(scope, receive, send)
            else:
                await rest(scope, receive, send)

        return app

    def check_bind(self, host: str) -> None:
        """Return if this server may listen on `host`.

        Raises:
            ConfigError: It has no authenticator and `host` is not loopback.
        """
        if self._open and not loopback(host):
            raise ConfigError(
                f"without an authenticator the server listens on loopback only, not on {host!r}: "
                "ask for a key, or listen on 127.0.0.1"
            )

    def drain(self) -> None:
        """End every open stream; their readers come back to another replica."""
        for stream in tuple(self.operations.streams):
            stream.stop()

    async def _show_card(self, request: Request) -> Response:
        if http.names_tag(request.headers.getlist("if-none-match"), self._card_headers["ETag"]):
            return Response(status_code=304, headers=self._card_headers)
        return Response(self._card_bytes, media_type="application/json", headers=self._card_headers)


async def _no_route(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    words = f"{request.method} {request.url.path[:120]!r} is no operation of this agent"
    return no_route(words, status, getattr(error, "headers", None))

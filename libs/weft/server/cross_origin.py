"""Pages of other origins that may call the front door from a browser: those that are listed."""

import re
from collections.abc import Collection

from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

from weft.core.errors import ConfigError

__all__ = ["cross_origin", "origins_in"]

_ORIGIN = re.compile(r"https?://(?:\[[0-9a-f:.]{2,45}+\]|[a-z0-9.-]{1,253}+)(?::[0-9]{1,5}+)?")
_METHODS = ("GET", "POST", "PATCH", "DELETE")
_ASKED = (
    "authorization", "content-type", "idempotency-key", "last-event-id", "prefer", "traceparent",
    "weft-timeout-ms",
)  # fmt: skip
_EXPOSED = (
    "Location", "Retry-After", "Idempotency-Key", "Idempotency-Replayed", "RateLimit",
    "RateLimit-Policy", "traceparent",
)  # fmt: skip


def origins_in(names: str) -> frozenset[str]:
    """Return the origins of a list with commas, each as a browser says it.

    Raises:
        ConfigError: One is none; `*` would let any page use what a browser keeps.
    """
    origins = frozenset(origin.strip().lower() for origin in names.split(",") if origin.strip())
    if wrong := sorted(origin for origin in origins if _ORIGIN.fullmatch(origin) is None):
        raise ConfigError(
            f"{wrong[0]!r} is no origin: write exactly what a browser sends, such as "
            "https://app.example.com or http://localhost:5173, without a path; '*' is not taken"
        )
    return origins


def cross_origin(app: ASGIApp, origins: Collection[str]) -> ASGIApp:
    """Return `app`, which answers the browsers of pages of these origins as they need it.

    What comes from elsewhere, or from no browser, passes as if nothing stood in front.
    """
    if not origins:
        return app
    allowed = {origin.encode() for origin in origins}
    shared = CORSMiddleware(
        app,
        allow_origins=sorted(origins),
        allow_methods=_METHODS,
        allow_headers=_ASKED,
        expose_headers=_EXPOSED,
    )

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        from_listed = scope["type"] == "http" and any(
            name == b"origin" and value in allowed for name, value in scope["headers"]
        )
        await (shared if from_listed else app)(scope, receive, send)

    return wrapped

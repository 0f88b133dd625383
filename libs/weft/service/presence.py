"""Answers who is here: a seal over the asker's own nonce, which no recording can give."""

import re
from urllib.parse import parse_qs

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from weft.a2a.seals import PROOF_PATH, Sealer

__all__ = ["proving"]

_NONCE = re.compile(r"[0-9a-f]{32}")


def proving(app: ASGIApp, sealer: Sealer) -> ASGIApp:
    """Return `app`, which proves besides that this process is the one announced."""

    async def wrapped(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != PROOF_PATH:
            await app(scope, receive, send)
            return
        await _answer(scope, sealer)(scope, receive, send)

    return wrapped


def _answer(scope: Scope, sealer: Sealer) -> Response:
    if scope["method"] != "GET":
        return Response(status_code=405)
    nonces = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("nonce", [])
    if len(nonces) != 1 or _NONCE.fullmatch(nonces[0]) is None:
        return Response(status_code=400)
    if not sealer.open:
        # It leaves, or is not ready: nobody shall count on it.
        return Response(status_code=503, headers={"Retry-After": "1"})
    return Response(
        sealer.sealed(nonces[0]),
        media_type="application/jose",
        headers={"Cache-Control": "no-store"},
    )

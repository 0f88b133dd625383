"""Requests that are still open when their process leaves."""

import asyncio
import logging

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from weft.core import new_id
from weft.core.edge_errors import DrainingError
from weft.service.problems import problem_response

log = logging.getLogger(__name__)


class AnsweredAtStop:
    """Answers 503 where the end of the process cuts a request off before its answer began."""

    def __init__(self, app: ASGIApp, stopping: asyncio.Event) -> None:
        self._app = app
        self._stopping = stopping

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        began = False

        async def told(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, receive, told)
        except asyncio.CancelledError:
            if began or scope["type"] != "http" or not self._stopping.is_set():
                raise
            log.info("request_cut")
            response = problem_response(DrainingError(), instance=scope["path"], trace_id=new_id())
            await response(scope, receive, send)


def is_no_cut(record: logging.LogRecord) -> bool:
    """Tell whether a line of the HTTP server is about anything but a request cut off by a stop.

    The server tells of those as of crashes, with a traceback.
    """
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))

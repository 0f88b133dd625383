"""Threads: what was said in one, and its end."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import anyio
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from weft.checkpoint import Run, Thread, ThreadKey
from weft.core import JsonObject, JsonValue, Message, Principal, Result, rfc3339, text_of
from weft.core.errors import InputError, NotFoundError
from weft.runs import RoutedRequest, Runs
from weft.server.admission import json_response
from weft.server.requests import path_id, principal_of
from weft.server.routes import described, router
from weft.server.views import thread_status, usage_of

ERASE_SECONDS = 2.0
"""How long a deletion waits for the agents that were called."""
ERASE_PAUSE_SECONDS = 0.05
DELETED = "its thread was deleted"
MAX_RUNS = 1000
"""How far back a thread is told from its runs."""


def thread_routes(runs: Runs) -> APIRouter:
    """Return the routes of threads, under `/v1` and as aliases."""
    routes, door = router(), _Door(runs)
    gone = described("deleteThread", query=("cancel",), errors=(409, 422))
    routes.add_api_route(
        "/v1/threads/{thread_id}",
        door.read,
        **described("getThread", query=("subject",), errors=(404,)),
    )
    routes.add_api_route("/v1/threads/{thread_id}", door.delete, methods=["DELETE"], **gone)
    routes.add_api_route(
        "/threads/{thread_id}",
        door.transcript,
        **described("threadAlias", query=("subject",), errors=(404,)),
    )
    gone = described("deleteThreadAlias", query=("cancel",), errors=(409, 422))
    routes.add_api_route("/threads/{thread_id}", door.delete, methods=["DELETE"], **gone)
    return routes


class _Door:
    def __init__(self, runs: Runs) -> None:
        self._runs = runs
        self._store = runs.checkpointer

    async def read(self, request: Request) -> Response:
        """Return the thread without its messages."""
        thread, runs, key = await self._found(request)
        status, active = thread_status(runs)
        created, updated = _times(thread, runs)
        return json_response(
            {
                "thread_id": key.thread_id,
                "subject": key.subject,
                "status": status,
                "active_run_id": active,
                "metadata": {},
                "created_at": created,
                "updated_at": updated,
                "expires_at": None,
            }
        )

    async def transcript(self, request: Request) -> Response:
        """Return the thread with its messages."""
        thread, runs, key = await self._found(request)
        created, updated = _times(thread, runs)
        messages = _messages(thread, runs)
        usage = usage_of(runs[0]) if runs else None
        return json_response(
            {
                "thread_id": key.thread_id,
                "status": thread_status(runs)[0],
                "iteration": usage["model_calls"] if usage else None,
                "messages": messages,
                "metadata": {},
                "created_at": created,
                "updated_at": updated,
            }
        )

    async def delete(self, request: Request) -> Response:
        """Erase the thread's messages, runs and events; `deleted` is false if there was nothing.

        Whoever was called for it is asked to do the same; `pending` names those that have not
        answered yet, and are asked until they do.
        """
        principal = principal_of(request, "threads:write")
        cancel = request.query_params.get("cancel", "false")
        if cancel not in {"true", "false"}:
            raise InputError("'cancel' is true or false", field="cancel")
        key = _key(principal, request)
        if cancel == "true":
            # Asked to stop, their owners let go at once; the deletion alone they would find out.
            for run in await self._store.runs.thread_runs(key):
                if not run.terminal:
                    with suppress(NotFoundError):  # who deletes it at the same time came first
                        await self._runs.cancel(principal, run.run_id, reason=DELETED)
        deleted = await self._store.threads.delete(key, cancel=cancel == "true")
        pending = await self._still_there(key) if deleted else []
        return json_response({"deleted": deleted, "pending": pending})

    async def _still_there(self, key: ThreadKey) -> list[JsonValue]:
        """Return who may still hold something of the thread, once they had time to answer."""
        give_up = anyio.current_time() + ERASE_SECONDS
        while True:
            left = await self._store.threads.erasing(key, limit=MAX_RUNS)
            names = sorted({name for run in left for name in run.peers})
            if not names or anyio.current_time() > give_up:
                return [*names]
            await anyio.sleep(ERASE_PAUSE_SECONDS)

    async def _found(self, request: Request) -> tuple[Thread | None, Sequence[Run], ThreadKey]:
        key = _readable_key(principal_of(request, "threads:read"), request)
        thread = await self._store.threads.load(key)
        every = await self._store.runs.thread_runs(key, limit=MAX_RUNS)
        runs = [run for run in every if not run.pruned]
        if thread is None and not runs:
            raise NotFoundError("thread", key.thread_id)
        return thread, runs, key


def _key(principal: Principal, request: Request) -> ThreadKey:
    thread_id = path_id(request.path_params["thread_id"])
    return ThreadKey(principal.tenant, principal.subject, thread_id)


def _readable_key(principal: Principal, request: Request) -> ThreadKey:
    """Return the thread that is to be read: of the `subject` that who administers a tenant names.

    Raises:
        NotFoundError: It is another's.
    """
    key = _key(principal, request)
    subject = request.query_params.get("subject", principal.subject)
    if subject != principal.subject and not principal.administers:
        raise NotFoundError("thread", key.thread_id)
    return replace(key, subject=subject)


def _messages(thread: Thread | None, runs: Sequence[Run]) -> list[JsonValue]:
    """Return what was said, oldest first.

    A mesh run may keep its turn in its own row only; what was asked and answered stands there.
    """
    if thread is not None and thread.entries:
        return [_shown(Message.model_validate_json(entry)) for entry in thread.entries]
    messages: list[JsonValue] = []
    for run in reversed(runs):
        messages.append(_shown(Message.user(RoutedRequest.model_validate(run.request).input)))
        if run.result is not None and (text := text_of(Result.answer_in(run.result))):
            messages.append(_shown(Message.assistant(text)))
    return messages


def _shown(message: Message) -> JsonObject:
    calls: list[JsonValue] = [call.to_json() for call in message.tool_calls]
    return {"role": message.role, "content": message.content, "tool_calls": calls}


def _times(thread: Thread | None, runs: Sequence[Run]) -> tuple[str, str]:
    began = [run.created_at for run in runs]
    ended = [run.updated_at for run in runs]
    if thread is not None:
        began.append(thread.created_at)
        ended.append(thread.updated_at)
    return rfc3339(min(began)), rfc3339(max(ended))

"""`weft threads`: conversations, what was said in them, and their end."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer

from weft.cli.app import Json, group, run, shown
from weft.cli.client import Gateway
from weft.cli.lists import columns, entries, own_or_all, words
from weft.core import JsonObject

ThreadId = Annotated[str, typer.Argument(help="As `weft threads ls` lists it.")]
threads = group("threads", "Conversations.")


@threads.command(name="ls")
def list_threads(
    context: typer.Context,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 20,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """List your threads, the one that was begun last first; all of the tenant with an admin key."""
    reading = partial(_listed, limit=limit)
    raise SystemExit(run(shown(context.obj, reading, _rows, as_json=as_json)))


@threads.command(name="show")
def show_thread(
    context: typer.Context,
    thread_id: ThreadId,
    subject: Annotated[
        str | None, typer.Option(help="Whose it is, for a key that administers the tenant.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Print what was said in a thread."""
    reading = partial(_read, thread_id=thread_id, subject=subject)
    raise SystemExit(run(shown(context.obj, reading, _said, as_json=as_json)))


@threads.command(name="rm")
def remove_thread(
    context: typer.Context,
    thread_id: ThreadId,
    *,
    cancel: Annotated[
        bool, typer.Option("--cancel", help="Stop a run of it that is under way.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Erase a thread with its runs, here and in every specialist that worked for it."""
    removing = partial(_removed, thread_id=thread_id, cancel=cancel)
    raise SystemExit(run(shown(context.obj, removing, _erasure, as_json=as_json)))


async def _listed(gateway: Gateway, *, limit: int) -> list[JsonObject]:
    return await entries(gateway, "threads", limit=limit, query={})


def _rows(listed: object) -> list[str]:
    rows = own_or_all(listed, ("thread_id", "status", "created_at", "updated_at"))
    return [*columns(rows)] if rows else ["There are no threads."]


async def _read(gateway: Gateway, *, thread_id: str, subject: str | None) -> JsonObject:
    return await gateway.transcript(thread_id, subject=subject)


def _said(document: object) -> list[str]:
    return [*_messages(document)] if isinstance(document, dict) else []


def _messages(thread: JsonObject) -> Iterator[str]:
    messages = thread.get("messages")
    for message in messages if isinstance(messages, list) else []:
        if isinstance(message, dict):
            who = "you" if message.get("role") == "user" else "weft"
            yield f"{who}> {words(message.get('content'))}"
    if not messages:
        yield "Nothing is kept of what was said in it."


async def _removed(gateway: Gateway, *, thread_id: str, cancel: bool) -> JsonObject:
    return await gateway.delete("threads", thread_id, cancel="true" if cancel else "false")


def _erasure(document: object) -> list[str]:
    outcome = document if isinstance(document, dict) else {}
    if not outcome.get("deleted"):
        return ["There was nothing of this thread."]
    pending = outcome.get("pending")
    if not isinstance(pending, list) or not pending:
        return ["The thread is erased."]
    names = ", ".join(str(name) for name in pending)
    return [f"The thread is erased here; {names} will erase it once it answers."]

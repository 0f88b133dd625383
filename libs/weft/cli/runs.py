"""`weft runs`: those that were accepted, what became of them, and their end."""

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Annotated, Literal

import typer

from weft.cli.answer import Answer
from weft.cli.answer import lines as answer_lines
from weft.cli.app import Json, MeshPlace, answered, app, group, run, shown
from weft.cli.ask import tail
from weft.cli.client import Gateway
from weft.cli.lists import columns, entries, own_or_all, words
from weft.cli.run_tree import drawn, flowchart
from weft.cli.trace import trace_lines
from weft.core import JsonObject, JsonValue

RunId = Annotated[str, typer.Argument(help="As `weft ask` printed it.")]
runs = group("runs", "Runs that were accepted.")


@runs.command(name="ls")
def list_runs(
    context: typer.Context,
    status: Annotated[
        str | None, typer.Option(help="Such as running, interrupted, completed, failed.")
    ] = None,
    thread: Annotated[str | None, typer.Option(help="Of this conversation.")] = None,
    agent: Annotated[str | None, typer.Option(help="That were sent to this agent.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many.")] = 20,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """List your runs, newest first: id, state, when, and what was asked.

    With a key that administers the tenant they are everybody's, with who asked.
    """
    query = {"status": status, "thread_id": thread, "agent": agent}
    reading = partial(_listed, query=query, limit=limit)
    raise SystemExit(run(shown(context.obj, reading, _rows, as_json=as_json)))


@runs.command(name="show")
def show_run(
    context: typer.Context,
    run_id: RunId,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Say what was asked, what became of it, and what it took."""
    place: MeshPlace = context.obj
    lines = partial(_told, command=place.command)
    raise SystemExit(run(shown(place, partial(_shown, run_id=run_id), lines, as_json=as_json)))


@runs.command(name="cancel")
def cancel_run(
    context: typer.Context,
    run_id: RunId,
    reason: Annotated[str, typer.Option(help="Why; it stands in the run's log.")] = "",
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Stop a run and say what was done, what was not, and of what nobody can tell."""
    canceling = partial(_canceled, run_id=run_id, reason=reason)
    raise SystemExit(run(shown(context.obj, canceling, _cancel_report, as_json=as_json)))


@app.command(name="rate")
def rate_run(
    context: typer.Context,
    run_id: RunId,
    rating: Annotated[Literal["good", "bad"], typer.Argument(help="What came of it.")],
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Say whether a run of yours came to something good; the router hears it where it learns."""
    rated = partial(_rated, run_id=run_id, rating=rating)
    raise SystemExit(run(shown(context.obj, rated, _rating, as_json=as_json)))


@runs.command(name="tree")
def run_tree(
    context: typer.Context,
    run_id: RunId,
    *,
    mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid flowchart.")] = False,
    as_json: Json = False,
) -> None:
    """Show who did what in a run: steps, agents, tools and models, with time and use."""
    drawing = flowchart if mermaid else drawn
    lines = partial(_drawn, drawing=drawing)
    reading = partial(_tree, run_id=run_id)
    raise SystemExit(run(shown(context.obj, reading, lines, as_json=as_json)))


@app.command(name="trace")
def trace_run(
    context: typer.Context,
    run_id: RunId,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Show where the time of a run went, what its end waited for, and who waited for whom."""
    reading = partial(_traced, run_id=run_id)
    raise SystemExit(run(shown(context.obj, reading, _trace, as_json=as_json)))


@runs.command(name="tail")
def tail_run(
    context: typer.Context,
    run_id: RunId,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Watch a run from its beginning and print its report."""
    watching = partial(tail, run_id=run_id, title=run_id)
    raise SystemExit(run(answered(context.obj, watching, as_json=as_json)))


async def _listed(
    gateway: Gateway, *, query: Mapping[str, str | None], limit: int
) -> list[JsonObject]:
    return await entries(gateway, "runs", limit=limit, query=query)


def _rows(listed: object) -> list[str]:
    rows = own_or_all(listed, ("run_id", "status", "created_at", "input_preview"))
    return [*columns(rows)] if rows else ["There are no such runs."]


async def _shown(gateway: Gateway, *, run_id: str) -> JsonObject:
    return await gateway.get("runs", run_id)


def _told(document: object, *, command: str) -> list[str]:
    return [*_run_lines(document, command=command)] if isinstance(document, dict) else []


def _run_lines(view: JsonObject, *, command: str) -> Iterator[str]:
    usage = view.get("usage")
    spent = usage if isinstance(usage, dict) else {}
    facts = {
        "run": view.get("run_id"),
        "asked": view.get("input_preview"),
        "status": view.get("status"),
        "thread": view.get("thread_id"),
        "protocol": view.get("protocol"),
        "agent": view.get("agent"),
        "accepted": view.get("created_at"),
        "ended": view.get("ended_at"),
        "trace": view.get("trace_id"),
        "model calls": spent.get("model_calls"),
        "tool calls": spent.get("tool_calls"),
        "tokens": spent.get("total_tokens"),
    }
    yield from columns([[name, words(value)] for name, value in facts.items() if value is not None])
    if view.get("cancel") is not None:
        yield from _report_lines(view.get("cancel"))
    answer = Answer.of(view)
    if view.get("status") == "completed" and view.get("output") is None:
        yield "Its log and its answer were too old to keep."
        return
    yield ""
    yield from answer_lines(answer, command=command)


async def _tree(gateway: Gateway, *, run_id: str) -> JsonObject:
    return await gateway.get("runs", run_id, "tree")


def _drawn(document: object, *, drawing: Callable[[JsonObject], Iterator[str]]) -> list[str]:
    return [*drawing(document)] if isinstance(document, dict) else []


async def _traced(gateway: Gateway, *, run_id: str) -> JsonObject:
    view = await gateway.get("runs", run_id)
    tree = await gateway.get("runs", run_id, "tree")
    return {"accepted": view.get("created_at"), "tree": tree}


def _trace(document: object) -> list[str]:
    tree = document.get("tree") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(tree, dict):
        return []
    return trace_lines(tree, document.get("accepted"))


async def _rated(front: Gateway, *, run_id: str, rating: str) -> JsonObject:
    return await front.rate(run_id, rating=rating)


def _rating(document: object) -> list[str]:
    rating = document.get("rating") if isinstance(document, dict) else None
    return [f"Rated {rating}."]


async def _canceled(gateway: Gateway, *, run_id: str, reason: str) -> JsonObject:
    return await gateway.cancel(run_id, reason=reason or "canceled at the terminal")


def _cancel_report(document: object) -> list[str]:
    view = document if isinstance(document, dict) else {}
    head = f"The run is {words(view.get('status'))}."
    return [head, *_report_lines(view)]


def _report_lines(report: JsonValue) -> Iterator[str]:
    """Yield what a cancellation came to: each agent that was at work, each effect that was begun."""
    parts = report if isinstance(report, dict) else {}
    for kind, name in (("peers", "agent"), ("effects", "tool")):
        listed = parts.get(kind)
        for entry in listed if isinstance(listed, list) else []:
            if isinstance(entry, dict):
                yield f"  {words(entry.get(name))}: {words(entry.get('outcome'))}"

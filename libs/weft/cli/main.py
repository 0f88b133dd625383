"""`weft`: the commands that ask, and all others by their modules.

Exit codes: 0 success, 1 the run failed, 2 wrong usage, 3 it waits for a person, 4 canceled or
expired, 5 unreachable or refused, 130 detached with Ctrl-C from a run that goes on.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from weft.cli import agent, agents, keys, outside, replay, runs, threads, up
from weft.cli.answer import Answer
from weft.cli.app import (
    FAILED,
    USAGE,
    Data,
    Json,
    MeshPlace,
    Words,
    answered,
    app,
    fail,
    failed,
    group,
    mesh_place,
    run,
    shown,
)
from weft.cli.approve import Said, approve, inbox
from weft.cli.ask import Goal, ask, print_answer
from weft.cli.attach import attached
from weft.cli.chat import chat
from weft.cli.client import Gateway, gateway
from weft.cli.evaluate import accuracy, evaluate, naming, summary
from weft.cli.explain import Drawing, drawn, why
from weft.cli.gathered import gathering, options_of
from weft.cli.pruning import document, report
from weft.cli.text import json_text, printable
from weft.core import JsonObject
from weft.core.errors import WeftError
from weft.core.private_files import resolved
from weft.local.attachments import drop_old
from weft.local.upkeep import is_running, prune_databases
from weft.runs import KEEP_DAYS

__all__ = ["agent", "agents", "app", "keys", "main", "outside", "replay", "runs", "threads", "up"]

evaluation = group("eval", "How good the mesh's answers are.")
Files = Annotated[
    list[Path] | None,
    typer.Option(
        "--file",
        "-f",
        help="What the question is about: copied below the home of this machine's mesh, where its "
        "specialists read it, and deleted after 30 days. Repeatable; - is standard input.",
    ),
]


_ROUTED = gathering(
    {
        "protocol": (Annotated[str | None, typer.Option(help="Use this protocol.")], None),
        "agent": (
            Annotated[
                str | None,
                typer.Option(help="Let this one answer, by the name that `weft agents ls` shows."),
            ],
            None,
        ),
    }
)


@app.command(name="ask")
@_ROUTED
def ask_command(
    context: typer.Context,
    words: Words,
    data: Data = None,
    file: Files = None,
    thread: Annotated[str | None, typer.Option(help="Continue this conversation.")] = None,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Ask the mesh, watch the run, print the report."""
    place = mesh_place()
    about = _about(place, data, file)
    question = Goal(" ".join(words), data=about, thread_id=thread, **options_of(context))
    asking = partial(ask, question=question)
    sys.exit(run(answered(place, asking, as_json=as_json)))


@app.command(name="chat")
def chat_command(
    context: typer.Context,
    data: Data = None,
    file: Files = None,
    thread: Annotated[str | None, typer.Option(help="Continue this conversation.")] = None,
) -> None:
    """Ask in one thread, line by line; each question may build on the answers before it."""
    place: MeshPlace = context.obj
    about = _about(place, data, file)

    def asking(question: Goal) -> int:
        return run(answered(place, partial(ask, question=question), as_json=False))

    sys.exit(chat(asking, thread_id=thread, data=about, command=place.command))


@app.command(name="explain")
def explain_command(
    context: typer.Context,
    words: Words,
    protocol: Annotated[str | None, typer.Option(help="Use this protocol.")] = None,
    draw: Annotated[Drawing, typer.Option(help="How the plan is shown.")] = "steps",
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Say what the mesh would do about a goal, and why; nothing is run."""
    question = Goal(" ".join(words), protocol=protocol)
    sys.exit(run(_explained(context.obj, question, draw=draw, as_json=as_json)))


@app.command(name="approve")
def approve_command(
    run_id: Annotated[
        str | None, typer.Argument(help="The run that waits; without it, all that waits for you.")
    ] = None,
    *,
    interrupt: Annotated[
        str | None, typer.Option(help="The question's id; needed where several are open.")
    ] = None,
    refuse: Annotated[bool, typer.Option("--no", "--refuse", help="Say no.")] = False,
    comment: Annotated[str | None, typer.Option(help="Why; the run's log keeps it.")] = None,
    payload: Annotated[str | None, typer.Option(help="The whole answer, as JSON.")] = None,
    as_json: Json = False,
) -> None:
    """Answer what a run waits for, then watch it go on; an approver of the tenant may, too."""
    place = mesh_place()
    if run_id is None:
        if refuse or comment is not None or payload is not None or interrupt is not None:
            sys.exit(fail("say which run: weft approve RUN", USAGE))
        sys.exit(run(shown(place, _inbox, partial(_waiting, place=place), as_json=as_json)))
    said = Said(refuse=refuse, comment=comment, payload=payload)
    answering = partial(approve, run_id=run_id, interrupt=interrupt, said=said)
    sys.exit(run(_approved(place, answering, as_json=as_json)))


@app.command(name="prune")
def prune_command(
    context: typer.Context,
    keep_days: Annotated[
        float, typer.Option(min=0.0, help="What has been at rest for longer goes.")
    ] = KEEP_DAYS,
    database: Annotated[
        list[str] | None,
        typer.Option(help="A database URL, instead of the files in the home; repeatable."),
    ] = None,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Take what is old from the databases of this machine's mesh, which may run meanwhile.

    What waits for a person is never old. A mesh prunes itself besides, after WEFT_KEEP_DAYS.
    """
    if not keep_days:
        words = "--keep-days is more than 0; a thread is deleted by `weft threads rm`"
        sys.exit(fail(words, USAGE))
    work = _pruned(context.obj.home, database or [], keep_days=keep_days, as_json=as_json)
    sys.exit(run(work))


@evaluation.command()
def rca(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Holds the cases and their labels.json.")],
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Diagnose every labelled case through the mesh and print AC@1, AC@3 and AC@5."""
    sys.exit(run(_evaluate(context.obj, directory, as_json=as_json)))


@app.command()
def schema() -> None:
    """Print the JSON Schema of `weft ask --json`."""
    sys.stdout.write(json_text(Answer.model_json_schema()) + "\n")


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (WeftError, OSError) as error:
        sys.exit(failed(error))


def _about(place: MeshPlace, data: Path | None, files: list[Path] | None) -> Path | None:
    """Return the directory that a question is about."""
    if files:
        if data is not None:
            sys.exit(fail("say --data or -f, not both: a question is about one directory", USAGE))
        return attached(place, files)
    data = resolved(data) if data else None
    if data is not None and not data.exists() and place.credentials().on_this_machine:
        sys.exit(fail(f"there is no directory {data}", USAGE))
    return data


async def _approved(
    place: MeshPlace, answering: Callable[[Gateway], Awaitable[Answer | None]], *, as_json: bool
) -> int:
    async with gateway(place.credentials()) as front:
        answer = await answering(front)
    if answer is None:
        if as_json:
            sys.stdout.write(json_text({"answered": True}) + "\n")
        else:
            sys.stdout.write("Answered; the run is another's and goes on.\n")
        return 0
    print_answer(answer, as_json=as_json, command=place.command)
    return answer.exit_code


async def _inbox(front: Gateway) -> JsonObject:
    return await front.get("interrupts", limit="100")


def _waiting(document: object, *, place: MeshPlace) -> list[str]:
    return [*inbox(document, command=place.command)] if isinstance(document, dict) else []


async def _explained(place: MeshPlace, question: Goal, *, draw: Drawing, as_json: bool) -> int:
    async with gateway(place.credentials()) as front:
        explanation = await front.explain(question.body())
    if as_json:
        sys.stdout.write(json_text(explanation) + "\n")
    else:
        # The picture alone goes to standard output, so that it can be piped on.
        sys.stderr.write("\n".join(why(explanation)) + "\n")
        sys.stdout.write(printable(drawn(explanation, draw)) + "\n")
    return 0 if explanation.get("error") is None else FAILED


async def _evaluate(place: MeshPlace, directory: Path, *, as_json: bool) -> int:
    async with gateway(place.credentials()) as front:
        verdicts = await evaluate(front, directory)
    if as_json:
        figures = {f"ac{k}": accuracy(verdicts, k) for k in (1, 3, 5)}
        counts = asdict(naming(verdicts))
        document = {"cases": [asdict(verdict) for verdict in verdicts], **figures, "causes": counts}
        sys.stdout.write(json_text(document) + "\n")
    else:
        sys.stdout.write(summary(verdicts) + "\n")
    return 0


async def _pruned(home: Path, urls: list[str], *, keep_days: float, as_json: bool) -> int:
    outcomes = await prune_databases(home, urls, keep_days=keep_days)
    if not urls:
        await asyncio.to_thread(partial(drop_old, home, keep_days=keep_days))
    running = await asyncio.to_thread(is_running, home)
    if as_json:
        sys.stdout.write(json_text(document(outcomes, running=running)) + "\n")
    else:
        sys.stdout.write("\n".join(map(printable, report(outcomes, running=running))) + "\n")
    return 0


if __name__ == "__main__":
    main()

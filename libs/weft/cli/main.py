"""`weft`: the commands, their options and exit codes.

Answers go to standard output, progress to standard error. Exit codes: 0 success, 1 the run
failed, 2 wrong usage, 3 it waits for a person, 4 canceled or expired, 5 unreachable or refused,
130 detached with Ctrl-C from a run that goes on.
"""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Annotated

import anyio
import typer
from rich.console import Console

import weft
from weft.cli.answer import Answer
from weft.cli.approve import Said, approve
from weft.cli.ask import (
    DetachedError,
    Goal,
    ask,
    print_answer,
    submitted,
    tail,
    watch,
)
from weft.cli.client import Gateway, UnreachableError, gateway, read_credentials
from weft.cli.evaluate import accuracy, evaluate, naming, summary
from weft.cli.explain import Drawing, drawn, why
from weft.cli.limits import limits_in
from weft.cli.prune import document, report
from weft.cli.text import json_text, one_line, printable
from weft.core import ALL_SCOPES, RUN_SCOPES, rfc3339
from weft.core.errors import ConfigError, InputError, WeftError, system_words
from weft.core.private_files import resolved
from weft.local.credentials import Credentials
from weft.local.mesh import RunningMesh, UpOptions, mesh_up, until_interrupted
from weft.local.upkeep import is_running, prune_databases
from weft.runs import KEEP_DAYS
from weft.service.keys import KeyFile, new_key

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A mesh of agents.")
keys = typer.Typer(no_args_is_help=True, help="API keys of the mesh on this machine.")
evaluation = typer.Typer(no_args_is_help=True, help="How good the mesh's answers are.")
runs = typer.Typer(no_args_is_help=True, help="Runs that were accepted.")
app.add_typer(keys, name="keys")
app.add_typer(runs, name="runs")
app.add_typer(evaluation, name="eval")

FAILED, USAGE, CANCELED, UNREACHABLE, DETACHED = 1, 2, 4, 5, 130
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Data = Annotated[Path | None, typer.Option(help="The directory the question is about.")]


@dataclass(frozen=True, slots=True)
class MeshPlace:
    """Where the mesh is."""

    home: Path
    url: str | None
    key: str | None

    def credentials(self) -> Credentials:
        return read_credentials(self.home, url=self.url, key=self.key)


@app.callback()
def place(
    context: typer.Context,
    home: Annotated[
        Path, typer.Option(envvar="WEFT_HOME", help="Where this machine's mesh keeps its state.")
    ] = Path(".weft"),
    url: Annotated[str | None, typer.Option(envvar="WEFT_URL", help="The gateway.")] = None,
    key: Annotated[str | None, typer.Option(envvar="WEFT_KEY", help="An API key.")] = None,
) -> None:
    """Work with a mesh of agents."""
    context.obj = MeshPlace(home, url, key)


@app.command()
def up(
    context: typer.Context,
    port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Where the gateway listens on 127.0.0.1.")
    ] = 8000,
    data_root: Annotated[
        list[Path] | None, typer.Option(help="Specialists open only what lies below; repeatable.")
    ] = None,
    data: Data = None,
    question: Annotated[
        str | None, typer.Option("--ask", help="Ask this once the mesh runs, then stop.")
    ] = None,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Start the whole mesh on this machine and keep it running until Ctrl-C.

    Behind a proxy, GATEWAY_HOSTS=mesh.example.com names what the gateway answers to.
    """
    data = resolved(data) if data else None
    roots = [*(data_root or []), *([data] if data else [])]
    if missing := [str(each) for each in roots if not each.is_dir()]:
        sys.exit(_fail(f"there is no directory {', '.join(missing)}", USAGE))
    options = UpOptions(
        home=context.obj.home,
        port=port,
        project=_project(),
        data_roots=roots,
        data=data,
    )
    asked = Goal(question, data=data) if question else None
    sys.exit(_run(_up(options, asked, as_json=as_json)))


@app.command(name="ask")
def ask_command(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="The goal, in words.")],
    data: Data = None,
    thread: Annotated[str | None, typer.Option(help="Continue this conversation.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Use this protocol.")] = None,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Ask the mesh, watch the run, print the report."""
    data = resolved(data) if data else None
    if data is not None and not data.exists() and context.obj.credentials().on_this_machine:
        sys.exit(_fail(f"there is no directory {data}", USAGE))
    question = Goal(text, data=data, thread_id=thread, protocol=protocol)
    asking = partial(ask, question=question)
    sys.exit(_run(_answered(context.obj, asking, as_json=as_json)))


@app.command(name="explain")
def explain_command(
    context: typer.Context,
    text: Annotated[str, typer.Argument(help="The goal, in words.")],
    protocol: Annotated[str | None, typer.Option(help="Use this protocol.")] = None,
    draw: Annotated[Drawing, typer.Option(help="How the plan is shown.")] = "steps",
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Say what the mesh would do about a goal, and why; nothing is run."""
    question = Goal(text, protocol=protocol)
    sys.exit(_run(_explained(context.obj, question, draw=draw, as_json=as_json)))


@runs.command(name="tail")
def tail_run(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(help="As `weft ask` printed it.")],
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Watch a run from its beginning and print its report."""
    watching = partial(tail, run_id=run_id, title=run_id)
    sys.exit(_run(_answered(context.obj, watching, as_json=as_json)))


@app.command(name="approve")
def approve_command(
    context: typer.Context,
    run_id: Annotated[str, typer.Argument(help="The run that waits, as `weft ask` printed it.")],
    *,
    interrupt: Annotated[
        str | None, typer.Option(help="The question's id; needed where several are open.")
    ] = None,
    refuse: Annotated[bool, typer.Option("--refuse", help="Say no.")] = False,
    payload: Annotated[str | None, typer.Option(help="The whole answer, as JSON.")] = None,
    as_json: Json = False,
) -> None:
    """Answer what a run waits for, then watch it go on."""
    said = Said(refuse=refuse, payload=payload)
    answering = partial(approve, run_id=run_id, interrupt=interrupt, said=said)
    sys.exit(_run(_answered(context.obj, answering, as_json=as_json)))


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
        sys.exit(
            _fail("--keep-days is more than 0; a thread is deleted by `weft threads rm`", USAGE)
        )
    work = _pruned(context.obj.home, database or [], keep_days=keep_days, as_json=as_json)
    sys.exit(_run(work))


@evaluation.command()
def rca(
    context: typer.Context,
    directory: Annotated[Path, typer.Argument(help="Holds the cases and their labels.json.")],
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Diagnose every labelled case through the mesh and print AC@1, AC@3 and AC@5."""
    sys.exit(_run(_evaluate(context.obj, directory, as_json=as_json)))


@app.command()
def schema() -> None:
    """Print the JSON Schema of `weft ask --json`."""
    sys.stdout.write(json_text(Answer.model_json_schema()) + "\n")


@keys.command(name="create")
def create_key(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="What the key is for.")],
    subject: Annotated[str | None, typer.Option(help="Default: one of its own.")] = None,
    scope: Annotated[
        list[str] | None,
        typer.Option(help=f"Repeatable. Default: {', '.join(sorted(RUN_SCOPES))}."),
    ] = None,
    limit: Annotated[
        list[str] | None,
        typer.Option(help="Repeatable: per_s=5, streams=2, queued=10 ..., or none for no limit."),
    ] = None,
) -> None:
    """Make an API key and print it, once."""
    unknown = sorted(set(scope or ()) - ALL_SCOPES)
    unknown = [each for each in unknown if not each.startswith("agents:")]
    if unknown:
        known = ", ".join(sorted(ALL_SCOPES))
        sys.exit(_fail(f"unknown scope {', '.join(unknown)}; known: {known}", USAGE))
    try:
        limits = limits_in(limit or ())
    except InputError as error:
        sys.exit(_fail(str(error), USAGE))
    made = new_key(name, subject=subject, scopes=scope or RUN_SCOPES, limits=limits)
    KeyFile(context.obj.home / "keys.json").add(made.record)
    sys.stdout.write(made.text + "\n")


@keys.command(name="ls")
def list_keys(context: typer.Context) -> None:
    """List the keys by id; the keys themselves are kept nowhere."""
    for record in KeyFile(context.obj.home / "keys.json").records():
        state = f"revoked {rfc3339(record.revoked_at)}" if record.revoked_at else "valid"
        sys.stdout.write(
            one_line(f"{record.key_id}  {state:<32} {record.subject:<34} {record.name}") + "\n"
        )


@keys.command(name="revoke")
def revoke_key(context: typer.Context, key_id: str) -> None:
    """Revoke a key; every process refuses it within 5 s."""
    file = KeyFile(context.obj.home / "keys.json")
    known = {record.key_id: record for record in file.records()}
    if key_id not in known:
        sys.exit(_fail(f"there is no key {key_id!r}; see `weft keys ls`", USAGE))
    file.revoke(lambda record: record.key_id == key_id)


def main() -> None:
    """Run the command line."""
    try:
        app()
    except (WeftError, OSError) as error:
        sys.exit(_failed(error))


def _project() -> Path:
    """Return the checkout we stand in, else the one this package was installed from."""
    here = Path.cwd()
    return here if (here / "router_service").is_dir() else Path(weft.__file__).parents[2]


def _run(work: Coroutine[object, object, int]) -> int:
    try:
        return asyncio.run(work)
    except DetachedError as error:
        sys.stderr.write(f"{error}\n")
        return DETACHED
    except (WeftError, OSError) as error:
        return _failed(error)


def _failed(error: WeftError | OSError) -> int:
    """Say in a sentence what went wrong and return the exit code for it."""
    if isinstance(error, UnreachableError):
        return _fail(str(error), UNREACHABLE)
    if isinstance(error, OSError):
        return _fail(system_words(error), USAGE)
    return _fail(str(error), USAGE if isinstance(error, ConfigError) else FAILED)


async def _up(options: UpOptions, asked: Goal | None, *, as_json: bool) -> int:
    """Keep the mesh until Ctrl-C, also one that is not ready yet, or until the answer is there."""
    stopped = until_interrupted()
    hosting = asyncio.create_task(_hosted(options, asked, as_json=as_json))
    leaving = asyncio.create_task(stopped.wait())
    await asyncio.wait({hosting, leaving}, return_when=asyncio.FIRST_COMPLETED)
    leaving.cancel()
    if hosting.done():
        return await hosting
    _tell("weft", "stopping")
    hosting.cancel()
    await asyncio.wait({hosting})
    if not hosting.cancelled():
        return await hosting
    return 0 if asked is None else CANCELED


async def _hosted(options: UpOptions, asked: Goal | None, *, as_json: bool) -> int:
    async with mesh_up(options, tell=_tell) as mesh:
        _welcome(mesh)
        if asked is None:
            await anyio.sleep_forever()
            return 0
        async with gateway(Credentials(url=mesh.url, key=mesh.key)) as front:
            run_id = await submitted(front, asked)
            _tell("weft", f"run {run_id}")
            console = Console(stderr=True)
            answer = await watch(front, run_id, title=asked.text, console=console)
        print_answer(answer, as_json=as_json)
        return answer.exit_code


def _welcome(mesh: RunningMesh) -> None:
    names = ", ".join(child.command.name for child in mesh.children)
    _tell("weft", f"ready in {mesh.seconds:.1f} s: {names}")
    sys.stderr.write(f"\n  gateway  {mesh.url}\n  API key  {mesh.key}\n\n")
    sys.stderr.write('  try      weft ask "Diagnose the checkout slowdown"\n\n')
    sys.stderr.flush()


async def _answered(
    place: MeshPlace, asking: Callable[[Gateway], Awaitable[Answer]], *, as_json: bool
) -> int:
    async with gateway(place.credentials()) as front:
        answer = await asking(front)
    print_answer(answer, as_json=as_json)
    return answer.exit_code


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
        document = {"cases": [asdict(each) for each in verdicts], **figures, "causes": counts}
        sys.stdout.write(json_text(document) + "\n")
    else:
        sys.stdout.write(summary(verdicts) + "\n")
    return 0


async def _pruned(home: Path, urls: list[str], *, keep_days: float, as_json: bool) -> int:
    outcomes = await prune_databases(home, urls, keep_days=keep_days)
    running = await asyncio.to_thread(is_running, home)
    if as_json:
        sys.stdout.write(json_text(document(outcomes, running=running)) + "\n")
    else:
        sys.stdout.write("\n".join(map(printable, report(outcomes, running=running))) + "\n")
    return 0


def _tell(name: str, words: str) -> None:
    sys.stderr.write(f"[{name}] {printable(words)}\n")
    sys.stderr.flush()


def _fail(words: str, code: int) -> int:
    sys.stderr.write(f"weft: {printable(words)}\n")
    return code


if __name__ == "__main__":
    main()

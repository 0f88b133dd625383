"""What every command stands on: the place of the mesh, exit codes, and words for a person.

Answers go to standard output, progress to standard error.
"""

import asyncio
import os
import shlex
import sys
from collections.abc import Awaitable, Callable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Annotated

import typer

from weft.cli.answer import Answer
from weft.cli.ask import DetachedError, print_answer
from weft.cli.client import Gateway, UnreachableError, gateway, read_credentials
from weft.cli.text import json_text, printable
from weft.core.errors import ConfigError, WeftError, system_words
from weft.local.credentials import Credentials

FAILED, USAGE, CANCELED, UNREACHABLE, DETACHED = 1, 2, 4, 5, 130
HOME = Path(".weft")
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
Data = Annotated[Path | None, typer.Option(help="The directory the question is about.")]
Words = Annotated[list[str], typer.Argument(help="The goal, in words; quotes are not needed.")]

app = typer.Typer(no_args_is_help=True, add_completion=False, help="A mesh of agents.")


def group(name: str, about: str) -> typer.Typer:
    """Return a group of commands below `weft NAME`."""
    commands = typer.Typer(no_args_is_help=True, help=about)
    app.add_typer(commands, name=name)
    return commands


@dataclass(frozen=True, slots=True)
class MeshPlace:
    """Where the mesh is."""

    home: Path
    url: str | None
    key: str | None

    def credentials(self) -> Credentials:
        return read_credentials(self.home, url=self.url, key=self.key)

    @property
    def command(self) -> str:
        """Return `weft` as it is called for this mesh: with what was said of its place here."""
        said = os.environ.get("WEFT_HOME")
        usual = HOME if said is None else Path(said)
        return "weft" if self.home == usual else f"weft --home {shlex.quote(str(self.home))}"


_PLACE: ContextVar[MeshPlace] = ContextVar("place")


def show_version(wanted: bool) -> None:  # noqa: FBT001 - an option of the command line
    if wanted:
        sys.stdout.write(f"weft {version('weft-mesh')}\n")
        raise typer.Exit


@app.callback()
def place(
    context: typer.Context,
    home: Annotated[
        Path, typer.Option(envvar="WEFT_HOME", help="Where this machine's mesh keeps its state.")
    ] = HOME,
    url: Annotated[str | None, typer.Option(envvar="WEFT_URL", help="The gateway.")] = None,
    key: Annotated[str | None, typer.Option(envvar="WEFT_KEY", help="An API key.")] = None,
    *,
    _: Annotated[
        bool,
        typer.Option(
            "--version", callback=show_version, is_eager=True, help="Print the version and exit."
        ),
    ] = False,
) -> None:
    """Work with a mesh of agents."""
    context.obj = MeshPlace(home, url, key)
    _PLACE.set(context.obj)


def mesh_place() -> MeshPlace:
    """Return where the mesh of this call is, for a command that has as many options as it may."""
    return _PLACE.get()


def run(work: Coroutine[object, object, int]) -> int:
    """Do the work and return its exit code; what goes wrong is said in a sentence."""
    try:
        return asyncio.run(work)
    except DetachedError as error:
        again = f"{mesh_place().command} runs tail {error.run_id}"
        sys.stderr.write(f"detached; the run goes on, and `{again}` shows it\n")
        return DETACHED
    except (WeftError, OSError) as error:
        return failed(error)


def failed(error: WeftError | OSError) -> int:
    """Say in a sentence what went wrong and return the exit code for it."""
    if isinstance(error, UnreachableError):
        return fail(str(error), UNREACHABLE)
    if isinstance(error, OSError):
        return fail(system_words(error), USAGE)
    return fail(str(error), USAGE if isinstance(error, ConfigError) else FAILED)


def fail(words: str, code: int) -> int:
    sys.stderr.write(f"weft: {printable(words)}\n")
    return code


def tell(name: str, words: str) -> None:
    """Say what goes on."""
    sys.stderr.write(f"[{name}] {printable(words)}\n")
    sys.stderr.flush()


async def answered(
    place: MeshPlace, asking: Callable[[Gateway], Awaitable[Answer]], *, as_json: bool
) -> int:
    """Print what `asking` a gateway comes to."""
    async with gateway(place.credentials()) as front:
        answer = await asking(front)
    print_answer(answer, as_json=as_json, command=place.command)
    return answer.exit_code


async def shown(
    place: MeshPlace,
    reading: Callable[[Gateway], Awaitable[object]],
    lines: Callable[[object], list[str]],
    *,
    as_json: bool,
) -> int:
    """Print what `reading` finds: as it is, or as `lines` for a person."""
    async with gateway(place.credentials()) as front:
        document = await reading(front)
    if as_json:
        sys.stdout.write(json_text(document) + "\n")
    else:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in lines(document)))
    return 0

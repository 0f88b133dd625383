"""`--prometheus`, `--loki`, `--jaeger` and `--tempo`: live systems that the mesh may read."""

import inspect
from collections.abc import Callable, Mapping
from typing import Annotated
from urllib.parse import urlsplit

import typer

from weft.cli.app import USAGE, fail
from weft.local.mesh import LIVE_SYSTEMS

__all__ = ["live_of", "takes_live"]

_KEPT = "live systems"


def takes_live(command: Callable[..., None]) -> Callable[..., None]:
    """Give `command`, whose first parameter is its context, one option per kind of live system.

    They are gathered in the context, where `live_of` finds them.
    """

    def taking(context: typer.Context, **values: object) -> None:
        context.meta[_KEPT] = {kind: values.pop(kind) for kind in LIVE_SYSTEMS}
        command(context, **values)

    signature = inspect.signature(command)
    options = [
        inspect.Parameter(
            kind,
            inspect.Parameter.KEYWORD_ONLY,
            default=None,
            annotation=Annotated[str | None, typer.Option(help=f"Read it live, as {usual}.")],
        )
        for kind, usual in LIVE_SYSTEMS.items()
    ]
    parameters = [*signature.parameters.values(), *options]
    taking.__name__, taking.__doc__ = command.__name__, command.__doc__
    taking.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    # A command line is read off a function's signature.
    vars(taking)["__signature__"] = inspect.Signature(parameters)
    return taking


def live_of(context: typer.Context) -> Mapping[str, str]:
    """Return the URLs that were given, by kind; ends the program where one is none."""
    given: Mapping[str, str | None] = context.meta[_KEPT]
    urls = {kind: url for kind, url in given.items() if url}
    for kind, url in urls.items():
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            words = f"--{kind} takes an address such as {LIVE_SYSTEMS[kind]}"
            raise SystemExit(fail(words, USAGE))
        if parts.username is not None:
            # Every user of this machine sees a program's arguments.
            words = f"no password on a command line: set WEFT_{kind.upper()} in the environment"
            raise SystemExit(fail(words, USAGE))
    return urls

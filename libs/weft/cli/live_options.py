"""Options that name what a mesh has beside data: live systems, runbooks, a target, a project."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlsplit

import typer

from weft.cli.app import USAGE, fail
from weft.cli.gathered import gathering, options_of
from weft.core.private_files import resolved
from weft.local.mesh import LIVE_SYSTEMS, OperatedTarget

__all__ = ["code_of", "live_of", "operated_of", "runbooks_of", "takes_live"]

_OPERATE, _TOKEN, _RUNBOOKS, _CODE = "operate", "operate_token", "runbooks", "code"
_A_TARGET = "http://127.0.0.1:9000"
_OPTIONS: Mapping[str, Any] = {
    **{
        kind: Annotated[str | None, typer.Option(help=f"Read it live, as {usual}.")]
        for kind, usual in LIVE_SYSTEMS.items()
    },
    _OPERATE: Annotated[
        str | None,
        typer.Option(
            help=f"What the operator may act on once a person approved it, as {_A_TARGET}."
        ),
    ],
    _TOKEN: Annotated[
        Path | None, typer.Option(help="File with the bearer token of what is operated.")
    ],
    _RUNBOOKS: Annotated[
        list[Path] | None,
        typer.Option(help="Directory of runbooks that the generalist answers from; repeatable."),
    ],
    _CODE: Annotated[
        Path | None,
        typer.Option(help="Project for which the coder writes patches; nothing in it is changed."),
    ],
}


takes_live = gathering({name: (annotation, None) for name, annotation in _OPTIONS.items()})
"""Gives a command one option per system, which `live_of`, `operated_of`, `runbooks_of` and `code_of` read."""


def live_of(context: typer.Context) -> Mapping[str, str]:
    """Return the URLs that were given, by kind; ends the program where one is none."""
    given = options_of(context)
    urls = {kind: url for kind in LIVE_SYSTEMS if (url := given[kind])}
    for kind, url in urls.items():
        _check(
            kind,
            url,
            usual=LIVE_SYSTEMS[kind],
            instead=f"set WEFT_{kind.upper()} in the environment",
        )
    return urls


def operated_of(context: typer.Context) -> OperatedTarget | None:
    """Return what the mesh may operate; ends the program where that is no address, or no file."""
    given = options_of(context)
    url, token = given[_OPERATE], given[_TOKEN]
    if url is None:
        if token is not None:
            raise SystemExit(
                fail("--operate-token goes with --operate, which says for what", USAGE)
            )
        return None
    _check(
        _OPERATE, url, usual=_A_TARGET, instead="write its token into a file for --operate-token"
    )
    if token is not None and not token.is_file():
        raise SystemExit(fail(f"there is no file {token} to read a token from", USAGE))
    return OperatedTarget(url, None if token is None else resolved(token))


def runbooks_of(context: typer.Context) -> list[Path]:
    """Return the directories of runbooks; ends the program where one is none."""
    roots: list[Path] = options_of(context)[_RUNBOOKS] or []
    if missing := [str(root) for root in roots if not root.is_dir()]:
        raise SystemExit(fail(f"there is no directory {', '.join(missing)}", USAGE))
    return roots


def code_of(context: typer.Context) -> Path | None:
    """Return the coder's project; ends the program where it is no directory."""
    project: Path | None = options_of(context)[_CODE]
    if project is not None and not project.is_dir():
        raise SystemExit(fail(f"there is no directory {project} for --code", USAGE))
    return project


def _check(option: str, url: str, *, usual: str, instead: str) -> None:
    parts = urlsplit(url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise SystemExit(fail(f"--{option} takes an address such as {usual}", USAGE))
    if parts.username is not None:
        # Every user of this machine sees a program's arguments.
        raise SystemExit(fail(f"no password on a command line: {instead}", USAGE))

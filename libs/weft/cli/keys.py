"""`weft keys`: who may ask the mesh of this machine."""

import sys
from typing import Annotated

import typer

from weft.cli.app import USAGE, MeshPlace, fail, group
from weft.cli.limits import limits_in
from weft.cli.text import one_line
from weft.core import ALL_SCOPES, RUN_SCOPES, rfc3339
from weft.core.errors import InputError
from weft.service.keys import KeyFile, new_key

keys = group("keys", "API keys of the mesh on this machine.")


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
    _check_home(context.obj)
    unknown = sorted(set(scope or ()) - ALL_SCOPES)
    unknown = [word for word in unknown if not word.startswith("agents:")]
    if unknown:
        scopes = ", ".join(sorted(ALL_SCOPES))
        raise SystemExit(fail(f"unknown scope {', '.join(unknown)}; known: {scopes}", USAGE))
    try:
        limits = limits_in(limit or ())
    except InputError as error:
        raise SystemExit(fail(str(error), USAGE)) from error
    made = new_key(name, subject=subject, scopes=scope or RUN_SCOPES, limits=limits)
    KeyFile(context.obj.home / "keys.json").add(made.record)
    sys.stdout.write(made.text + "\n")


@keys.command(name="ls")
def list_keys(context: typer.Context) -> None:
    """List the keys by id; the keys themselves are kept nowhere."""
    _check_home(context.obj)
    for record in KeyFile(context.obj.home / "keys.json").records():
        state = f"revoked {rfc3339(record.revoked_at)}" if record.revoked_at else "valid"
        sys.stdout.write(
            one_line(f"{record.key_id}  {state:<32} {record.subject:<34} {record.name}") + "\n"
        )


@keys.command(name="revoke")
def revoke_key(context: typer.Context, key_id: str) -> None:
    """Revoke a key; every process refuses it within 5 s."""
    _check_home(context.obj)
    file = KeyFile(context.obj.home / "keys.json")
    records = {record.key_id: record for record in file.records()}
    if key_id not in records:
        raise SystemExit(fail(f"there is no key {key_id!r}; see `weft keys ls`", USAGE))
    file.revoke(lambda record: record.key_id == key_id)


def _check_home(place: MeshPlace) -> None:
    """Leave where there is no mesh to have keys: a mistyped place would get some of its own."""
    if not place.home.is_dir():
        words = f"there is no mesh in {place.home}: start it with `weft up`, or say --home"
        raise SystemExit(fail(words, USAGE))

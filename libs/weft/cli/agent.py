"""`weft agent`: make a specialist of one's own, and see from outside whether one keeps to A2A."""

import sys
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Annotated

import typer

from weft.a2a.checks import Check, check_agent
from weft.a2a.client import open_session
from weft.cli.app import FAILED, Json, failed, group, run
from weft.cli.new_agent import make_agent
from weft.cli.text import json_text, printable
from weft.core.errors import ConfigError

agent = group("agent", "Make and check agents of your own.")
MARKS = {"ok": "ok     ", "fault": "FAULT  ", "advice": "advice ", "unchecked": "?      "}


@agent.command(name="new")
def new_command(
    name: Annotated[str, typer.Argument(help="Lower case: it names the package and the service.")],
    directory: Annotated[
        Path, typer.Option(help="Where `services/` and `tests/` lie, or will.")
    ] = Path(),
) -> None:
    """Write a small specialist with a test, ready to run."""
    try:
        files = make_agent(name, directory)
    except ConfigError as error:
        sys.exit(failed(error))
    sys.stdout.write("".join(f"wrote {printable(str(path))}\n" for path in files))
    sys.stdout.write(
        f"Start it alone: python -m services.{name}.main --open\n"
        "See it from outside: weft agent check URL, with the address that it prints\n"
        "In a checkout of the mesh `weft up` starts it with the others; elsewhere it joins a running\n"
        "mesh whose home it is given: WEFT_HOME=DIR.\n"
    )


@agent.command(name="check")
def check_command(
    url: Annotated[str, typer.Argument(help="Where the agent is: http://127.0.0.1:8100")],
    *,
    key: Annotated[
        str | None, typer.Option(envvar="WEFT_AGENT_KEY", help="An API key of the agent.")
    ] = None,
    text: Annotated[
        str, typer.Option(help="What it is asked, twice; an agent that acts may act on it.")
    ] = "Hello",
    seconds: Annotated[float, typer.Option(min=1.0, help="How long an answer may take.")] = 60.0,
    as_json: Json = False,
) -> None:
    """Say whether an agent keeps to A2A 1.0, and what to do where it does not.

    Exit code 0: all of it was checked and holds. 1: something does not, or could not be checked.
    """
    sys.exit(run(_checked(url, key=key, text=text, seconds=seconds, as_json=as_json)))


async def _checked(url: str, *, key: str | None, text: str, seconds: float, as_json: bool) -> int:
    checks: list[Check] = []
    async with (
        open_session() as session,
        aclosing(check_agent(session, url, text=text, key=key, seconds=seconds)) as coming,
    ):
        async for check in coming:
            checks.append(check)
            if not as_json:
                sys.stdout.write(printable(_line(check)) + "\n")
    if as_json:
        sys.stdout.write(json_text([check.to_json() for check in checks]) + "\n")
    else:
        sys.stdout.write(_summary(checks) + "\n")
    return FAILED if any(check.verdict in {"fault", "unchecked"} for check in checks) else 0


def _line(check: Check) -> str:
    words = f": {check.words}" if check.words else ""
    return f"{MARKS[check.verdict]}{check.subject}{words}"


def _summary(checks: Sequence[Check]) -> str:
    counts = {verdict: sum(check.verdict == verdict for check in checks) for verdict in MARKS}
    return (
        f"{counts['ok']} hold, {counts['fault']} faults, {counts['advice']} pieces of advice, "
        f"{counts['unchecked']} not checked"
    )

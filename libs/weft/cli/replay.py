"""`weft replay`: would the mesh of now do the same with what was said and brought then?"""

import sys
from collections.abc import Iterator
from typing import Annotated

import typer

from weft.cli.app import FAILED, UNREACHABLE, Json, MeshPlace, app, run
from weft.cli.client import gateway
from weft.cli.lists import columns, words
from weft.cli.text import json_text, printable
from weft.core import JsonObject, JsonValue

RunId = Annotated[str, typer.Argument(help="As `weft ask` printed it.")]
SAME = "It comes out the same"


@app.command(name="replay")
def replay_run(
    context: typer.Context,
    run_id: RunId,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Walk a finished run again over what its models said and its tools brought, calling neither.

    Says where the code, prompts and rules of now first do something else, in the plan or inside an
    agent, and ends with 1 then; with 5 where nothing differs and a part could not be compared.
    """
    raise SystemExit(run(_replayed(context.obj, run_id, as_json=as_json)))


async def _replayed(place: MeshPlace, run_id: str, *, as_json: bool) -> int:
    async with gateway(place.credentials()) as front:
        document = await front.get("runs", run_id, "replay")
    if as_json:
        sys.stdout.write(json_text(document) + "\n")
    else:
        sys.stdout.write("".join(f"{printable(line)}\n" for line in _lines(document)))
    same = document.get("same")
    return 0 if same is True else FAILED if same is False else UNREACHABLE


def _lines(document: JsonObject) -> Iterator[str]:
    agents = [agent for agent in _list(document.get("agents")) if isinstance(agent, dict)]
    difference = document.get("difference")
    if isinstance(difference, dict):
        yield from _first(difference, agents)
    elif document.get("same") is True:
        yield f"{SAME}: {_counted(agents)}."
    else:
        yield f"{SAME} as far as it was walked again: {_counted(agents)}."
    if agents:
        yield ""
        yield from columns(
            [[_place(agent), words(agent.get("agent")), _state(agent)] for agent in agents]
        )


def _first(difference: JsonObject, agents: list[JsonObject]) -> Iterator[str]:
    path = _list(difference.get("path"))
    inside = [agent for agent in agents if agent.get("difference") == difference]
    where = "/".join(map(str, path)) or "the end of the run"
    who = f" (inside {words(inside[0].get('agent'))})" if inside else ""
    yield f"It differs at {where}{who}, {words(difference.get('what'))}:"
    yield f"  recorded  {words(difference.get('recorded'))}"
    yield f"  replayed  {words(difference.get('replayed'))}"


def _counted(agents: list[JsonObject]) -> str:
    compared = [agent for agent in agents if not agent.get("not_compared")]
    turns, calls = (
        sum(_number(agent.get(name)) for agent in compared) for name in ("turns", "calls")
    )
    return (
        f"the plan, and inside {_many(len(compared), 'agent')} "
        f"{_many(turns, 'reply', 'replies')} and {_many(calls, 'tool call')}"
    )


def _state(agent: JsonObject) -> str:
    difference, gap = agent.get("difference"), agent.get("not_compared")
    if isinstance(difference, dict):
        return f"differs: {words(difference.get('what'))}"
    if gap:
        return f"not compared: {words(gap)}"
    turns, calls = _number(agent.get("turns")), _number(agent.get("calls"))
    return f"the same: {_many(turns, 'reply', 'replies')}, {_many(calls, 'tool call')}"


def _place(agent: JsonObject) -> str:
    return "/".join(map(str, _list(agent.get("path"))))


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []


def _number(value: JsonValue) -> int:
    return value if isinstance(value, int) else 0


def _many(number: int, one: str, more: str = "") -> str:
    return f"{number} {one if number == 1 else more or one + 's'}"

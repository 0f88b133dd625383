"""`weft agents`: who is there, and what each can do."""

from collections.abc import Iterator
from functools import partial
from typing import Annotated

import typer

from weft.cli.app import Json, group, run, shown
from weft.cli.client import Gateway
from weft.cli.lists import columns, entries, words
from weft.core import JsonObject, JsonValue

agents = group("agents", "Agents of the mesh.")


@agents.command(name="ls")
def list_agents(
    context: typer.Context,
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """List the agents that you may call, and those that were there and do not answer."""
    raise SystemExit(run(shown(context.obj, _listed, _rows, as_json=as_json)))


@agents.command(name="show")
def show_agent(
    context: typer.Context,
    name: Annotated[str, typer.Argument(help="As `weft agents ls` lists it.")],
    as_json: Json = False,  # noqa: FBT002 - an option of the command line
) -> None:
    """Say what an agent can do, in its card's words."""
    raise SystemExit(run(shown(context.obj, partial(_read, name=name), _told, as_json=as_json)))


async def _listed(gateway: Gateway) -> list[JsonObject]:
    return await entries(gateway, "agents", limit=100, query={})


def _rows(listed: object) -> list[str]:
    agents = (
        [agent for agent in listed if isinstance(agent, dict)] if isinstance(listed, list) else []
    )
    rows = [
        [
            words(agent.get("name")),
            words(agent.get("status")),
            ", ".join(str(skill.get("id")) for skill in _skills(agent)) or "-",
            words(agent.get("description")),
        ]
        for agent in agents
    ]
    return [*columns(rows)] if rows else ["There is no agent that you may call."]


async def _read(gateway: Gateway, *, name: str) -> JsonObject:
    return await gateway.get("agents", name)


def _told(document: object) -> list[str]:
    return [*_agent_lines(document)] if isinstance(document, dict) else []


def _agent_lines(agent: JsonObject) -> Iterator[str]:
    yield f"{words(agent.get('name'))}: {words(agent.get('description'))}"
    instances = agent.get("instances")
    count = len(instances) if isinstance(instances, list) else 0
    outside = agent.get("status") == "outside"
    instances_of = f", {count} instance{'' if count == 1 else 's'}"
    yield f"{words(agent.get('status'))}{' the mesh' if outside else instances_of}"
    for skill in _skills(agent):
        yield ""
        yield f"{words(skill.get('id'))}: {words(skill.get('description'))}"
        for name in ("domains", "roles", "risk", "effects"):
            yield f"  {name:<8} {_joined(skill.get(name))}"
        examples = skill.get("examples")
        for example in examples if isinstance(examples, list) else []:
            yield f"  such as  {words(example)}"


def _skills(agent: JsonObject) -> list[JsonObject]:
    skills = agent.get("skills")
    return (
        [skill for skill in skills if isinstance(skill, dict)] if isinstance(skills, list) else []
    )


def _joined(value: JsonValue) -> str:
    return ", ".join(map(str, value)) or "-" if isinstance(value, list) else words(value)

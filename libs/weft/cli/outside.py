"""`weft agents add` and `rm`: agents outside the mesh that this machine's mesh may hand work to."""

import asyncio
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from pydantic import ValidationError

from weft.a2a import PeerCard
from weft.a2a.client import FetchedCard, fetch_foreign_card, guarded_session
from weft.a2a.outside import outside_provider
from weft.a2a.wire.foreign_cards import read_foreign_card
from weft.catalog.outside import OUTSIDE_FILE, Credential, OutsideAgent
from weft.cli.agents import agents
from weft.cli.app import USAGE, MeshPlace, fail, run
from weft.cli.gathered import gathering, options_of
from weft.cli.text import printable
from weft.core import dumps
from weft.core.addresses import Network, network_of
from weft.core.errors import ConfigError
from weft.core.faults import faults_of
from weft.service import OutsideFile

__all__ = ["add_agent", "remove_agent"]

_OTHER = re.compile(r"[^a-z0-9]+")
_SHOWN_SKILLS = 8
_File = Annotated[
    Path | None,
    typer.Option(
        envvar="ROUTER_OUTSIDE_AGENTS",
        help=f"The file that is changed; {OUTSIDE_FILE} in the home without it.",
    ),
]
_LIST = list[str] | None
_TERMS: Mapping[str, tuple[Any, Any]] = {
    "tenant": (
        Annotated[_LIST, typer.Option(help="Whose requests may go to it; repeatable [local].")],
        None,
    ),
    "default": (
        Annotated[
            bool,
            typer.Option("--default", help="Work to be handed out is its, where none is named."),
        ],
        False,
    ),
    "domain": (Annotated[_LIST, typer.Option(help="Of what it can do; repeatable.")], None),
    "reads": (
        Annotated[
            bool,
            typer.Option("--reads", help="It changes nothing: questions may go to its skills."),
        ],
        False,
    ),
    "risk": (
        Annotated[
            str | None, typer.Option(help="low, medium or high: above medium a person is asked.")
        ],
        None,
    ),
    "credential": (
        Annotated[
            str | None,
            typer.Option(
                help="Where its credential is found when it is called: env:NAME, file:PATH."
            ),
        ],
        None,
    ),
    "header": (
        Annotated[str, typer.Option(help="Which header carries it; any but this as it is.")],
        "Authorization",
    ),
    "network": (
        Annotated[
            _LIST, typer.Option(help="Addresses beside public ones that it may have: 10.1.0.0/16.")
        ],
        None,
    ),
    "host": (
        Annotated[_LIST, typer.Option(help="A further host that its card may name; repeatable.")],
        None,
    ),
    "deduplicates": (
        Annotated[
            bool,
            typer.Option(
                "--deduplicates", help="It does a message once, however often it is sent."
            ),
        ],
        False,
    ),
    "file": (_File, None),
}


@agents.command(name="add")
@gathering(_TERMS)
def add_agent(
    context: typer.Context,
    url: Annotated[str, typer.Argument(help="Where the agent is, or its card.")],
    name: Annotated[
        str | None, typer.Option(help="How it is called here; else after its card.")
    ] = None,
) -> None:
    """Let work be handed to an agent outside the mesh, on the terms named here.

    Its card is kept as it is now: should it change, the agent is not called until it is added again.
    """
    raise SystemExit(run(_added(context.obj, url, name, options_of(context))))


@agents.command(name="rm")
def remove_agent(context: typer.Context, name: str, file: _File = None) -> None:
    """Hand no more work to an agent outside the mesh."""
    place: MeshPlace = context.obj
    stored = OutsideFile.of(file, place.home)
    try:
        names = {agent.name for agent in stored.read()}
        if name not in names:
            listed = ", ".join(sorted(names)) or "none was added"
            raise SystemExit(fail(f"there is no agent {name!r} outside ({listed})", USAGE))
        stored.change(lambda before: tuple(agent for agent in before if agent.name != name))
    except ConfigError as error:
        raise SystemExit(fail(str(error), USAGE)) from error


async def _added(place: MeshPlace, url: str, name: str | None, terms: Mapping[str, Any]) -> int:
    if terms["file"] is None and not await asyncio.to_thread(place.home.is_dir):
        words = f"there is no mesh in {place.home}: start it with `weft up`, or say --home"
        return fail(words, USAGE)
    networks = _networks(terms["network"] or ())
    async with guarded_session(networks) as session:
        fetched = await fetch_foreign_card(session, url)
    agent = _agent(fetched, name, terms)
    card = read_foreign_card(
        dumps(agent.card), service=agent.name, origin=agent.card_url, hosts=agent.hosts
    )
    stored = OutsideFile.of(terms["file"], place.home)
    again = agent.name in {one.name for one in await asyncio.to_thread(stored.read)}
    await asyncio.to_thread(
        stored.change,
        lambda before: (*(one for one in before if one.name != agent.name), agent),
    )
    lines = _described(agent, card, again=again, command=place.command)
    sys.stdout.write("".join(f"{printable(line)}\n" for line in lines))
    return 0


def _networks(texts: tuple[str, ...] | list[str]) -> list[Network]:
    try:
        return [network_of(text) for text in texts]
    except ValueError as error:
        raise ConfigError(f"--network takes 10.1.0.0/16 or an address: {error}") from error


def _agent(fetched: FetchedCard, name: str | None, terms: Mapping[str, Any]) -> OutsideAgent:
    tenants = terms["tenant"] or ["local"]
    credential = terms["credential"]
    secret = None if credential is None else Credential.named(credential, header=terms["header"])
    try:
        return OutsideAgent.model_validate(
            {
                "name": name or _named_after(str(fetched.card.get("name") or "")),
                "card_url": fetched.url,
                "card": fetched.card,
                "tenants": tenants,
                "default_for": tenants if terms["default"] else (),
                "domains": terms["domain"] or (),
                "reads": terms["reads"],
                "risk": terms["risk"] or ("low" if terms["reads"] else "medium"),
                "credential": secret,
                "networks": terms["network"] or (),
                "hosts": terms["host"] or (),
                "deduplicates": terms["deduplicates"],
            }
        )
    except ValidationError as error:
        place, fault = next(iter(faults_of(error, OutsideAgent)))
        said = place.strip("/").partition("/")[0] or "it"
        raise ConfigError(f"{said}: {fault}") from error


def _named_after(name: str) -> str:
    """Return a name for an agent that calls itself `name`.

    Raises:
        ConfigError: None can be made of it.
    """
    made = _OTHER.sub("-", name.lower()).strip("-")[:40].rstrip("-")
    if not made or not made[0].isalpha():
        raise ConfigError(
            f"its card calls it {name[:60]!r}: say what it is called here, --name NAME"
        )
    return made


def _described(agent: OutsideAgent, card: PeerCard, *, again: bool, command: str) -> Iterator[str]:
    """Yield what was added, in the words of a person who has to answer for it."""
    said = str(agent.card.get("description") or "").strip()
    yield f"{agent.name} {'was added again' if again else 'was added'}: {said[:300] or '-'}"
    for interface in card.interfaces[:1]:
        yield f"  called at    {interface.url} ({interface.binding} {interface.version})"
    yield f"  streams      {'yes' if card.streaming else 'no: it is asked again and again'}"
    yield f"  for tenants  {', '.join(agent.tenants)}{' (their default)' if agent.default_for else ''}"
    skills = outside_provider(agent).capabilities
    named = ", ".join(skill.id for skill in skills[:_SHOWN_SKILLS])
    more = f" and {len(skills) - _SHOWN_SKILLS} more" if len(skills) > _SHOWN_SKILLS else ""
    yield f"  skills       {named or '-'}{more}"
    if agent.credential is not None:
        yield f"  credential   in {agent.credential.words}, sent as {agent.credential.header}"
    elif card.protected:
        yield "  credential   NONE, and its card asks for one: add it again with --credential"
    yield "A mesh that runs hands work to it within 3 s."
    yield f"Try: {command} ask Ask {agent.name} what it can do"

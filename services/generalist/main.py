"""Generalist: answers from a folder of runbooks; with a language model it plays the roles of a plan."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio

from services.generalist.agent import ROLES, generalist
from services.generalist.library import Library
from weft.a2a import Card, Skill
from weft.core.errors import ConfigError
from weft.loop import Peer
from weft.models import get_model
from weft.service import (
    SpecialistSettings,
    agent_app,
    opened_model,
    patience_of,
    serve,
    settings_from,
)

NAME = "generalist"
PROMPT = Path(__file__).parent / "prompts" / "answer.md"
RUNBOOKS = Skill(
    id="runbooks.answer",
    name="Answer from runbooks",
    description="Looks up how something is done in the team's own runbooks, and cites them.",
    tags=(
        "domain:operations",
        "risk:low",
        "effects:none",
        "role:answer",
        "runbook",
        "procedure",
        "howto",
        "instructions",
        "steps",
    ),
    examples=("What does the runbook say about a full disk?", "How do we rotate certificates?"),
)
PLAYED = Skill(
    id="general.roles",
    name="Play a role",
    description="Plans, argues, judges, validates and sums up, by a language model alone.",
    tags=("risk:low", "effects:none", *(f"role:{role}" for role in ROLES if role != "answer")),
)


class Settings(SpecialistSettings, env_prefix="GENERALIST_"):
    """Everything this service reads from outside itself."""

    runbook_roots: tuple[Path, ...] = ()
    """Directories of runbooks: .md, .markdown, .rst and .txt; nothing else is opened."""


def card_of(settings: Settings) -> Card:
    """Return what is offered: rules answer from runbooks, and play no role that needs thought."""
    thinks = not get_model(settings.model).capabilities.by_rules
    return Card(
        name=NAME,
        description="Answers from the team's runbooks, and cites them.",
        skills=(RUNBOOKS, PLAYED) if thinks else (RUNBOOKS,),
    )


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Peer]:
    """Yield a working generalist; close what it holds on the way out.

    Raises:
        ConfigError: There are no runbooks, or a root is no directory.
    """
    if not settings.runbook_roots:
        raise ConfigError(
            "the generalist has no runbooks: set GENERALIST_RUNBOOK_ROOTS to a JSON list of "
            "directories, or start the mesh with `weft up --runbooks DIR`"
        )
    for root in settings.runbook_roots:
        if not await anyio.Path(root).is_dir():
            raise ConfigError(f"{root} is no directory of runbooks: name one that is there")
    text = await anyio.Path(PROMPT).read_text(encoding="utf-8")
    async with opened_model(settings) as model:
        library = Library(settings.runbook_roots)
        yield generalist(NAME, model, library, text, patience_of(settings))


def main() -> None:
    """Serve until told to stop."""
    settings = settings_from(Settings)
    card = card_of(settings)
    serve(agent_app(card, partial(opened, settings), settings), settings, name=NAME)


if __name__ == "__main__":
    main()

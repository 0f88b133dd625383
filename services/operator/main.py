"""Operator: restarts, scales, switches feature flags and pages, each behind a person's approval."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import aiohttp
import anyio

from services.operator.agent import PROPOSE, Operator
from services.operator.by_rules import ByRules
from services.operator.target import HttpTarget
from services.operator.tools import Hands
from weft.a2a import Card, Skill
from weft.core.errors import ConfigError
from weft.loop import ModelPatience, Peer
from weft.models import StandIn
from weft.service import (
    SpecialistSettings,
    agent_app,
    opened_model,
    patience_of,
    serve,
    settings_from,
)

PROMPT = Path(__file__).parent / "prompts" / "system.md"
ACT = "operations.act"
CARD = Card(
    name="operator",
    description="Acts on running systems once a person approved it: restart, scale, feature flags, page.",
    skills=(
        Skill(
            id=PROPOSE,
            name="Propose an action",
            description="Choose the action that fits a request and what was found, with its dry run and how to undo it.",
            tags=("domain:operations", "risk:low", "effects:none", f"proposes:{ACT}"),
        ),
        Skill(
            id=ACT,
            name="Act on a running system",
            description="Restart or scale a service, turn a feature flag on or off, page somebody.",
            tags=(
                "domain:operations",
                "risk:high",
                "remediate",
                "fix",
                "restart",
                "scale",
                "flag",
                "page",
            ),
            examples=(
                "Diagnose the checkout slowdown and fix it",
                "Restart payment",
                "Turn the flag fraud_scoring off",
                "Page the on-call",
            ),
        ),
    ),
)


class Settings(SpecialistSettings, env_prefix="OPERATOR_"):
    """Everything this service reads from outside itself."""

    target: str | None = None
    """The address of what it operates, such as `http://127.0.0.1:9000`; it answers as
    `docs/operating.md` says."""
    target_token_file: Path | None = None
    """File with its bearer token, read anew for each call."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Peer]:
    """Yield a working operator; close what it holds on the way out.

    Raises:
        ConfigError: There is no target, or it cannot be one.
    """
    if settings.target is None:
        raise ConfigError(
            "the operator has no target: set OPERATOR_TARGET to its address, or start the mesh with "
            "`weft up --operate URL`"
        )
    text = await anyio.Path(PROMPT).read_text(encoding="utf-8")
    async with opened_model(settings) as model, aiohttp.ClientSession() as session:
        target = HttpTarget(session, settings.target, settings.target_token_file)
        # Its own rules answer where its model does not.
        patience: ModelPatience = {**patience_of(settings), "stand_in": StandIn(ByRules())}
        yield Operator(CARD.name, model, Hands(target), text, patience)


def main() -> None:
    """Serve until told to stop."""
    settings = settings_from(Settings)
    serve(agent_app(CARD, partial(opened, settings), settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()

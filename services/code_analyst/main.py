"""Code analyst: explains incidents from source code: blocking calls, missing timeouts, swallowed errors, leaked handles."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from incidents.analyst import IncidentSettings, analyst
from services.code_analyst.tools import ANALYZE_CODE
from weft.a2a import Card, Skill
from weft.loop import Peer
from weft.service import agent_app, serve, settings_from

PROMPT = Path(__file__).parent / "prompts" / "system.md"
CARD = Card(
    name="code_analyst",
    description="Explains incidents from source code: blocking calls, missing timeouts, swallowed errors, leaked handles.",
    skills=(
        Skill(
            id="code.analyze",
            name="Analyze code",
            description="Read the Python source that belongs to an incident and name the code that can cause it, by file and line.",
            tags=(
                "domain:observability",
                "risk:low",
                "effects:none",
                "diagnose",
                "code",
                "source",
                "review",
                "bug",
                "slow",
                "slowdown",
                "incident",
            ),
            examples=(
                "Diagnose the checkout slowdown from its source",
                "Which code blocks the event loop?",
            ),
        ),
    ),
)


class Settings(IncidentSettings, env_prefix="CODE_ANALYST_"):
    """Everything this service reads from outside itself."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Peer]:
    """Yield a working analyst; close what it holds on the way out."""
    async with analyst(CARD, PROMPT, ANALYZE_CODE, settings) as peer:
        yield peer


def main() -> None:
    """Serve until told to stop."""
    settings = settings_from(Settings)
    serve(agent_app(CARD, partial(opened, settings), settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()

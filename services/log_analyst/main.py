"""Log analyst: explains incidents from logs: new, vanished and shifted lines, error bursts, broken steps."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from incidents.analyst import IncidentSettings, analyst
from services.log_analyst.tools import ANALYZE_LOGS
from weft.a2a import Card, Skill
from weft.loop import Peer
from weft.service import agent_app, serve, settings_from

PROMPT = Path(__file__).parent / "prompts" / "system.md"
CARD = Card(
    name="log_analyst",
    description="Explains incidents from logs: new, vanished and shifted lines, error bursts, broken steps.",
    skills=(
        Skill(
            id="log.analyze",
            name="Analyze logs",
            description="Compare an incident's logs with a healthy baseline and name the service where it began.",
            tags=(
                "domain:observability",
                "risk:low",
                "effects:none",
                "diagnose",
                "logs",
                "errors",
                "slow",
                "slowdown",
                "latency",
                "incident",
                "exception",
            ),
            examples=(
                "Diagnose the checkout slowdown from its logs",
                "Which service logs new errors?",
            ),
        ),
    ),
)


class Settings(IncidentSettings, env_prefix="LOG_ANALYST_"):
    """Everything this service reads from outside itself."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Peer]:
    """Yield a working analyst; close what it holds on the way out."""
    async with analyst(CARD, PROMPT, ANALYZE_LOGS, settings) as peer:
        yield peer


def main() -> None:
    """Serve until told to stop."""
    settings = settings_from(Settings)
    serve(agent_app(CARD, partial(opened, settings), settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()

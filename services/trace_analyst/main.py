"""Trace analyst: explains incidents from traces: where time is added, calls are missing, or errors begin."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from incidents.analyst import IncidentSettings, analyst
from services.trace_analyst.tools import ANALYZE_TRACES
from weft.a2a import Card, Skill
from weft.loop import Peer
from weft.service import agent_app, serve, settings_from

PROMPT = Path(__file__).parent / "prompts" / "system.md"
CARD = Card(
    name="trace_analyst",
    description="Explains incidents from traces: where time is added, calls are missing, or errors begin.",
    skills=(
        Skill(
            id="trace.analyze",
            name="Analyze traces",
            description="Compare an incident's traces with a healthy baseline and name the service the added time belongs to.",
            tags=(
                "domain:observability",
                "risk:low",
                "effects:none",
                "diagnose",
                "traces",
                "spans",
                "slow",
                "slowdown",
                "latency",
                "incident",
                "errors",
            ),
            examples=("Diagnose the checkout slowdown from its traces", "Where is the time spent?"),
        ),
    ),
)


class Settings(IncidentSettings, env_prefix="TRACE_ANALYST_"):
    """Everything this service reads from outside itself."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Peer]:
    """Yield a working analyst; close what it holds on the way out."""
    async with analyst(CARD, PROMPT, ANALYZE_TRACES, settings) as peer:
        yield peer


def main() -> None:
    """Serve until told to stop."""
    settings = settings_from(Settings)
    serve(agent_app(CARD, partial(opened, settings), settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()

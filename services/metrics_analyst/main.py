"""Metrics analyst: explains incidents from metrics: what left its usual range, per service."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated

from pydantic import Field

from incidents.analyst import IncidentSettings, analyst
from services.metrics_analyst.tools import ANALYZE_METRICS
from weft.a2a import Card, Skill
from weft.core import JsonObject
from weft.loop import Peer
from weft.service import agent_app, serve, settings_from

PROMPT = Path(__file__).parent / "prompts" / "system.md"
CARD = Card(
    name="metrics_analyst",
    description="Explains incidents from metrics: what left its usual range, per service.",
    skills=(
        Skill(
            id="metrics.analyze",
            name="Analyze metrics",
            description="Compare an incident's metrics with a healthy baseline and name the service that changed first.",
            tags=(
                "domain:observability",
                "risk:low",
                "effects:none",
                "diagnose",
                "metrics",
                "cpu",
                "memory",
                "saturation",
                "slow",
                "slowdown",
                "latency",
                "incident",
            ),
            examples=(
                "Diagnose the checkout slowdown from its metrics",
                "Which service uses more CPU than usual?",
            ),
        ),
    ),
)


class Settings(IncidentSettings, env_prefix="METRICS_ANALYST_"):
    """Everything this service reads from outside itself."""

    service_labels: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """The first of these labels that a series has names its service; None: the usual ones."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Peer]:
    """Yield a working analyst; close what it holds on the way out."""
    labels = settings.service_labels
    options: JsonObject = {} if labels is None else {"service_labels": list(labels)}
    analysis = replace(ANALYZE_METRICS, options=options)
    async with analyst(CARD, PROMPT, analysis, settings) as peer:
        yield peer


def main() -> None:
    """Serve until told to stop."""
    settings = settings_from(Settings)
    serve(agent_app(CARD, partial(opened, settings), settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()

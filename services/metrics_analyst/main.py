"""Metrics analyst: explains incidents from metrics: what left its usual range, per service."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial

from incidents.cases import DataRoots
from incidents.defaults import with_data
from services.metrics_analyst.agent import metrics_analyst
from services.metrics_analyst.tools import metrics_tools
from weft.a2a import Card, Skill
from weft.loop import Peer
from weft.models import get_model
from weft.service.isolation import processes_of
from weft.service.serving import serve
from weft.service.settings import SpecialistSettings
from weft.service.specialist import agent_app

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


class Settings(SpecialistSettings, env_prefix="METRICS_ANALYST_"):
    """Everything this service reads from outside itself."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Peer]:
    """Yield a working agent; close what it holds on the way out."""
    processes = processes_of(settings)
    tools = metrics_tools(DataRoots(settings.roots), processes)
    async with processes, aclosing(get_model(settings.model)) as model:
        yield with_data(metrics_analyst(model, tools), settings.data)


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    serve(agent_app(CARD, partial(opened, settings), settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()

"""Trace analyst: explains incidents from traces: where time is added, calls are missing, or errors begin."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial

from incidents.cases import DataRoots
from incidents.defaults import with_data
from services.trace_analyst.agent import trace_analyst
from services.trace_analyst.tools import trace_tools
from weft.a2a import Card, Skill
from weft.loop import Peer
from weft.models import get_model
from weft.service.isolation import processes_of
from weft.service.serving import serve
from weft.service.settings import SpecialistSettings
from weft.service.specialist import agent_app

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


class Settings(SpecialistSettings, env_prefix="TRACE_ANALYST_"):
    """Everything this service reads from outside itself."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Peer]:
    """Yield a working agent; close what it holds on the way out."""
    processes = processes_of(settings)
    tools = trace_tools(DataRoots(settings.roots), processes)
    async with processes, aclosing(get_model(settings.model)) as model:
        yield with_data(trace_analyst(model, tools), settings.data)


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    serve(agent_app(CARD, partial(opened, settings), settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()

"""Log analyst: explains incidents from logs: new, vanished and shifted lines, error bursts, broken steps."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial

from incidents.cases import DataRoots
from incidents.defaults import with_data
from services.log_analyst.agent import log_analyst
from services.log_analyst.tools import log_tools
from weft.a2a import Card, Skill
from weft.loop import Peer
from weft.models import get_model
from weft.service.isolation import processes_of
from weft.service.serving import serve
from weft.service.settings import SpecialistSettings
from weft.service.specialist import agent_app

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


class Settings(SpecialistSettings, env_prefix="LOG_ANALYST_"):
    """Everything this service reads from outside itself."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Peer]:
    """Yield a working agent; close what it holds on the way out."""
    processes = processes_of(settings)
    tools = log_tools(DataRoots(settings.roots), processes)
    async with processes, aclosing(get_model(settings.model)) as model:
        yield with_data(log_analyst(model, tools), settings.data)


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    serve(agent_app(CARD, partial(opened, settings), settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()

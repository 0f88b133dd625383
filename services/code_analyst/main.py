"""Code analyst: explains incidents from source code: blocking calls, missing timeouts, swallowed errors, leaked handles."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial

from incidents.defaults import with_data
from services.code_analyst.agent import code_analyst
from services.code_analyst.roots import SourceRoots
from services.code_analyst.tools import code_tools
from weft.a2a import Card, Skill
from weft.loop import Peer
from weft.models import get_model
from weft.service.isolation import processes_of
from weft.service.serving import serve
from weft.service.settings import SpecialistSettings
from weft.service.specialist import agent_app

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


class Settings(SpecialistSettings, env_prefix="CODE_ANALYST_"):
    """Everything this service reads from outside itself."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Peer]:
    """Yield a working agent; close what it holds on the way out."""
    processes = processes_of(settings)
    tools = code_tools(SourceRoots(settings.roots), processes)
    async with processes, aclosing(get_model(settings.model)) as model:
        yield with_data(code_analyst(model, tools), settings.data)


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    serve(agent_app(CARD, partial(opened, settings), settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()

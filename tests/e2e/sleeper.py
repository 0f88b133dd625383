"""A specialist that looks for as long as a file lies there, and writes down each look."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio

from weft import Agent, tool
from weft.a2a import Card, Skill
from weft.core import Message, ToolCall
from weft.loop import Peer
from weft.models import ModelRequest, ModelResponse
from weft.service import SpecialistSettings, agent_app, serve
from weft.testing import FunctionModel

BOOK = Path(os.environ.get("SLEEPER_BOOK", "looks.txt"))
HOLD = BOOK.with_suffix(".hold")
CARD = Card(
    name="sleeper",
    description="Diagnoses slowness, slowly.",
    skills=(
        Skill(
            id="sleep.look",
            name="Look",
            description="Diagnose a slow checkout.",
            tags=("domain:observability", "risk:low", "effects:none", "diagnose", "slow"),
        ),
    ),
)


class Settings(SpecialistSettings, env_prefix="SLEEPER_"):
    """Everything this service reads from outside itself."""


@tool
async def look() -> dict[str, object]:
    """Look at the checkout."""
    async with await anyio.open_file(BOOK, "a") as book:
        await book.write("looked\n")
    while await anyio.Path(HOLD).exists():  # noqa: ASYNC110 - the test is another process
        await anyio.sleep(0.02)
    claim = {"text": "checkout is slow", "type": "tool_match", "evidence_refs": ["#/seen"]}
    return {"seen": "slow", "claims": [claim]}


def decide(request: ModelRequest) -> ModelResponse:
    if any(message.role == "tool" for message in request.messages):
        return ModelResponse(message=Message.assistant("The checkout is slow."))
    said = Message.assistant(tool_calls=(ToolCall(id="call_1", name="look"),))
    return ModelResponse(message=said)


@asynccontextmanager
async def opened() -> AsyncIterator[Peer]:
    yield Agent(FunctionModel(decide), [look], "You look.", name="sleeper")


def main() -> None:
    settings = Settings()
    serve(agent_app(CARD, opened, settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()

"""A specialist with an effect: it charges an order, and can be told to die while doing so."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio

from weft import Agent, tool
from weft.a2a import Card, Skill
from weft.core import Message, ToolCall
from weft.loop import Peer
from weft.models import ModelRequest, ModelResponse
from weft.service.agent_app import agent_app
from weft.service.serve import serve
from weft.service.settings import SpecialistSettings
from weft.testing import FunctionModel

BOOK = Path(os.environ.get("PAYER_BOOK", "book.txt"))
HANG = BOOK.with_suffix(".hang")
CARD = Card(
    name="payer",
    description="Charges orders.",
    skills=(Skill(id="pay.charge", name="Charge", description="Charges an order."),),
)


class Settings(SpecialistSettings, env_prefix="PAYER_"):
    """Everything this service reads from outside itself."""


@tool(idempotent=True)
async def charge(order: str) -> str:
    """Charge an order."""
    async with await anyio.open_file(BOOK, "a") as book:
        await book.write(f"{order}\n")
    if await anyio.Path(HANG).exists():
        await anyio.sleep_forever()
    return f"charged {order}"


def decide(request: ModelRequest) -> ModelResponse:
    answered = [message for message in request.messages if message.role == "tool"]
    if answered:
        said = Message.assistant(f"Done: {answered[-1].content}")
    else:
        call = ToolCall(id="call_1", name="charge", arguments={"order": "o-17"})
        said = Message.assistant(tool_calls=(call,))
    return ModelResponse(message=said)


@asynccontextmanager
async def opened() -> AsyncIterator[Peer]:
    yield Agent(FunctionModel(decide), [charge], "You charge orders.", name="payer")


def main() -> None:
    settings = Settings()
    serve(agent_app(CARD, partial(opened), settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()

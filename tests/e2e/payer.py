"""Specialists with an effect: they charge an order, and can be told to die at any point of it.

`PAYER_PLACE` is where each keeps its book, and where tests leave notes for it: `<name>.hang` lets a
charge never return, `<name>.die_<point>` ends the process there, once.
"""

import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import anyio

from weft import Agent, tool
from weft.a2a import Card, Skill
from weft.a2a.server.tasks import CallContext, Sent, Tasks
from weft.a2a.wire.models import SendMessageRequest
from weft.core import Message, ToolCall
from weft.loop import Peer
from weft.models import Model, ModelRequest, ModelResponse, get_model
from weft.service import SpecialistSettings, agent_app, serve
from weft.testing import FunctionModel
from weft.testing.openai_script import When, WireCall, WireReply
from weft.testing.openai_server import ScriptedOpenAIServer
from weft.tools import Tool

PLACE = Path(os.environ.get("PAYER_PLACE", "."))
UNKNOWN = "whether it took effect is unknown"


class Notes:
    """What a test wants of the payer `name`."""

    def __init__(self, name: str) -> None:
        self.book = PLACE / f"{name}.txt"
        self._hang = PLACE / f"{name}.hang"
        self._name = name

    def die(self, point: str) -> None:
        """End the process without a word if a test wants it to end at `point`."""
        note = PLACE / f"{self._name}.die_{point}"
        if note.exists():
            note.unlink()
            os._exit(9)

    def charge(self) -> Tool:
        @tool(idempotent=True)
        async def charge(order: str) -> str:
            """Charge an order."""
            async with await anyio.open_file(self.book, "a") as book:
                await book.write(f"{order}\n")
            if await anyio.Path(self._hang).exists():
                await anyio.sleep_forever()
            return f"charged {order}"

        return charge

    def decide(self, request: ModelRequest) -> ModelResponse:
        answered = [message for message in request.messages if message.role == "tool"]
        if answered:
            self.die("after_effect")
            said = Message.assistant(f"Done: {answered[-1].content}")
        else:
            call = ToolCall(id="call_1", name="charge", arguments={"order": "o-17"})
            said = Message.assistant(tool_calls=(call,))
        return ModelResponse(message=said)


def card(name: str) -> Card:
    skill = Skill(id=f"{name}.charge", name="Charge", description="Charges an order.")
    return Card(name=name, description="Charges orders.", skills=(skill,))


def script() -> list[WireReply]:
    """Return what a model behind the wire says: a call, then what came of it."""
    told = [
        WireReply(text=f"Done: {each}", when=When(last_contains=each), repeat=True)
        for each in ("charged by hand", "charged o-17", UNKNOWN)
    ]
    call = WireCall(name="charge", arguments={"order": "o-17"})
    return [*told, WireReply(calls=(call,), when=When(last_contains="Charge"), repeat=True)]


@asynccontextmanager
async def opened(name: str, notes: Notes) -> AsyncIterator[Peer]:
    async with AsyncExitStack() as stack:
        model: Model = FunctionModel(notes.decide)
        if name == "payer_offline":
            model = get_model("offline:rules")
        elif name == "payer_wire":
            server = await stack.enter_async_context(ScriptedOpenAIServer(script()))
            model = get_model("openai:scripted", api_key="k", base_url=server.base_url)
            stack.push_async_callback(model.aclose)
        yield Agent(model, [notes.charge()], "You charge orders.", name=name)


def dying(notes: Notes) -> None:
    """Let the process end around the moment in which it accepts a task."""
    accept = Tasks.accept

    async def accepted(self: Tasks, ask: CallContext, request: SendMessageRequest) -> Sent:
        notes.die("before_accept")
        sent = await accept(self, ask, request)
        notes.die("after_accept")
        return sent

    Tasks.accept = accepted  # type: ignore[method-assign] # a fault, in this process only


def main(name: str) -> None:
    class Settings(SpecialistSettings, env_prefix=f"{name.upper()}_"):
        """Everything this service reads from outside itself."""

    notes, settings = Notes(name), Settings()
    dying(notes)
    serve(agent_app(card(name), partial(opened, name, notes), settings), settings, name=name)

"""The specialists of a trial: two with effects outside the mesh, two that only look.

One module for all four; `RIG_ROLE` says which one a process is. Every effect appends a line to
the book, which stands for the world outside: `<what> <order>`.
"""

import os
import random
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio

from weft import Agent, Tool, tool
from weft.a2a import Card, Skill
from weft.core import JsonObject, Message, ToolCall
from weft.loop import Peer
from weft.models import ModelRequest, ModelResponse
from weft.service import SpecialistSettings, agent_app, serve
from weft.testing import FunctionModel
from weft.tools import NOT_DONE, Reconciled, done

ROLE = os.environ.get("RIG_ROLE", "looker_a")
BOOK = Path(os.environ.get("RIG_BOOK", "book.txt"))
DAWDLE_S = 0.25
"""The longest that a body takes; the shortest is a tenth of it."""


class Settings(SpecialistSettings, env_prefix="RIG_"):
    """Everything this service reads from outside itself."""


async def _written(line: str) -> None:
    """Do the effect somewhere in the middle of a body that takes its time."""
    await _dawdle()
    async with await anyio.open_file(BOOK, "a") as book:
        await book.write(f"{line}\n")
    await _dawdle()


async def _dawdle() -> None:
    await anyio.sleep(random.uniform(0.1, 1.0) * DAWDLE_S)  # noqa: S311 - no secret


@tool(idempotent=True)
async def charge(order: str) -> str:
    """Charge an order: only a person can tell what became of a start that broke off."""
    await _written(f"charge {order}")
    return f"charged {order}"


async def _billed(key: str, arguments: JsonObject) -> Reconciled:  # noqa: ARG001 - as the library calls it
    book = anyio.Path(BOOK)
    lines = (await book.read_text()).splitlines() if await book.exists() else []
    return (
        done(f"billed {arguments['order']}") if f"bill {arguments['order']}" in lines else NOT_DONE
    )


@tool(idempotent=True, reconcile=_billed)
async def bill(order: str) -> str:
    """Bill an order: the book can be asked."""
    await _written(f"bill {order}")
    return f"billed {order}"


@tool(labels={"read"})
async def look(order: str) -> str:
    """Look at an order."""
    await _dawdle()
    return f"looked at {order}"


TOOLS: dict[str, Tool[[str], Coroutine[Any, Any, str]]] = {"payer": charge, "biller": bill}


def _decide(request: ModelRequest) -> ModelResponse:
    """Call the role's tool with the last word of the prompt, then say what it said."""
    results = [message for message in request.messages if message.role == "tool"]
    if results:
        return ModelResponse(message=Message.assistant(f"Done: {results[-1].content}"))
    prompt = next(message for message in request.messages if message.role == "user")
    order = str(prompt.content).split()[-1]
    name = TOOLS.get(ROLE, look).name
    call = ToolCall(id="call_1", name=name, arguments={"order": order})
    return ModelResponse(message=Message.assistant(tool_calls=(call,)))


def _card() -> Card:
    if ROLE in TOOLS:
        tags: tuple[str, ...] = ("domain:payments", "risk:low")
    else:
        tags = ("domain:observability", "risk:low", "effects:none", "diagnose", "slowdown")
    work = f"Does the work of {ROLE}."
    skill = Skill(id=f"{ROLE}.work", name=ROLE, description=work, tags=tags)
    return Card(name=ROLE, description=work, skills=(skill,))


@asynccontextmanager
async def opened() -> AsyncIterator[Peer]:
    """Yield the agent."""
    yield Agent(FunctionModel(_decide), [TOOLS.get(ROLE, look)], "You work.", name=ROLE)


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    serve(agent_app(_card(), partial(opened), settings), settings, name=ROLE)


if __name__ == "__main__":
    main()

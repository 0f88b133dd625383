"""Follows one prompt through a mesh, and what a tool found on its way back.

    python -m tests.tools.prompt_trace [--list]

Gateway, router and one specialist in this process, over real sockets and a real NATS server. Counts
the functions that were entered with the words in an argument, their modules, and the types whose
values carried them; `--list` names all of them.
"""

import argparse
import asyncio
import dataclasses
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final

import aiohttp

import gateway.main
import router_service.main
from tests.conftest import NatsServer
from weft import Agent, tool
from weft.a2a import Card, Skill
from weft.core import ALL_SCOPES, Message, ToolCall
from weft.local.ports import free_port
from weft.loop import Peer
from weft.models import ModelRequest, ModelResponse
from weft.service import KeyFile, SpecialistSettings, agent_app, new_key, serving
from weft.testing import FunctionModel

PROMPT = "Diagnose the slowdown of q7wantedq"
FINDING = "z9foundz"
ROOMS: Final = ("weft", "incidents", "gateway", "router_service")
DEEP, WIDE = 8, 400
"""How far a value is looked through: levels, and values in all."""


class Watch:
    """Notes where some words were carried."""

    def __init__(self, words: str) -> None:
        self._words, self._bytes = words, words.encode()
        self.functions: Counter[str] = Counter()
        self.types: Counter[str] = Counter()
        self.awake = False

    @property
    def modules(self) -> set[str]:
        """The modules of the functions."""
        return {name.partition(":")[0] for name in self.functions}

    def look(self, frame: FrameType) -> None:
        """Note the function that was entered, if an argument carries the words."""
        code = frame.f_code
        count = code.co_argcount + code.co_kwonlyargcount
        budget, carriers = [WIDE], set[str]()
        held = False
        for name in code.co_varnames[:count]:
            # What an object is stays what it is: methods count for what they were given.
            if name not in {"self", "cls"} and name in frame.f_locals:
                held |= self._carries(frame.f_locals[name], DEEP, budget, carriers)
        if held:
            self.functions[f"{frame.f_globals['__name__']}:{code.co_qualname}"] += 1
            self.types.update(carriers)

    def _carries(self, value: object, deep: int, budget: list[int], carriers: set[str]) -> bool:
        budget[0] -= 1
        if isinstance(value, str):
            return self._words in value
        if isinstance(value, bytes | bytearray):
            return self._bytes in value
        if deep == 0 or budget[0] < 0:
            return False
        found = [self._carries(part, deep - 1, budget, carriers) for part in _parts(value)]
        if any(found) and type(value).__module__.partition(".")[0] in ROOMS:
            carriers.add(f"{type(value).__module__}:{type(value).__qualname__}")
        return any(found)


def _parts(value: object) -> list[object]:
    if isinstance(value, dict):
        return list(value.values())
    if isinstance(value, list | tuple | set | frozenset):
        return list(value)
    if dataclasses.is_dataclass(value):
        return [getattr(value, each.name, None) for each in dataclasses.fields(value)]
    if hasattr(type(value), "model_fields"):
        return list(vars(value).values())
    return []


@contextmanager
def watching(*watches: Watch) -> Iterator[None]:
    """Show each function of ours to the watches that are awake, in any thread begun meanwhile."""

    def seen(frame: FrameType, event: str, _: object) -> None:
        name = str(frame.f_globals.get("__name__", ""))
        if event == "call" and name.partition(".")[0] in ROOMS:
            for watch in watches:
                if watch.awake:
                    watch.look(frame)

    threading.setprofile(seen)
    sys.setprofile(seen)
    try:
        yield
    finally:
        sys.setprofile(None)
        threading.setprofile(None)


@tool(labels={"read"})
async def look(place: str) -> dict[str, Any]:
    """Look at a place."""
    return {"place": place, "found": FINDING}


def _decide(request: ModelRequest) -> ModelResponse:
    results = [message for message in request.messages if message.role == "tool"]
    if results:
        return ModelResponse(message=Message.assistant(f"It is {FINDING}."))
    call = ToolCall(id="call_1", name="look", arguments={"place": "there"})
    return ModelResponse(message=Message.assistant(tool_calls=(call,)))


@asynccontextmanager
async def _agent() -> AsyncIterator[Peer]:
    yield Agent(FunctionModel(_decide), [look], "You look.", name="looker")


def _card() -> Card:
    tags = ("domain:observability", "risk:low", "effects:none", "diagnose", "slowdown")
    skill = Skill(id="look", name="Look", description="Looks for a slowdown.", tags=tags)
    return Card(name="looker", description="Looks.", skills=(skill,))


async def traced(home: Path, there: Watch, back: Watch) -> None:
    """Follow one prompt, and what was found for it."""
    with ExitStack() as stack:
        bus = NatsServer(home / "nats", free_port())
        bus.directory.mkdir()
        bus.start()
        stack.callback(bus.kill)
        made = new_key("trace", subject="owner", scopes=ALL_SCOPES)
        KeyFile(home / "keys.json").add(made.record)
        common: dict[str, Any] = {"home": home, "nats_url": bus.url}
        front = gateway.main.Settings(**common, port=free_port())
        router = router_service.main.Settings(**common, model="offline:rules")
        looker = SpecialistSettings(**common)
        openings = (
            (agent_app(_card(), _agent, looker), looker),
            (partial(router_service.main.opened, router), router),
            (partial(gateway.main.opened, front), front),
        )
        async with asyncio.TaskGroup() as tasks:
            running = []
            for opening, settings in openings:
                sock = stack.enter_context(serving.listening_socket(settings.host, settings.port))
                running.append(tasks.create_task(serving._serve(opening, settings, sock)))
            url = f"http://127.0.0.1:{front.port}"
            headers = {"authorization": f"Bearer {made.text}"}
            async with aiohttp.ClientSession(url, headers=headers) as session:
                await _known(session)
                there.awake = back.awake = True
                await _ask(session)
                there.awake = back.awake = False
            for task in running:
                task.cancel()


async def _known(session: aiohttp.ClientSession) -> None:
    """Return once the router knows the specialist."""
    async with asyncio.timeout(30):
        while True:
            with suppress(aiohttp.ClientError):
                answer = await _run(session, "Diagnose the slowdown")
                if answer.get("status") == "completed":
                    return
            await asyncio.sleep(0.2)


async def _ask(session: aiohttp.ClientSession) -> None:
    answer = await _run(session, PROMPT)
    if FINDING not in str(answer):
        raise RuntimeError(f"nothing came back: {answer}")


async def _run(session: aiohttp.ClientSession, prompt: str) -> dict[str, Any]:
    body, wait = {"input": prompt}, {"prefer": "wait=30"}
    async with session.post("/v1/runs", json=body, headers=wait) as reply:
        answer: dict[str, Any] = await reply.json()
    return answer


def report(title: str, watch: Watch, *, whole: bool) -> None:
    """Print the counts and, if asked, every name behind them."""
    print(
        f"{title}: {len(watch.functions)} functions in {len(watch.modules)} modules,"
        f" as {len(watch.types)} types"
    )
    if whole:
        for name in (*sorted(watch.functions), *(f"type {each}" for each in sorted(watch.types))):
            print(f"  {name}")


def main() -> int:
    """Trace once and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--list", action="store_true", help="name all that was entered")
    whole = parser.parse_args().list
    there, back = Watch(PROMPT), Watch(FINDING)
    with tempfile.TemporaryDirectory(prefix="trace-") as directory, watching(there, back):
        asyncio.run(traced(Path(directory), there, back))
    report("the prompt, there", there, whole=whole)
    report("the finding, back", back, whole=whole)
    return 0


if __name__ == "__main__":
    sys.exit(main())

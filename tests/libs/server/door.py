"""A front door over a real store, a worker that does as the prompt says, and clients of it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import anyio
import httpx
import pytest
from starlette.types import ASGIApp

from weft.bus import MemoryBus
from weft.checkpoint import BookEntry, Checkpointer, Claimed
from weft.core import (
    ALL_SCOPES,
    Allowance,
    Interrupt,
    JsonObject,
    Principal,
    Reason,
    Result,
    loads_object,
)
from weft.core.errors import UnauthenticatedError
from weft.events import AnyData, Event
from weft.runs import MESH_RUN, Journal, RunOutcome, Runs, Worker
from weft.server import ApiOptions, api
from weft.server.gate import RequestGate
from weft.server.overload import Overload, OverloadBounds
from weft.server.rates import Rates

STORES = pytest.mark.parametrize("checkpointer", ["memory:", "sqlite:{}"], indirect=True)
"""Every store that a laptop has."""

EVERY_RIGHT = ALL_SCOPES - {"admin"}
"""Of one subject, over what is its own."""
ANA = Principal(tenant="acme", subject="ana", scopes=EVERY_RIGHT, limits="none")
BOB = Principal(tenant="acme", subject="bob", scopes=EVERY_RIGHT)
EVE = Principal(tenant="evil", subject="ana", scopes=EVERY_RIGHT)
CHIEF = Principal(tenant="acme", subject="chief", scopes=frozenset({"admin"}), limits="none")
"""Who administers ana's and bob's tenant."""
READER = Principal(tenant="acme", subject="ana", scopes=frozenset({"runs:read", "threads:read"}))
CALLER = Principal(
    tenant="acme", subject="cal", scopes=frozenset({"runs:read", "runs:write", "agents:metrics"})
)

SLOW = Principal(
    tenant="acme",
    subject="slo",
    scopes=EVERY_RIGHT,
    limits=Allowance(per_s=0.001, burst=2, streams=0),
)
"""Whose key has limits of its own."""


class Names:
    """Knows seven people by name."""

    async def authenticate(self, credential: str) -> Principal:
        people = {
            "ana": ANA,
            "bob": BOB,
            "eve": EVE,
            "chief": CHIEF,
            "reader": READER,
            "caller": CALLER,
            "slow": SLOW,
        }
        if credential not in people:
            raise UnauthenticatedError(f"nobody is called {credential}")
        return people[credential]


def told(kind: str, **data: object) -> Event:
    return Event(type=kind, data=AnyData.model_validate(data))


@dataclass
class Script:
    """Executes a run by the first word of its input; other words are echoed."""

    go: asyncio.Event = field(default_factory=asyncio.Event)
    began: asyncio.Event = field(default_factory=asyncio.Event)
    executed: list[str] = field(default_factory=list)

    async def __call__(self, claimed: Claimed, journal: Journal) -> RunOutcome:
        text = str(claimed.run.request["input"])
        self.executed.append(text)
        self.began.set()
        match text.split(maxsplit=1)[0]:
            case "hold":
                await self.go.wait()
            case "fail":
                reason = Reason(code="model_failed", message="the model is away")
                behind = Reason(code="x", message="so is the other", path=("both", "a/b"))
                return RunOutcome(
                    Result(
                        status="failed",
                        text="half",
                        reasons=(reason, behind),
                        stop_reason="max_iterations",
                    )
                )
            case "late":
                return RunOutcome(Result.failed("deadline_exceeded", "out of time"))
            case "ask":
                return self._ask(claimed)
            case "crash":
                raise RuntimeError("SELECT secret FROM prompts")
            case "count":
                entry = BookEntry("answer", "general", "direct_response", success=True)
                return RunOutcome(Result(status="completed", text="counted"), book=(entry,))
            case "talk":
                await self._talk(journal)
            case _:
                pass
        return RunOutcome(Result(status="completed", text=f"echo: {text}"))

    def _ask(self, claimed: Claimed) -> RunOutcome:
        answer = claimed.steps.get(("interrupt", "a" * 32))
        if answer is not None:
            return RunOutcome(Result(status="completed", text=f"answered: {answer['answer']}"))
        kind = str(claimed.run.request["input"]).split()[-1]
        reason = "approval" if kind == "approval" else "question"
        questions = [Interrupt(id="a" * 32, reason=reason, message="shall I?")]
        if kind == "twice":
            questions.append(Interrupt(id="b" * 32, reason="credentials", message="log in"))
        return RunOutcome(Result(status="interrupted", interrupts=tuple(questions)))

    async def _talk(self, journal: Journal) -> None:
        journal.emit(
            told("agent.think", reasoning_preview="hm"),
            told("agent.model.chunk", content="Hel"),
            told("agent.model.chunk", content="lo"),
            told("agent.tool.started", tool_name="ls", tool_call_id="c1", arguments={"a": 1}),
            told("agent.tool.completed", tool_name="ls", tool_call_id="c1", result="x", error=None),
            told("agent.custom", name="n").under(("collect", "metrics")),
        )
        await journal.flush()
        await self.go.wait()


class Bounded(httpx.ASGITransport):
    """Answers within five seconds or fails."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        with anyio.fail_after(5):
            return await super().handle_async_request(request)


@dataclass
class House:
    """One front door with its worker."""

    runs: Runs
    app: ASGIApp
    script: Script
    stack: AsyncExitStack

    async def client(self, who: str | None = "ana", **headers: str) -> httpx.AsyncClient:
        sent = dict(headers)
        if who is not None:
            sent["authorization"] = f"Bearer {who}"
        made = httpx.AsyncClient(
            transport=Bounded(self.app), base_url="http://localhost", headers=sent
        )
        return await self.stack.enter_async_context(made)


def gate_of(
    runs: Runs, *, rate: Allowance | None = None, bounds: OverloadBounds | None = None
) -> RequestGate:
    """Return a gate that lets everybody of a test pass, unless told otherwise."""
    wide = Allowance(per_s=1e6, burst=1_000_000, streams=1000)
    overload = Overload(
        runs.checkpointer.runs, MESH_RUN, bounds or OverloadBounds(queued=10**6, spare=10**6)
    )
    return RequestGate(Rates(rate or wide), overload)


@asynccontextmanager
async def opened(
    checkpointer: Checkpointer,
    *,
    options: ApiOptions | None = None,
    slots: int = 64,
    rate: Allowance | None = None,
    bounds: OverloadBounds | None = None,
) -> AsyncIterator[House]:
    """Yield a house whose worker is at work."""
    runs, script = Runs(checkpointer, MemoryBus(), pool="test"), Script()
    worker = Worker(runs, script, name="w1", operations=(MESH_RUN,), slots=slots)
    gate = gate_of(runs, rate=rate, bounds=bounds)
    async with AsyncExitStack() as stack, worker.working(), gate.watching():
        try:
            yield House(runs, api(runs, Names(), gate, options=options), script, stack)
        finally:
            script.go.set()


@dataclass(frozen=True)
class Frame:
    """One frame of a stream."""

    id: int | None
    event: str | None
    text: str

    @property
    def data(self) -> JsonObject:
        return loads_object(self.text)


def frames(text: str) -> list[Frame]:
    """Return the frames of a whole stream."""
    found = []
    for block in text.split("\n\n"):
        lines = dict(line.split(": ", 1) for line in block.split("\n") if ": " in line)
        if "data" in lines:
            number = int(lines["id"]) if "id" in lines else None
            found.append(Frame(number, lines.get("event"), lines["data"]))
    return found


async def finished(client: httpx.AsyncClient, run_id: str) -> JsonObject:
    """Return the run once it rests."""
    answer = await client.get(f"/v1/runs/{run_id}", headers={"prefer": "wait=5"})
    return loads_object(answer.content)

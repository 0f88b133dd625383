"""One agent behind real sockets: store, worker, server, and a peer that a test scripts."""

import asyncio
import json
import socket
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import orjson
import uvicorn

from weft.a2a import Card, Skill
from weft.a2a.client import A2AClient, open_session
from weft.a2a.server import A2AServer, TaskLimits, execute_task
from weft.bus.memory import MemoryBus
from weft.checkpoint.memory import memory_checkpointer
from weft.core import Authority, JsonObject, JsonValue, Principal, Result, new_id, parts_of
from weft.events import Event
from weft.identity import Minter, SigningKey, Trust, Verifier
from weft.identity.keys import b64, unb64
from weft.loop import Peer, Task
from weft.runs import A2A_SEND, Runs, Worker

Script = Callable[["ScriptedRun"], AsyncIterator[Event | Result]]


@dataclass
class ScriptedRun:
    """A run of the scripted peer; `go` lets a waiting script continue."""

    task: Task
    script: Script
    go: asyncio.Event
    result: Result = field(default_factory=lambda: Result(status="completed"))
    canceled: bool = False

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._events()

    async def _events(self) -> AsyncGenerator[Event, None]:
        async for told in self.script(self):
            if isinstance(told, Result):
                self.result = told
            else:
                yield told

    def __await__(self) -> Generator[object, None, Result]:
        return self._done().__await__()

    async def _done(self) -> Result:
        return self.result

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        del reason, grace_s
        self.canceled = True
        return None


async def echo(run: ScriptedRun) -> AsyncIterator[Event | Result]:
    yield Result(status="completed", text=f"echo: {run.task.prompt}")


class ScriptedPeer:
    """Does what its script says, and remembers every run."""

    name = "echo"

    def __init__(self, script: Script = echo) -> None:
        self.script = script
        self.go = asyncio.Event()
        self.runs: list[ScriptedRun] = []
        self.started = asyncio.Event()

    def start(self, task: Task) -> ScriptedRun:
        run = ScriptedRun(task, self.script, self.go)
        self.runs.append(run)
        self.started.set()
        return run


CARD = Card(
    name="echo",
    description="Says what it hears.",
    skills=(Skill(id="echo", name="Echo", description="Repeats.", tags=("domain:test",)),),
)


@dataclass
class Stream:
    """The events of an SSE answer, read one by one."""

    response: aiohttp.ClientResponse

    async def frames(self) -> AsyncGenerator[tuple[int | None, Any], None]:
        number: int | None = None
        async for line in self._lines():
            if line.startswith("id: "):
                number = int(line[4:])
            elif line.startswith("data: "):
                yield number, json.loads(line[6:])["result"]
                number = None

    async def _lines(self) -> AsyncGenerator[str, None]:
        unread = b""
        async for piece in self.response.content.iter_any():
            *lines, unread = (unread + piece).split(b"\n")
            for line in lines:
                yield line.decode()

    async def all(self) -> list[tuple[int | None, Any]]:
        return [frame async for frame in self.frames()]


@dataclass
class Served:
    """An agent under test."""

    url: str
    peer: ScriptedPeer
    server: A2AServer
    runs: Runs
    session: aiohttp.ClientSession
    uvicorn: uvicorn.Server

    @property
    def port(self) -> int:
        return int(self.url.rstrip("/").rpartition(":")[2])

    async def post(
        self, body: bytes | JsonObject, headers: dict[str, str] | None = None
    ) -> aiohttp.ClientResponse:
        raw: dict[str, object] = {"data": body} if isinstance(body, bytes) else {"json": body}
        sent = {"content-type": "application/json", "a2a-version": "1.0", **(headers or {})}
        return await self.session.post(self.url, headers=sent, **raw)  # type: ignore[arg-type]

    async def status(self, body: bytes | JsonObject, headers: dict[str, str]) -> int:
        async with await self.post(body, headers) as response:
            await response.read()
            return response.status

    async def call(
        self, method: str, params: JsonObject, headers: dict[str, str] | None = None
    ) -> Any:  # noqa: ANN401 - a test looks at JSON as it comes
        """Return the whole JSON-RPC answer."""
        body: JsonObject = {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}
        return await (await self.post(body, headers)).json()

    async def stream(
        self, method: str, params: JsonObject, headers: dict[str, str] | None = None
    ) -> Stream:
        body: JsonObject = {"jsonrpc": "2.0", "id": "s", "method": method, "params": params}
        response = await self.post(body, headers)
        assert response.content_type == "text/event-stream", await response.text()
        return Stream(response)


def message(text: str, **more: JsonValue) -> JsonObject:
    return {
        "message": {
            "messageId": more.pop("message_id", new_id()),
            "role": "ROLE_USER",
            "parts": [{"text": text}],
            **more,
        }
    }


def bound_socket(port: int = 0) -> socket.socket:
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", port))
    return bound


class ReadyServer(uvicorn.Server):
    """Says when it listens, and stops when told instead of at the next tick."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.ready = asyncio.Event()
        self.stopping = asyncio.Event()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        for each in self.servers:
            each.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        for bound in sockets or ():
            bound.close()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=1)

    async def main_loop(self) -> None:
        await self.on_tick(0)
        await self.stopping.wait()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@asynccontextmanager
async def serving(app: object, bound: socket.socket) -> AsyncIterator[uvicorn.Server]:
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    server = ReadyServer(config)
    async with asyncio.TaskGroup() as tasks:
        running = tasks.create_task(server.serve(sockets=[bound]))
        await server.ready.wait()
        try:
            yield server
        finally:
            server.should_exit = True
            server.stopping.set()
            await running


@dataclass
class Mesh:
    """Keys of a router and of the agent `echo`, pinned on both sides."""

    router: SigningKey = field(default_factory=lambda: SigningKey.generate("router", issuer=True))
    echo: SigningKey = field(default_factory=lambda: SigningKey.generate("echo"))

    @property
    def trust(self) -> Trust:
        return Trust((self.router.trusted(), self.echo.trusted()))

    def bearer(
        self,
        subject: str = "s",
        tenant: str = "t",
        scope: str = "agents:*",
        **limits: Any,  # noqa: ANN401 - fields of an authority
    ) -> dict[str, str]:
        authority = Authority(principal(subject, tenant, scope), **limits)
        token = Minter(self.router).mint(authority, audience="echo", at="")
        return {"authorization": f"Bearer {token}"}

    def bearer_with(self, **claims: JsonValue) -> dict[str, str]:
        """Return a token of the router's that says more, or less, than its minter would."""
        token = self.bearer()["authorization"].removeprefix("Bearer ")
        head, body, _ = token.encode().split(b".")
        said = {**orjson.loads(unb64(body)), **claims}
        signed = head + b"." + b64(orjson.dumps(said))
        signature = b64(self.router.sign(signed))
        return {"authorization": f"Bearer {(signed + b'.' + signature).decode()}"}


def principal(subject: str = "s", tenant: str = "t", scope: str = "agents:*") -> Principal:
    return Principal(tenant=tenant, subject=subject, scopes=frozenset({scope}))


@asynccontextmanager
async def agent(
    peer: Peer | None = None,
    *,
    mesh: Mesh | None = None,
    card: Card = CARD,
    limits: TaskLimits | None = None,
) -> AsyncIterator[Served]:
    """Serve `peer` with a store and a worker of its own; a mesh makes it ask for tokens."""
    peer = peer or ScriptedPeer()
    bound = bound_socket()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
    async with AsyncExitStack() as stack:
        checkpointer = memory_checkpointer()
        stack.push_async_callback(checkpointer.aclose)
        bus = MemoryBus()
        runs = Runs(checkpointer, bus, pool="echo")
        await stack.enter_async_context(runs.listening())
        await stack.enter_async_context(
            Worker(runs, execute_task(peer), operations=(A2A_SEND,), name="w1").working()
        )
        server = A2AServer(
            card,
            runs,
            url=url,
            limits=limits,
            authenticator=Verifier(mesh.trust, audience="echo") if mesh else None,
            key=mesh.echo if mesh else None,
        )
        listening = await stack.enter_async_context(serving(server.app(), bound))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Served(url, cast("ScriptedPeer", peer), server, runs, session, listening)


@asynccontextmanager
async def replica(served: Served, mesh: Mesh) -> AsyncIterator[Served]:
    """Serve the same store from a second server that executes nothing itself."""
    bound = bound_socket()
    url = f"http://127.0.0.1:{bound.getsockname()[1]}/"
    async with AsyncExitStack() as stack:
        runs = Runs(served.runs.checkpointer, served.runs.bus, pool="echo")
        await stack.enter_async_context(runs.listening())
        server = A2AServer(CARD, runs, url=url, authenticator=Verifier(mesh.trust, audience="echo"))
        listening = await stack.enter_async_context(serving(server.app(), bound))
        yield Served(url, served.peer, server, runs, served.session, listening)


@asynccontextmanager
async def calling(served: Served, mesh: Mesh) -> AsyncIterator[A2AClient]:
    """Yield a client of the router for the served agent."""
    async with open_session() as session:
        yield await A2AClient.connect(
            served.url, session, service="echo", trust=mesh.trust, minter=Minter(mesh.router)
        )


def a_task(prompt: str = "hello", **more: Any) -> Task:  # noqa: ANN401 - fields of a task
    limits = {name: more.pop(name) for name in ("budget", "deadline", "trace") if name in more}
    parts, message_id = more.pop("parts", None), more.pop("message_id", None)
    authority = Authority(principal(), **limits)
    return Task(parts or parts_of(prompt), message_id or new_id(), authority=authority, **more)

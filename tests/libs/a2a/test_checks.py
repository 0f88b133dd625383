"""What is checked of an agent from outside: everybody's who keeps to A2A, and each fault by name."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web

from tests.libs.a2a.harness import Mesh, agent
from weft.a2a.checks import Check, check_agent
from weft.a2a.client import open_session
from weft.core import JsonObject, JsonValue
from weft.core.protocol_errors import PeerUnavailableError
from weft.local.ports import free_port

KEY = "the-key"


@dataclass
class PlainAgent:
    """A small A2A 1.0 agent written from the specification alone, and what is wrong with it."""

    card: JsonObject = field(default_factory=dict)
    """Replaces fields of its card; None leaves a field out."""
    faults: frozenset[str] = frozenset()
    key: str | None = None
    """Asked for in the header X-Own-Key."""
    url: str = ""
    tasks: dict[str, JsonObject] = field(default_factory=dict)

    def shown_card(self) -> JsonObject:
        shown: JsonObject = {
            "name": "plain",
            "description": "Answers.",
            "version": "1",
            "supportedInterfaces": [
                {"url": f"{self.url}/rpc", "protocolBinding": "JSONRPC", "protocolVersion": "1.0"}
            ],
            "capabilities": {"streaming": False},
            "defaultInputModes": ["text/plain"],
            "defaultOutputModes": ["text/plain"],
            "skills": [
                {
                    "id": "answer",
                    "name": "Answer",
                    "description": "Answers.",
                    "tags": ["effects:none"],
                    "examples": ["Hello"],
                }
            ],
        }
        if self.key:
            scheme: JsonObject = {"location": "header", "name": "X-Own-Key"}
            shown["securitySchemes"] = {"own": {"apiKeySecurityScheme": scheme}}
        merged = {**shown, **self.card}
        return {name: value for name, value in merged.items() if value is not None}

    async def show(self, request: web.Request) -> web.Response:
        headers = {"ETag": '"1"', "Cache-Control": "max-age=60"}
        if request.headers.get("If-None-Match") == '"1"':
            return web.Response(status=304, headers=headers)
        return web.json_response(self.shown_card(), headers=headers)

    async def rpc(self, request: web.Request) -> web.StreamResponse:
        if self.key and request.headers.get("X-Own-Key") != self.key:
            return web.Response(status=401, headers={"WWW-Authenticate": "ApiKey"})
        try:
            call = json.loads(await request.read())
        except ValueError:
            return web.json_response(_error(-32700))
        if request.headers.get("A2A-Version") != "1.0":
            return web.json_response(_error(-32009))
        return web.json_response(self.answer(call["method"], call["params"]))

    def answer(self, method: str, params: JsonObject) -> JsonObject:
        if method == "SendMessage":
            return self.send(params)
        if method in {"GetTask", "CancelTask"}:
            task = self.tasks.get(str(params["id"]))
            if task is None:
                return _error(-32001)
            return _error(-32002) if method == "CancelTask" else {"result": dict(task)}
        codes = {"SendStreamingMessage": -32004, "CreateTaskPushNotificationConfig": -32003}
        return _error(codes.get(method, -32601))

    def send(self, params: JsonObject) -> JsonObject:
        message = params["message"]
        assert isinstance(message, dict)
        parts = message.get("parts")
        if not isinstance(parts, list):
            return _error(-32602)
        if "raw" in json.dumps(parts):
            return _error(-32005)
        name = str(message["messageId"]) if "forgets" not in self.faults else str(len(self.tasks))
        status: JsonObject = {"state": "TASK_STATE_COMPLETED"}
        if "odd time" in self.faults:
            status["timestamp"] = "yesterday"
        artifact: JsonObject = {"artifactId": "a", "parts": [{"text": "Hello"}]}
        artifacts: list[JsonValue] = [] if "says nothing" in self.faults else [artifact]
        self.tasks[name] = {"id": name, "contextId": "c", "status": status, "artifacts": artifacts}
        return {"result": {"task": self.tasks[name]}}


def _error(code: int) -> JsonObject:
    return {"jsonrpc": "2.0", "id": 1, "error": {"code": code, "message": "no"}}


@asynccontextmanager
async def served(plain: PlainAgent) -> AsyncIterator[PlainAgent]:
    app = web.Application()
    app.router.add_get("/.well-known/agent-card.json", plain.show)
    app.router.add_post("/rpc", plain.rpc)
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    plain.url = f"http://127.0.0.1:{port}"
    try:
        yield plain
    finally:
        await runner.cleanup()


async def checks_of(url: str, key: str | None = None) -> list[Check]:
    async with open_session() as session:
        found = check_agent(session, url, text="hello", key=key, seconds=20)
        return [check async for check in found]


def wrong(checks: list[Check]) -> dict[str, str]:
    """Return what does not hold, by its subject."""
    return {check.subject: check.verdict for check in checks if check.verdict != "ok"}


@pytest.mark.requirement("A2A-87")
async def test_an_agent_of_ours_keeps_to_all_of_it() -> None:
    async with agent() as ours:
        checks = await checks_of(ours.url)

    # Its card says little of its skills, which no client needs.
    assert set(wrong(checks).values()) <= {"advice"}
    assert {"stream", "subscription to what ended", "one message, one task"} <= {
        check.subject for check in checks if check.verdict == "ok"
    }


async def test_an_agent_of_others_keeps_to_all_of_it() -> None:
    async with served(PlainAgent()) as plain:
        checks = await checks_of(plain.url)
    async with served(PlainAgent(key=KEY)) as plain:
        with_key, without = await checks_of(plain.url, KEY), await checks_of(plain.url)

    assert wrong(checks) == {}
    assert wrong(with_key) == {}
    assert wrong(without) == {"calls": "unchecked"}


async def test_what_asks_for_tokens_of_its_mesh_is_said_not_to_be_checked() -> None:
    async with agent(mesh=Mesh()) as ours:
        checks = await checks_of(ours.url)

    [calls] = [check for check in checks if check.subject == "calls"]
    assert calls.verdict == "unchecked"
    assert "--key" in calls.words


def _skill(**changes: JsonValue) -> JsonObject:
    skills = PlainAgent().shown_card()["skills"]
    assert isinstance(skills, list)
    assert isinstance(skills[0], dict)
    return {**skills[0], **changes}


@pytest.mark.parametrize(
    ("make", "subject", "verdict"),
    [
        (lambda: PlainAgent({"description": " "}), "card names", "fault"),
        (lambda: PlainAgent({"defaultInputModes": None}), "media types", "fault"),
        (lambda: PlainAgent({"skills": []}), "skills", "fault"),
        (lambda: PlainAgent({"skills": [_skill(), _skill()]}), "skill ids", "fault"),
        (lambda: PlainAgent({"skills": [_skill(tags=["risk:huge"])]}), "tags", "advice"),
        (lambda: PlainAgent({"skills": [_skill(tags=["talk"])]}), "effects", "advice"),
        (lambda: PlainAgent({"skills": [_skill(examples=[])]}), "examples", "advice"),
        (lambda: PlainAgent({"supportedInterfaces": []}), "interfaces", "fault"),
        (
            lambda: PlainAgent({"securityRequirements": [{"schemes": {"x": {}}}]}),
            "security schemes",
            "fault",
        ),
        (lambda: PlainAgent({"capabilities": {"streaming": True}}), "stream", "fault"),
        (lambda: PlainAgent({"securitySchemes": None}, key=KEY), "credentials", "fault"),
        (lambda: PlainAgent({"securitySchemes": {"x": {}}}), "credentials", "fault"),
        (lambda: PlainAgent(faults=frozenset({"forgets"})), "one message, one task", "advice"),
        (lambda: PlainAgent(faults=frozenset({"odd time"})), "task", "fault"),
        (lambda: PlainAgent(faults=frozenset({"says nothing"})), "task", "fault"),
    ],
)
async def test_a_fault_is_named(make: Callable[[], PlainAgent], subject: str, verdict: str) -> None:
    async with served(make()) as plain:
        found = wrong(await checks_of(plain.url, plain.key))

    assert found.get(subject) == verdict, found


@pytest.mark.parametrize(
    ("method", "code", "subject"),
    [
        ("GetTask", -32001, "absent task"),
        ("CancelTask", -32002, "cancel of what ended"),
        ("NoSuchMethod", -32601, "unknown method"),
        ("CreateTaskPushNotificationConfig", -32003, "push not offered"),
        ("SendStreamingMessage", -32004, "stream not offered"),
    ],
)
async def test_a_refusal_that_does_not_come_is_a_fault(
    method: str, code: int, subject: str
) -> None:
    class Yielding(PlainAgent):
        def answer(self, name: str, params: JsonObject) -> JsonObject:
            answer = super().answer(name, params)
            error = answer.get("error")
            refused = isinstance(error, dict) and error["code"] == code
            return _error(-32603) if name == method and refused else answer

    async with served(Yielding()) as plain:
        found = wrong(await checks_of(plain.url))

    assert found.get(subject) == "fault", found


async def test_where_nobody_is_it_says_so() -> None:
    with pytest.raises(PeerUnavailableError, match="does not answer"):
        await checks_of(f"http://127.0.0.1:{free_port()}")


async def test_what_is_no_card_is_the_only_fault() -> None:
    app = web.Application()
    runner = web.AppRunner(app)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        checks = await checks_of(f"http://127.0.0.1:{port}")
    finally:
        await runner.cleanup()

    assert wrong(checks) == {"card is there": "fault"}


async def test_an_answer_that_is_cut_short_is_a_fault_of_that_call_alone() -> None:
    class Cutting(PlainAgent):
        async def rpc(self, request: web.Request) -> web.StreamResponse:
            if b"NoSuchMethod" in await request.read():
                assert request.transport is not None
                request.transport.abort()
            return await super().rpc(request)

    async with served(Cutting()) as plain:
        checks = await checks_of(plain.url)

    assert wrong(checks) == {"unknown method": "fault"}
    assert "cut" in next(check.words for check in checks if check.verdict == "fault")

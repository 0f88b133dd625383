"""`POST /v1/explain`: what it takes, and how its refusals look over HTTP."""

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import cast

import httpx
import pytest

from gateway.control import ControlClient
from gateway.explain import explain_routes
from tests.libs.server.door import ANA, Bounded, gate_of
from weft.bus import MemoryBus
from weft.checkpoint.memory import memory_checkpointer
from weft.core import Authority, JsonObject, Principal
from weft.core.edge_errors import RouterUnavailableError
from weft.core.errors import ForbiddenError, UnauthenticatedError
from weft.core.messages import MAX_PROMPT
from weft.runs import Runs
from weft.server.api import api

WRITER = Principal(tenant="acme", subject="w", scopes=frozenset({"runs:write"}))


class Names:
    """Knows two people by name."""

    async def authenticate(self, credential: str) -> Principal:
        people = {"ana": ANA, "writer": WRITER}
        if credential not in people:
            raise UnauthenticatedError(f"nobody is called {credential}")
        return people[credential]


class Told:
    """Stands for the router: remembers what it is asked, and may refuse."""

    def __init__(self) -> None:
        self.asked: list[JsonObject] = []
        self.error: Exception | None = None

    async def explain(
        self, authority: Authority, *, text: str, goal: JsonObject | None, protocol: str | None
    ) -> JsonObject:
        self.asked.append(
            {
                "subject": authority.principal.subject,
                "text": text,
                "goal": goal,
                "protocol": protocol,
            }
        )
        if self.error is not None:
            raise self.error
        return {"parts": []}


@pytest.fixture
def router() -> Told:
    return Told()


@asynccontextmanager
async def door(router: Told, who: str | None = "ana") -> AsyncIterator[httpx.AsyncClient]:
    async with aclosing(memory_checkpointer()) as checkpointer:
        runs = Runs(checkpointer, MemoryBus(), pool="router")
        app = api(
            runs, Names(), gate_of(runs), extra_routes=[explain_routes(cast(ControlClient, router))]
        )
        sent = {"authorization": f"Bearer {who}"} if who else {}
        async with httpx.AsyncClient(
            transport=Bounded(app), base_url="http://localhost", headers=sent
        ) as client:
            yield client


async def test_words_goal_and_protocol_go_to_the_router_as_they_came(router: Told) -> None:
    body: JsonObject = {"input": "why?", "goal": {"primary_goal": "answer"}, "protocol": "p"}
    async with door(router) as client:
        answer = await client.post("/v1/explain", json=body)

    assert (answer.status_code, answer.json()) == (200, {"parts": []})
    assert router.asked == [
        {"subject": "ana", "text": "why?", "goal": {"primary_goal": "answer"}, "protocol": "p"}
    ]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "input"),
        ({"input": ""}, "input"),
        ({"input": "x", "goal": "diagnose"}, "/goal"),
        ({"input": "x", "tempreature": 1}, "/tempreature"),
        ({"input": 7}, "/input"),
        ([1], ""),
    ],
)
async def test_what_is_wrong_with_a_body_is_named(
    router: Told, body: JsonObject, pointer: str
) -> None:
    async with door(router) as client:
        answer = await client.post("/v1/explain", json=body)

    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert pointer in answer.text
    assert router.asked == []


async def test_without_a_router_it_is_503_and_may_be_asked_again(router: Told) -> None:
    router.error = RouterUnavailableError("no router is running; `weft up` starts one")
    async with door(router) as client:
        answer = await client.post("/v1/explain", json={"input": "why?"})

    assert (answer.status_code, answer.json()["code"]) == (503, "router_unavailable")
    assert "weft up" in answer.json()["detail"]


@pytest.mark.requirement("AUTH-9")
async def test_without_the_scope_it_is_403_before_the_router_hears_of_it(router: Told) -> None:
    async with door(router, "writer") as client:
        answer = await client.post("/v1/explain", json={"input": "why?"})

    assert (answer.status_code, answer.json()["code"]) == (403, "forbidden")
    assert answer.json()["required_scope"] == "runs:read"
    assert router.asked == []


async def test_what_the_router_forbids_is_403(router: Told) -> None:
    router.error = ForbiddenError("runs:read")
    async with door(router) as client:
        answer = await client.post("/v1/explain", json={"input": "why?"})

    assert answer.status_code == 403


@pytest.mark.requirement("AUTH-5")
@pytest.mark.parametrize("who", [None, "stranger"])
async def test_without_credentials_it_is_401(router: Told, who: str | None) -> None:
    async with door(router, who) as client:
        answer = await client.post("/v1/explain", json={"input": "why?"})

    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith("Bearer")
    assert router.asked == []


@pytest.mark.requirement("GW-39")
async def test_what_is_explained_is_bounded_as_what_is_run(router: Told) -> None:
    async with door(router) as client:
        answers = [
            await client.post("/v1/explain", json={"input": "x" * size})
            for size in (MAX_PROMPT, MAX_PROMPT + 1)
        ]

    assert [each.status_code for each in answers] == [200, 413]

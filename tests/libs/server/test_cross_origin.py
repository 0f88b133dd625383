"""Browsers: which pages may call, what they may send, and what they may read."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import httpx
import pytest

from tests.libs.server.door import House, frames, opened
from weft.checkpoint import memory_checkpointer
from weft.core.errors import ConfigError
from weft.loop import Agent
from weft.server import AgentServer, ApiOptions, origins_in

APP, OTHER = "https://app.example.com", "https://evil.example.com"
ASKS = {
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, content-type, idempotency-key",
}


@pytest.fixture
async def house() -> AsyncIterator[House]:
    options = ApiOptions(origins=origins_in(f"{APP}, http://localhost:5173"), docs=True)
    async with aclosing(memory_checkpointer()) as store, opened(store, options=options) as made:
        yield made


@pytest.mark.requirement("GW-41")
async def test_a_listed_page_may_ask_and_read_what_it_needs(house: House) -> None:
    stranger, ana = await house.client(None), await house.client("ana")

    for origin in (APP, "http://localhost:5173"):
        allowed = await stranger.options("/v1/runs", headers={"origin": origin, **ASKS})
        answer = await ana.post("/v1/runs", json={"input": "hello"}, headers={"origin": origin})

        assert allowed.status_code == 200
        assert allowed.headers["access-control-allow-origin"] == origin
        assert "POST" in allowed.headers["access-control-allow-methods"]
        assert "authorization" in allowed.headers["access-control-allow-headers"].lower()
        assert answer.status_code == 202
        assert answer.headers["access-control-allow-origin"] == origin
        assert "origin" in answer.headers["vary"].lower()
        exposed = answer.headers["access-control-expose-headers"]
        for name in ("Location", "Retry-After", "Idempotency-Replayed", "RateLimit"):
            assert name in exposed
        assert "access-control-allow-credentials" not in answer.headers


@pytest.mark.requirement("GW-41")
async def test_a_listed_page_reads_streams_and_refusals(house: House) -> None:
    ana, stranger = await house.client("ana"), await house.client(None)

    stream = await ana.post("/stream", json={"prompt": "hello"}, headers={"origin": APP})
    refused = await stranger.get("/v1/runs", headers={"origin": APP})

    assert frames(stream.text)[-1].text == "[DONE]"
    assert stream.headers["access-control-allow-origin"] == APP
    assert (refused.status_code, refused.json()["code"]) == (401, "unauthenticated")
    assert refused.headers["access-control-allow-origin"] == APP


@pytest.mark.requirement("GW-41")
@pytest.mark.parametrize(
    "origin", [OTHER, "null", "https://app.example.com:8443", "http://app.example.com"]
)
async def test_any_other_page_is_told_nothing(house: House, origin: str) -> None:
    ana, stranger = await house.client("ana"), await house.client(None)

    preflight = await stranger.options("/v1/runs", headers={"origin": origin, **ASKS})
    answer = await ana.get("/v1/me", headers={"origin": origin})

    assert (preflight.status_code, preflight.json()["code"]) == (401, "unauthenticated")
    for each in (preflight, answer):
        assert not [name for name in each.headers if name.startswith("access-control")]
    assert answer.status_code == 200


@pytest.mark.requirement("GW-41")
async def test_without_a_list_no_page_is_answered() -> None:
    async with aclosing(memory_checkpointer()) as store, opened(store) as house:
        ana = await house.client("ana")
        answer = await ana.get("/v1/me", headers={"origin": APP})

        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert (await ana.get("/docs")).status_code == 404


@pytest.mark.requirement("GW-41")
@pytest.mark.parametrize(
    "names",
    [
        "*",
        "https://*.example.com",
        "app.example.com",
        "https://app.example.com/",
        "ftp://a",
        "null",
    ],
)
def test_what_is_no_exact_origin_refuses_to_start(names: str) -> None:
    with pytest.raises(ConfigError, match="is no origin"):
        origins_in(f"{APP},{names}")
    with pytest.raises(ConfigError, match="is no origin"):
        AgentServer(Agent(), api_key="k" * 16, cors_origins=[names])


async def test_an_agents_server_has_origins_too() -> None:
    server = AgentServer(Agent(), api_key="k" * 16, cors_origins=[APP])
    async with server.opened() as app:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            answer = await client.options("/v1/runs", headers={"origin": APP, **ASKS})

    assert answer.headers["access-control-allow-origin"] == APP


async def test_the_page_that_shows_how_to_call_is_there_where_wanted(house: House) -> None:
    stranger = await house.client(None)

    page = await stranger.get("/docs")
    document = (await stranger.get("/openapi.json")).json()

    assert page.status_code == 200
    assert "swagger" in page.text.lower()
    assert document["components"]["securitySchemes"] == {
        "key": {"type": "http", "scheme": "bearer"}
    }
    assert (await stranger.get("/v1/runs")).status_code == 401

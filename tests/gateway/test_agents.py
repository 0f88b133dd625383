"""`GET /v1/agents`: whom a caller may call, read from signed cards."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from gateway.agents import Agents, agent_routes
from tests.libs.server.door import CALLER, Bounded, gate_of
from weft.a2a import Card, Skill
from weft.bus import MemoryBus
from weft.catalog import Entry, Snapshot
from weft.catalog.memory import MemoryCatalog
from weft.catalog.outside import OutsideAgent
from weft.checkpoint.memory import memory_checkpointer
from weft.core import ALL_SCOPES, Principal, dumps
from weft.core.errors import UnauthenticatedError
from weft.identity import SigningKey, Trust, Verifier, open_key, publish
from weft.identity.signatures import sign
from weft.runs import Runs
from weft.server.api import api
from weft.service import OutsideFile

ANA = Principal(tenant="acme", subject="ana", scopes=ALL_SCOPES)
SKILL = Skill(
    id="metrics.analyze",
    name="Metrics",
    description="Finds what changed.",
    tags=("domain:incident", "risk:medium", "effects:none", "role:diagnose"),
    examples=("why is it slow?",),
)


class Names:
    async def authenticate(self, credential: str) -> Principal:
        people = {"ana": ANA, "caller": CALLER}
        if credential not in people:
            raise UnauthenticatedError("nobody")
        return people[credential]


class Listed(MemoryCatalog):
    """Holds what a test says."""

    def __init__(self, *entries: Entry, awaited: frozenset[str] = frozenset()) -> None:
        super().__init__()
        self.shown = Snapshot(1, entries, awaited=awaited)

    def snapshot(self) -> Snapshot:
        return self.shown


@pytest.fixture
def trust(tmp_path: Path) -> Trust:
    return Trust(directory=tmp_path / "trust")


def made(tmp_path: Path, name: str, *, key: SigningKey | None = None, at: float = 1.0) -> Entry:
    signer = key or open_key(tmp_path / f"{name}.key", name)
    if key is None:
        publish(signer, tmp_path / "trust")
    url = f"http://127.0.0.1:{9000 + int(at)}"
    card = Card(name=name, description=f"Knows {name}.", version="2.0", skills=(SKILL,))
    signed = sign(card.to_wire(url, schemes=Verifier.schemes), signer)
    return Entry(
        service=name, instance=f"i{at:.0f}", url=url, card=dumps(signed).decode(), started_at=at
    )


async def entry(
    tmp_path: Path, name: str, *, key: SigningKey | None = None, at: float = 1.0
) -> Entry:
    return await asyncio.to_thread(partial(made, tmp_path, name, key=key, at=at))


@asynccontextmanager
async def door(
    catalog: Listed, trust: Trust, who: str = "ana", outside: Path = Path("none")
) -> AsyncIterator[httpx.AsyncClient]:
    async with aclosing(memory_checkpointer()) as checkpointer:
        runs = Runs(checkpointer, MemoryBus(), pool="router")
        agents = Agents(catalog, trust, OutsideFile(outside))
        app = api(runs, Names(), gate_of(runs), extra_routes=[agent_routes(agents)])
        async with httpx.AsyncClient(
            transport=Bounded(app),
            base_url="http://localhost",
            headers={"authorization": f"Bearer {who}"},
        ) as client:
            yield client


async def test_agents_are_told_of_as_their_cards_say(tmp_path: Path, trust: Trust) -> None:
    catalog = Listed(
        await entry(tmp_path, "metrics"),
        await entry(tmp_path, "metrics", at=2.0),
        await entry(tmp_path, "router"),
        awaited=frozenset({"logs", "router"}),
    )
    async with door(catalog, trust) as client:
        listed = (await client.get("/v1/agents")).json()
        one = (await client.get("/v1/agents/metrics")).json()
        away = (await client.get("/v1/agents/logs")).json()
        card = await client.get("/v1/agents/metrics/card")

    assert [agent["name"] for agent in listed["data"]] == ["metrics", "logs"]
    assert listed["has_more"] is False
    assert listed["data"] == [one, away]
    assert (one["description"], one["version"], one["status"]) == ("Knows metrics.", "2.0", "there")
    assert [each["instance"] for each in one["instances"]] == ["i2", "i1"]
    assert one["skills"] == [
        {
            "id": "metrics.analyze",
            "description": "Finds what changed.",
            "domains": ["incident"],
            "roles": ["diagnose"],
            "risk": "medium",
            "effects": "none",
            "examples": ["why is it slow?"],
        }
    ]
    assert (away["status"], away["skills"], away["instances"]) == ("away", [], [])
    assert card.json()["signatures"]


@pytest.mark.requirement("AUTH-9")
async def test_whom_one_may_not_call_one_does_not_see(tmp_path: Path, trust: Trust) -> None:
    catalog = Listed(
        await entry(tmp_path, "metrics"),
        await entry(tmp_path, "bank"),
        awaited=frozenset({"payroll"}),
    )
    async with door(catalog, trust, "caller") as client:
        listed = (await client.get("/v1/agents")).json()["data"]
        statuses = [
            (await client.get(f"/v1/agents/{name}")).status_code
            for name in ("metrics", "bank", "payroll", "nobody", "bank/card")
        ]

    assert [agent["name"] for agent in listed] == ["metrics"]
    assert statuses == [200, 404, 404, 404, 404]


async def test_a_card_that_nobody_vouches_for_is_no_agent(tmp_path: Path, trust: Trust) -> None:
    stranger = await asyncio.to_thread(open_key, tmp_path / "stranger.key", "metrics")
    catalog = Listed(await entry(tmp_path, "metrics", key=stranger))
    async with door(catalog, trust) as client:
        assert (await client.get("/v1/agents")).json()["data"] == []
        assert (await client.get("/v1/agents?cursor=cDE")).status_code == 422
        assert (await client.get("/v1/agents?colour=red")).status_code == 422


async def test_agents_of_others_are_listed_for_their_tenants_and_not_said_to_be_there(
    tmp_path: Path, trust: Trust
) -> None:
    desk = OutsideAgent(
        name="desk",
        card_url="https://desk.example/.well-known/agent-card.json",
        card={"description": "Plans.", "skills": [{"id": "journeys", "tags": ["role:judge"]}]},
        tenants=("acme",),
    )
    others = desk.model_copy(update={"name": "others", "tenants": ("elsewhere",)})
    file = OutsideFile(tmp_path / "outside.json")
    await asyncio.to_thread(file.change, lambda before: (*before, desk, others))

    async with door(Listed(), trust, outside=file.path) as client:
        listed = (await client.get("/v1/agents")).json()["data"]
        missing = await client.get("/v1/agents/others")

    assert [(one["name"], one["status"], one["instances"]) for one in listed] == [
        ("desk", "outside", []),
    ]
    assert listed[0]["skills"][0]["id"] == "desk/journeys"
    assert listed[0]["skills"][0]["roles"] == []
    assert missing.status_code == 404

"""Members of a mesh as the router sees them: signed cards in a catalogue, and who may call."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from router_service.peers import MeshPeers
from weft.a2a import Card, Skill
from weft.a2a.client import open_session
from weft.catalog import Entry
from weft.catalog.memory import MemoryCatalog
from weft.core import Clock, Principal, dumps
from weft.identity import Minter, SigningKey, Trust
from weft.identity.keys import TrustedKey
from weft.identity.signatures import sign
from weft.loop import Peer

ANA = Principal(tenant="t", subject="ana", scopes=frozenset({"agents:*"}))
ROUTER_KEY = SigningKey.generate("router", issuer=True)


def may_call(*services: str) -> Principal:
    return Principal(
        tenant="t", subject="cal", scopes=frozenset(f"agents:{each}" for each in services)
    )


@dataclass
class ByHand(Clock):
    """A clock that a test moves."""

    time: float = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


class Directory(Trust):
    """Keys that are published while the test runs."""

    def __init__(self) -> None:
        super().__init__()
        self.published: dict[str, TrustedKey] = {}

    async def find(self, kid: str) -> TrustedKey | None:
        return self.published.get(kid)

    def publish(self, key: SigningKey) -> None:
        self.published[key.kid] = key.trusted()


@dataclass
class House:
    """A catalogue, a directory of keys, and the router's view of both."""

    peers: MeshPeers
    catalog: MemoryCatalog
    trust: Directory
    clock: ByHand
    keys: dict[str, SigningKey] = field(default_factory=dict)

    async def joins(
        self,
        service: str,
        *skills: Skill,
        instance: str = "1",
        url: str = "http://127.0.0.1:1/",
        known: bool = True,
    ) -> Entry:
        key = self.keys.setdefault(service, SigningKey.generate(service))
        if known:
            self.trust.publish(key)
        card = sign(Card(name=service, description=service, skills=skills).to_wire(
            url, delegated=True), key)  # fmt: skip
        entry = Entry(
            service=service,
            instance=instance,
            url=url,
            card=dumps(card).decode(),
        )
        await self.catalog.publish(entry)
        await self.peers.refresh()
        return entry

    async def leaves(self, entry: Entry) -> None:
        await self.catalog.withdraw(entry)
        await self.peers.refresh()


def skill(name: str, *tags: str) -> Skill:
    return Skill(id=name, name=name, description=f"Does {name}.", tags=tags or ("general",))


@asynccontextmanager
async def house(builtin: Mapping[str, Peer] | None = None) -> AsyncIterator[House]:
    catalog, trust, clock = MemoryCatalog(), Directory(), ByHand()
    async with open_session() as session:
        peers = MeshPeers(
            catalog, session, trust, Minter(ROUTER_KEY), builtin=builtin or {}, clock=clock
        )
        yield House(peers, catalog, trust, clock)


def without_card(entry: Entry) -> Entry:
    return entry.model_copy(update={"card": "{}"})


__all__ = ["ANA", "ROUTER_KEY", "House", "house", "may_call", "skill", "without_card"]

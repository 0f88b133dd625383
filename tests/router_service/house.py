"""Members of a mesh as the router sees them: signed cards in a catalogue, and who may call."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from router_service.peers import MeshPeers
from weft.a2a import Card, Skill
from weft.a2a.client import open_session
from weft.catalog import Entry, Snapshot
from weft.catalog.memory import MemoryCatalog
from weft.core import Clock, Principal, dumps
from weft.identity import Minter, SigningKey, Trust, Verifier
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


class Losing(MemoryCatalog):
    """A catalogue from which some go without a word, and which writes down whom it shall ask."""

    def __init__(self) -> None:
        super().__init__()
        self.lost: dict[str, float | None] = {}
        """By service, since when it hangs, if it does."""
        self.doubted: list[str] = []

    def doubt(self, entry: Entry) -> None:
        self.doubted.append(entry.service)

    def snapshot(self) -> Snapshot:
        whole = super().snapshot()
        hanging = {name: since for name, since in self.lost.items() if since is not None}
        return replace(whole, withdrawn=whole.withdrawn - set(self.lost), hanging=hanging)


@dataclass
class House:
    """A catalogue, a directory of keys, and the router's view of both."""

    peers: MeshPeers
    catalog: "Losing"
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
            url, schemes=Verifier.schemes), key)  # fmt: skip
        entry = Entry(
            service=service,
            instance=instance,
            url=url,
            card=dumps(card).decode(),
        )
        await self.catalog.publish(entry)
        await self.peers.refresh()
        return entry

    async def stops(self, entry: Entry) -> None:
        """Let it take itself back, as whoever is told to stop does."""
        await self.catalog.withdraw(entry)
        await self.peers.refresh()

    async def leaves(self, entry: Entry, *, hangs: bool = False) -> None:
        """Let it be gone without a word."""
        await self.catalog.withdraw(entry)
        self.catalog.lost[entry.service] = self.clock.time - 6 if hangs else None
        await self.peers.refresh()


def skill(name: str, *tags: str) -> Skill:
    return Skill(id=name, name=name, description=f"Does {name}.", tags=tags or ("general",))


@asynccontextmanager
async def house(builtin: Mapping[str, Peer] | None = None) -> AsyncIterator[House]:
    catalog, trust, clock = Losing(), Directory(), ByHand()
    async with open_session() as session:
        peers = MeshPeers(
            catalog, session, trust, Minter(ROUTER_KEY), builtin=builtin or {}, clock=clock
        )
        yield House(peers, catalog, trust, clock)


def without_card(entry: Entry) -> Entry:
    return entry.model_copy(update={"card": "{}"})


__all__ = ["ANA", "ROUTER_KEY", "House", "house", "may_call", "skill", "without_card"]

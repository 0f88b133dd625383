"""Instances that answer for themselves, as a test wants them."""

import json
from dataclasses import dataclass, field

from weft.catalog import Entry
from weft.core import Clock


def entry(service: str, instance: str = "a", *, port: int = 1) -> Entry:
    return Entry(
        service=service, instance=instance, url=f"http://127.0.0.1:{port}", card=f'"{service}"'
    )


def sealed(told: Entry, *, old: bool = False) -> bytes:
    return json.dumps({**told.to_json(), "old": old}).encode()


@dataclass
class ByHand(Clock):
    """A clock that a test moves."""

    time: float = 1000.0

    def now(self) -> float:
        return self.time

    def monotonic(self) -> float:
        return self.time


@dataclass
class Living:
    """A vouch by hand: who is there answers, and what is not marked old is fresh."""

    there: dict[str, Entry] = field(default_factory=dict)
    """By address."""
    asked: list[str] = field(default_factory=list)
    hung: set[str] = field(default_factory=set)
    """Addresses that take questions and answer none."""

    def live(self, *entries: Entry) -> None:
        self.there.update({each.url: each for each in entries})

    def die(self, *entries: Entry) -> None:
        for each in entries:
            del self.there[each.url]

    async def read(self, told: bytes) -> Entry | None:
        try:
            said = json.loads(told)
        except ValueError:
            return None
        return None if said["old"] else Entry.model_validate(said)

    async def prove(self, told: Entry) -> Entry | None:
        self.asked.append(told.service)
        if told.url in self.hung:
            raise TimeoutError
        found = self.there.get(told.url)
        return found if found is not None and found.service == told.service else None

"""A specialist that answers at once, on the library: what the path itself costs."""

import os
from collections.abc import AsyncIterator, Generator
from contextlib import asynccontextmanager
from functools import partial

from weft.a2a import Card, Skill
from weft.core import Claim, JsonValue, Result
from weft.events import Event
from weft.loop import Peer, PeerRun, Task
from weft.service import SpecialistSettings, agent_app, serve

NAME = os.environ.get("ECHO_NAME", "echo_a")


class EchoRun:
    """Has no events and knows its result."""

    def __init__(self, task: Task) -> None:
        claim = Claim(text=f"{NAME} heard {task.prompt}", subject="echo", predicate="heard")
        self._events: tuple[Event, ...] = ()
        self._result = Result(status="completed", text=claim.text, claims=(claim,))

    async def __aiter__(self) -> AsyncIterator[Event]:
        for event in self._events:
            yield event

    def __await__(self) -> Generator[object, None, Result]:
        yield from ()
        return self._result

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        del reason, grace_s
        return {"outcome": "done"}


class Echo:
    """Answers every task at once."""

    name = NAME

    def start(self, task: Task) -> PeerRun:
        return EchoRun(task)


CARD = Card(
    name=NAME,
    description="Answers at once.",
    skills=(
        Skill(
            id=f"{NAME}.echo",
            name="Echo",
            description="Diagnose by echo.",
            tags=("domain:observability", "risk:low", "effects:none", "diagnose", "slowdown"),
        ),
    ),
)


class Settings(SpecialistSettings, env_prefix="ECHO_"):
    """Everything this service reads from outside itself."""


@asynccontextmanager
async def opened() -> AsyncIterator[Peer]:
    """Yield the peer."""
    yield Echo()


def main() -> None:
    """Serve until told to stop."""
    settings = Settings()
    serve(agent_app(CARD, partial(opened), settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()

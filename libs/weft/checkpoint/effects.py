"""The contract of the ledger, which keeps what was done to the world outside."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from weft.checkpoint.base import Held
from weft.core import JsonObject, JsonValue, Path, secret_id
from weft.events import Envelope, Event

EffectScope = Literal["run", "thread", "tenant"]
OutcomeKind = Literal["done", "not_done"]


@dataclass(frozen=True, slots=True)
class EffectCall:
    """An effect about to happen; `key` is the hash of tenant, scope, tool and arguments."""

    key: str
    tenant: str
    scope: EffectScope
    scope_id: str
    tool: str
    args_hash: str
    arguments: JsonObject
    path: Path = ()
    nonce: str = field(default_factory=secret_id, compare=False)
    """Tells this call, handed in again after a lost acknowledgement, from an equal one."""


@dataclass(frozen=True, slots=True)
class EffectOutcome:
    """What became of an attempt; `value` is the tool's result when `done`."""

    kind: OutcomeKind
    value: JsonValue = None
    message: str = ""
    settled_by: str | None = None
    """A person's subject, where a person settled it."""


@dataclass(frozen=True, slots=True)
class Intent:
    """What the ledger knows of a key when a call with it is about to start."""

    state: Literal["granted", "settled", "in_progress", "unknown"]
    """`granted`: the body may start. `in_progress`: its live owner is running it. `unknown`: an
    owner died, or could not tell, between intent and outcome."""
    attempt: int
    outcome: EffectOutcome | None = None
    run_id: str | None = None
    recorded_at: float | None = None
    events: tuple[Envelope, ...] = ()


class EffectStore(ABC):
    """The ledger: intent before the act, outcome before anybody hears of it."""

    @abstractmethod
    async def intend(
        self,
        held: Held,
        call: EffectCall,
        *,
        again: bool = False,
        events: Sequence[Event] = (),
    ) -> Intent:
        """Write the intent with its events, or say what stands in the way.

        `again` takes over an unknown attempt under the same key (the outside deduplicates, or
        somebody found out that nothing was done).

        Raises:
            FencedError: The claim is stale.
            CanceledError: The run is being cancelled.
            StoreFullError: There is no room.
        """

    @abstractmethod
    async def settle(
        self,
        held: Held,
        key: str,
        attempt: int,
        outcome: EffectOutcome,
        *,
        events: Sequence[Event] = (),
    ) -> tuple[Envelope, ...]:
        """Record the outcome; the first one of an attempt stands, the same again changes nothing.

        Raises:
            FencedError: The claim is stale.
            EffectSettledError: Another outcome stands.
        """

    @abstractmethod
    async def doubt(self, held: Held, key: str, attempt: int) -> None:
        """Record that nobody can tell what became of the attempt."""

    @abstractmethod
    async def find_effect(self, key: str) -> Intent | None:
        """Return what the ledger knows of `key`, without claiming anything."""

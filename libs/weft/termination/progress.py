"""What a run has done so far, as conditions see it; the loop owns clock and counters."""

import json
from dataclasses import dataclass, field

from weft.core import Budget, JsonObject, canonical, loads_object


@dataclass(frozen=True, slots=True)
class EndedCall:
    """A tool call that has ended."""

    name: str
    arguments: str
    """Canonical JSON, equal for equal arguments."""
    ok: bool

    @classmethod
    def of(cls, name: str, arguments: JsonObject, *, ok: bool) -> "EndedCall":
        return cls(name, canonical_text(arguments), ok)

    def parsed(self) -> JsonObject:
        return loads_object(self.arguments)


@dataclass(frozen=True, slots=True)
class Progress:
    """One moment of a run."""

    iteration: int = 0
    """Finished iterations; one is a model call with the tools it asked for."""
    seconds: float = 0.0
    remaining_seconds: float | None = None
    """Until the deadline; None without one."""
    tokens: int = 0
    cost_usd: float = 0.0
    confidence: float = 0.0
    last_text: str = ""
    last_had_calls: bool | None = None
    """None before the first reply."""
    calls: tuple[EndedCall, ...] = ()
    remaining_budget: Budget = field(default_factory=Budget)


def canonical_text(value: JsonObject) -> str:
    """Return canonical JSON; integers beyond 2^53 keep their digits."""
    try:
        return canonical(value).decode()
    except ValueError:
        return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)

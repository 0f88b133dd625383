"""What a step asks of a peer, and one try at it."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from weft.catalog import RiskLevel
from weft.core import JsonObject, Path, Reason, Result
from weft.plan.peers import Target
from weft.tools import Tool

LONGEST_PATH = 80


@dataclass(frozen=True, slots=True)
class PeerCall:
    """What a step asks of a peer."""

    kind: str
    path: Path
    target: Target
    prompt: str
    arguments: JsonObject = field(default_factory=dict)
    grants: tuple[Tool, ...] = ()
    """With which the peer uses what it was granted."""
    context: Literal["none", "thread"] = "none"
    risk: RiskLevel = "low"
    output_schema: JsonObject | None = None
    about: JsonObject = field(default_factory=dict)
    """What the steps that it is shown brought, as data: it goes with the run's metadata."""
    retries: int = 2
    read: Callable[[Result], Result] | None = None
    """Makes sense of a completed answer, or fails it with a retryable reason."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try: its number, its message id and who was asked."""

    number: int
    message_id: str
    peer: str
    began: float


def message_id_of(run_id: str, path: Path, number: int) -> str:
    """Return the id under which every repetition of one attempt reaches the same peer task."""
    place = ".".join(path)
    if len(place) > LONGEST_PATH:
        place = hashlib.sha256(place.encode()).hexdigest()
    return f"{run_id}:{place}" if number == 1 else f"{run_id}:{place}~{number}"


def failed(
    code: str, message: str, path: Path, *, peer: str | None = None, retryable: bool = False
) -> Result:
    """Return a failure with its one reason."""
    reason = Reason(code=code, message=message, path=path, peer=peer, retryable=retryable)
    return Result(status="failed", reasons=(reason,))

"""Messages that clients send to a run that exists."""

from collections.abc import Mapping
from dataclasses import dataclass

from weft.core import JsonObject, JsonValue, Path, RunId

Answers = Mapping[str, JsonValue]
"""What somebody says to open interrupts, by their ids."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message to a run, told apart from others by its key."""

    key: str
    body_hash: str
    entry: JsonObject | None = None
    """What the run's conversation keeps of it, as the step `entry_path` names."""


def entry_path(number: int) -> Path:
    """Return where the entry of a run's message stands, counted from 1."""
    return ("message", str(number))


@dataclass(frozen=True, slots=True)
class Received:
    """What is kept of a message to a run."""

    run_id: RunId
    body_hash: str

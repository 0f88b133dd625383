"""Messages that clients send to a run that exists."""

from collections.abc import Mapping
from dataclasses import dataclass

from weft.core import JsonValue, RunId

Answers = Mapping[str, JsonValue]
"""What somebody says to open interrupts, by their ids."""


@dataclass(frozen=True, slots=True)
class Inbound:
    """A message to a run, told apart from others by its key."""

    key: str
    body_hash: str


@dataclass(frozen=True, slots=True)
class Received:
    """What is kept of a message to a run."""

    run_id: RunId
    body_hash: str

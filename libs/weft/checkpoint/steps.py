"""Finished steps of a run, as they are written and as they stand."""

from dataclasses import dataclass

from weft.core import JsonObject, Path
from weft.events import Envelope, Event


@dataclass(frozen=True, slots=True)
class StepWrite:
    """A finished step; the stored outcome wins over this one where another writer was first."""

    path: Path
    outcome: JsonObject
    events: tuple[Event, ...] = ()


@dataclass(frozen=True, slots=True)
class Recorded:
    """The stored outcome, which the caller must use, and the events that were written."""

    outcome: JsonObject
    events: tuple[Envelope, ...] = ()
    """None where another writer's outcome was there already."""

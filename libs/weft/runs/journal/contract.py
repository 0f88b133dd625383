"""What a task that belongs to a durable run writes through: its claim, log, steps and ledger."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from weft.checkpoint.base import Held
from weft.checkpoint.effects import EffectCall, EffectOutcome, Intent
from weft.core import JsonObject, Path, RunId, Usage
from weft.events import Event


class Journal(ABC):
    """One run's log as its owner sees it.

    Every method raises `FencedError` once the claim is lost; the caller then stops and writes
    nothing more.
    """

    run_id: RunId
    root_id: str
    thread_id: str
    held: Held | None
    """None where nothing durable stands behind the journal."""
    report: JsonObject
    """What became of the work's parts, kept current by whoever does it; told if it is cancelled."""
    spent: Usage
    """What the work took so far; as `report`."""

    @property
    def path(self) -> Path:
        """Where in the run this journal writes; its own paths and events do not repeat it."""
        return ()

    @property
    def canceling(self) -> JsonObject | None:
        """Who asked for the run's end, why, and the grace in seconds; None while nobody did."""
        return None

    def stopping(self, reason: str, grace_s: float) -> tuple[str, float]:
        """Return why the run shall end and what calls in flight get to end in, or what is given."""
        request = self.canceling or {}
        why, grace = request.get("reason"), request.get("grace_s")
        return (
            why if isinstance(why, str) else reason,
            float(grace) if isinstance(grace, int | float) else grace_s,
        )

    @property
    def handed_over(self) -> bool:
        """Whether the run goes on with another owner: what works for it elsewhere is left alone."""
        return False

    @property
    @abstractmethod
    def steps(self) -> Mapping[Path, JsonObject]:
        """The outcomes recorded so far, by path."""

    @abstractmethod
    async def record(
        self, path: Path, outcome: JsonObject, events: Sequence[Event] = ()
    ) -> JsonObject:
        """Make a step's outcome durable and return the stored one, which must be used."""

    @abstractmethod
    def emit(self, *events: Event) -> None:
        """Add events to the log soon, in order, with or before the next durable write."""

    @abstractmethod
    async def flush(self) -> None:
        """Return once everything emitted is durable."""

    @abstractmethod
    async def intend(
        self, call: EffectCall, *, again: bool = False, events: Sequence[Event] = ()
    ) -> Intent:
        """As `EffectStore.intend`, under this run's claim."""

    @abstractmethod
    async def settle(
        self, key: str, attempt: int, outcome: EffectOutcome, *, events: Sequence[Event] = ()
    ) -> None:
        """As `EffectStore.settle`, under this run's claim."""

    @abstractmethod
    async def doubt(self, key: str, attempt: int) -> None:
        """As `EffectStore.doubt`, under this run's claim."""

    @abstractmethod
    async def find_effect(self, key: str) -> Intent | None:
        """As `EffectStore.find_effect`."""

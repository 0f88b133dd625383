"""Time, taken from one place so that tests and simulations can hand in their own."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    """Wall-clock time for records, monotonic time for durations."""

    def now(self) -> float:
        """Return seconds since the Unix epoch."""
        ...

    def monotonic(self) -> float:
        """Return seconds that never go back; comparable within one process only."""
        ...


class SystemClock:
    """The clocks of this machine."""

    def now(self) -> float:
        return time.time()

    def monotonic(self) -> float:
        return time.monotonic()


SYSTEM_CLOCK = SystemClock()


@dataclass(frozen=True, slots=True)
class Deadline:
    """An instant of the monotonic clock; it crosses a process border as remaining seconds only."""

    at: float

    @classmethod
    def after(cls, seconds: float, clock: Clock = SYSTEM_CLOCK) -> "Deadline":
        return cls(clock.monotonic() + seconds)

    def remaining(self, clock: Clock = SYSTEM_CLOCK) -> float:
        """Return the seconds left; negative once it has passed."""
        return self.at - clock.monotonic()


def earliest(first: Deadline | None, second: Deadline | None) -> Deadline | None:
    """Return the deadline that comes first; None stands for no deadline."""
    if first is None or second is None:
        return first or second
    return min(first, second, key=lambda deadline: deadline.at)


def rfc3339(seconds: float) -> str:
    """Return UTC with milliseconds, such as `2026-01-31T12:00:00.123Z`."""
    text = datetime.fromtimestamp(seconds, tz=UTC).isoformat(timespec="milliseconds")
    return text.replace("+00:00", "Z")

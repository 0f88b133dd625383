"""How often something was tried, and how often that went well."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tally:
    """Runs that count, and those of them that succeeded."""

    runs: int = 0
    successes: int = 0


NO_TALLY = Tally()

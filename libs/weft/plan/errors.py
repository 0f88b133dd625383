"""What can be wrong with a plan, or stop one of its steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from weft.core import Path
from weft.core.errors import WeftError


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing wrong with a plan."""

    path: Path
    """The ids from the root down to the node."""
    pointer: str
    """The JSON pointer of what is wrong."""
    message: str

    def __str__(self) -> str:
        return f"{self.pointer or '/'}: {self.message}"


class PlanInvalidError(WeftError, ValueError):
    """The plan cannot run; no step was started. `faults` holds everything that is wrong."""

    code = "plan_invalid"

    def __init__(self, faults: Sequence[Fault]) -> None:
        super().__init__("; ".join(str(fault) for fault in faults))
        self.faults = tuple(faults)

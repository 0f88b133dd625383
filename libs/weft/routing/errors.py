"""Why no plan could be made."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from weft.core.errors import WeftError, did_you_mean

Gate = Literal["goal", "capabilities"]


@dataclass(frozen=True, slots=True)
class Rejected:
    """A protocol that was not chosen, at which gate, and why."""

    protocol_id: str
    gate: Gate
    reason: str


class FrameExtractionError(WeftError):
    """No frame could be made of the request. Say it differently, or send a frame."""

    code = "extraction_failed"


class FrameInvalidError(FrameExtractionError):
    """The request or its frame is wrong; `fields` says where."""

    code = "frame_invalid"

    def __init__(self, message: str, *, fields: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.fields = tuple(fields)


class NoMatchingProtocolError(WeftError):
    """No protocol fits; `rejected` holds every one with its reason."""

    code = "no_protocol"

    def __init__(self, goal: str, rejected: Sequence[Rejected]) -> None:
        near = [rejection for rejection in rejected if rejection.gate == "capabilities"]
        why = "; ".join(
            f"{rejection.protocol_id}: {rejection.reason}" for rejection in near or rejected
        )
        super().__init__(f"no protocol fits the goal {str(goal)!r}: {why}")
        self.goal = goal
        self.rejected = tuple(rejected)


class NoCapabilityError(NoMatchingProtocolError):
    """Protocols handle the goal, but nothing can do the work. Start or allow a specialist."""

    code = "no_capability"


class UnknownCapabilityError(WeftError):
    """The frame requires capabilities that nobody offers to this caller."""

    code = "unknown_capability"

    def __init__(self, unknown: Sequence[str], names: Sequence[str]) -> None:
        hints = (f"{name!r}{did_you_mean(name, names)}" for name in unknown)
        super().__init__(f"unknown capability {', '.join(hints)}")
        self.unknown = tuple(unknown)


class UnknownProtocolError(WeftError):
    """There is no protocol of the requested name."""

    code = "unknown_protocol"

    def __init__(self, name: str, names: Sequence[str]) -> None:
        super().__init__(f"unknown protocol {name!r}{did_you_mean(name, names)}")
        self.name = name


class PolicyDeniedError(WeftError):
    """Policy forbids the plan; `runners_up` may be requested instead."""

    code = "policy_denied"

    def __init__(self, reason: str, *, protocol_id: str, runners_up: Sequence[str] = ()) -> None:
        others = f"; you may request {', '.join(runners_up)}" if runners_up else ""
        super().__init__(f"{reason}{others}")
        self.reason = reason
        self.protocol_id = protocol_id
        self.runners_up = tuple(runners_up)

"""Who asks, and what they may do."""

from functools import lru_cache
from typing import Literal

from pydantic import Field

from weft.core.record import Record


class Allowance(Record):
    """How much one principal may ask of a front door."""

    per_s: float = Field(default=20.0, gt=0, allow_inf_nan=False)
    """Requests per second."""
    burst: int = Field(default=40, ge=1)
    """Requests that may come at once."""
    streams: int = Field(default=20, ge=0)
    """Open at a time."""
    active: int = Field(default=50, ge=0)
    queued: int = Field(default=100, ge=0)
    """Runs under way, and runs that wait."""


class Principal(Record):
    """A tenant's subject; rights belong to the pair, so two keys of one subject see the same."""

    tenant: str
    subject: str
    scopes: frozenset[str] = frozenset()
    kind: Literal["key", "jwt", "delegated", "anonymous"] = "key"
    limits: Allowance | Literal["none"] | None = None
    """None is what the front door allows everybody; "none" is no limit at all."""

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    @property
    def administers(self) -> bool:
        """Tell whether it reads and cancels all of its tenant; nobody does so on another's behalf."""
        return "admin" in self.scopes and self.kind != "delegated"

    def may_call(self, agent: str) -> bool:
        return "agents:*" in self.scopes or f"agents:{agent}" in self.scopes

    @property
    def agents(self) -> frozenset[str]:
        """Return the scopes that name agents: equal ones may call the same."""
        return frozenset(scope for scope in self.scopes if scope.startswith("agents:"))

    def shared(self, scopes: frozenset[str]) -> frozenset[str]:
        """Return those of `scopes` that this principal has, and those of its own that they cover."""
        return _shared(self.scopes, scopes)

    def covers(self, other: "Principal") -> bool:
        """Tell whether `other` is the same subject with no scope beyond these."""
        same = (self.tenant, self.subject) == (other.tenant, other.subject)
        return same and all(_is_within(scope, self.scopes) for scope in other.scopes)


@lru_cache(maxsize=512)
def _shared(own: frozenset[str], scopes: frozenset[str]) -> frozenset[str]:
    # Asked for every call, of the same few sets.
    return frozenset(
        {scope for scope in scopes if _is_within(scope, own)}
        | {scope for scope in own if _is_within(scope, scopes)}
    )


def _is_within(scope: str, scopes: frozenset[str]) -> bool:
    """Tell whether `scopes` give `scope`; `agents:*` gives single agents without naming them."""
    return scope in scopes or (scope.startswith("agents:") and "agents:*" in scopes)


ALL_SCOPES = frozenset(
    {
        "runs:read", "runs:write", "threads:read", "threads:write",
        "approve", "webhooks", "agents:*", "admin",
    }
)  # fmt: skip
RUN_SCOPES = frozenset({"runs:read", "runs:write", "threads:read", "threads:write", "agents:*"})
"""What a key gets that names none: its own runs, and no word in what others may do."""
LOCAL = Principal(tenant="local", subject="local", scopes=ALL_SCOPES, kind="anonymous")
"""Whoever runs an agent in a process of their own."""

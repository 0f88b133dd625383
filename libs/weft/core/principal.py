"""Who asks, and what they may do."""

from typing import Literal

from weft.core.record import Record


class Principal(Record):
    """A tenant's subject; rights belong to the pair, so two keys of one subject see the same."""

    tenant: str
    subject: str
    scopes: frozenset[str] = frozenset()
    kind: Literal["key", "jwt", "delegated", "anonymous"] = "key"

    def may(self, scope: str) -> bool:
        return scope in self.scopes or "admin" in self.scopes

    def may_call(self, agent: str) -> bool:
        return "agents:*" in self.scopes or f"agents:{agent}" in self.scopes


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

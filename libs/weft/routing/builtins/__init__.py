"""The eight protocols that come with the mesh."""

from weft.routing.builtins.acting import (
    APPROVAL_GATED_EXECUTION,
    CODEGEN_TEST_VALIDATE,
    PLAN_EXECUTE_VALIDATE,
)
from weft.routing.builtins.reading import (
    A2A_DELEGATE,
    DEBATE,
    DIRECT_RESPONSE,
    HANDOFF_CHAIN,
    SPECIALIST_FANOUT,
)
from weft.routing.protocols import Protocol, ProtocolRegistry

BUILTINS: tuple[Protocol, ...] = (
    DIRECT_RESPONSE,
    PLAN_EXECUTE_VALIDATE,
    SPECIALIST_FANOUT,
    DEBATE,
    CODEGEN_TEST_VALIDATE,
    APPROVAL_GATED_EXECUTION,
    A2A_DELEGATE,
    HANDOFF_CHAIN,
)

__all__ = ["A2A_DELEGATE", "BUILTINS", "builtin_protocols"]


def builtin_protocols() -> ProtocolRegistry:
    """Return a registry of its own with the eight built-in protocols."""
    registry = ProtocolRegistry()
    registry.register_many(BUILTINS)
    return registry

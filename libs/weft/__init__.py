"""Weft: a mesh of agents.

Names are imported when they are first used, so `import weft` stays cheap. Inside the library,
import from the package that defines a name.
"""

from importlib import import_module

_PUBLIC = {
    "weft.checkpoint": (
        "Checkpointer", "get_checkpointer", "memory_checkpointer", "postgres_checkpointer",
        "sqlite_checkpointer",
    ),
    "weft.core": (
        "Artifact", "Budget", "Claim", "Interrupt", "Message", "Part", "Principal", "Result",
        "ToolCall", "ToolSpec", "Usage", "Verdict",
    ),
    "weft.core.errors": (
        "ConfigError", "InputError", "InterruptAnsweredError", "InterruptNotFoundError",
        "NothingToResumeError", "RunFailedError", "ThreadBusyError", "WeftError",
    ),
    "weft.events": ("Event",),
    "weft.loop": (
        "Agent", "AgentConfig", "AgentResult", "AgentRun", "AgentState", "EffectIntendedEvent",
        "EffectSettledEvent", "ExecutionMetrics", "InterruptEvent", "LoopEvent",
        "ModelChunkEvent", "ModelCompleteEvent", "ModelRetryEvent", "Peer", "PeerRun",
        "ReflectEvent", "Task", "TerminateEvent", "ThinkEvent", "ToolCompleteEvent",
        "ToolProgressEvent", "ToolStartEvent",
    ),
    "weft.models": ("Capabilities", "Model", "ModelChunk", "ModelRequest", "ModelResponse"),
    "weft.models.registry": ("get_model",),
    "weft.models.retry": ("ModelRetryConfig",),
    "weft.reasoning.reflexion": ("ReflexionConfig",),
    "weft.routing": ("CapabilityIndex", "CognitiveCompiler", "GoalFrame", "Router", "RunnableResult"),
    "weft.termination": (
        "BudgetExhausted", "Condition", "ConfidenceMet", "CustomCondition", "DeadlineReached",
        "MaxIterations", "NoToolCalls", "Progress", "TextMention", "TimeLimit", "TokenLimit",
        "ToolCalled",
    ),
    "weft.tools": (
        "EffectNotDone", "Tool", "ToolContext", "ToolExecution", "ToolRegistry", "ToolResult",
        "tool",
    ),
}  # fmt: skip
_HOME = {name: module for module, names in _PUBLIC.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605 - one table names everything


def __getattr__(name: str) -> object:
    """Import a public name from the package that defines it."""
    if name not in _HOME:
        raise AttributeError(f"module 'weft' has no attribute {name!r}")
    public: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = public
    return public


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME})

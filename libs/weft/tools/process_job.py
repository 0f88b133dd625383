"""One call as its process gets it: which function, with what, within which limits."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from weft.tools.context import ToolContext


@dataclass(frozen=True, slots=True)
class ProcessLimits:
    """What one call may take."""

    memory: int
    """Bytes beyond what its loaded code takes; processes that the body starts count for themselves."""
    cpu_seconds: float


@dataclass(frozen=True, slots=True)
class FunctionTarget:
    """A function by the name under which another process finds it, and what is bound to it."""

    module: str
    qualname: str
    args: tuple[object, ...] = ()
    kwargs: Mapping[str, object] = field(default_factory=dict)

    def found(self) -> Any:  # noqa: ANN401 - a function, or the tool that was made of it
        """Import what the name stands for.

        Raises:
            ImportError: The module cannot be imported here.
            AttributeError: It has no such name.
        """
        target: Any = import_module(self.module)
        for name in self.qualname.split("."):
            target = getattr(target, name)
        return target


@dataclass(frozen=True, slots=True)
class PendingCall:
    """A call on its way into a process."""

    target: FunctionTarget
    values: Mapping[str, object]
    context_names: tuple[str, ...]
    context: ToolContext | None
    """None where the function wants none; without journal, listeners and clock."""
    not_done_on: tuple[type[BaseException], ...]
    limits: ProcessLimits

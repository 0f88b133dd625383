"""Defining, validating, calling, and journalling the effects of tools."""

from weft.tools.background import EffectHost
from weft.tools.builtin import TERMINAL, ask_user, task_complete
from weft.tools.calling import CallLimits, call_by_name, call_tool, failed_call, validated
from weft.tools.context import ToolContext
from weft.tools.decorator import ToolOptions, tool
from weft.tools.definition import NOT_DONE, READ, UNKNOWN, Reconciled, Tool, done
from weft.tools.interrupts import InterruptRaised, interrupt_id
from weft.tools.not_done import EffectNotDone
from weft.tools.processes import Processes
from weft.tools.registry import ToolRegistry
from weft.tools.rendering import MemoryResultStore, ResultLimit, ResultStore, read_result_tool
from weft.tools.result import ToolExecution, ToolOutcome, ToolResult

__all__ = [
    "NOT_DONE",
    "READ",
    "TERMINAL",
    "UNKNOWN",
    "CallLimits",
    "EffectHost",
    "EffectNotDone",
    "InterruptRaised",
    "MemoryResultStore",
    "Processes",
    "Reconciled",
    "ResultLimit",
    "ResultStore",
    "Tool",
    "ToolContext",
    "ToolExecution",
    "ToolOptions",
    "ToolOutcome",
    "ToolRegistry",
    "ToolResult",
    "ask_user",
    "call_by_name",
    "call_tool",
    "done",
    "failed_call",
    "interrupt_id",
    "read_result_tool",
    "task_complete",
    "tool",
    "validated",
]

"""Why a tool that runs in a process of its own gave no result."""

from weft.core.errors import WeftError

__all__ = [
    "ToolBusyError",
    "ToolCpuError",
    "ToolCrashedError",
    "ToolMemoryError",
    "ToolProcessError",
    "ToolResultTooLargeError",
    "in_bytes",
]


class ToolProcessError(WeftError):
    """The process of a tool's call ended before it had a result."""

    code = "tool_process_failed"


class ToolCrashedError(ToolProcessError):
    """The process ended by itself: by a signal, or without a word."""

    code = "tool_crashed"

    def __init__(self, tool: str, how: str, *, memory: int) -> None:
        super().__init__(
            f"the process of {tool!r} {how}, so there is no result: something crashed in it, or "
            f"asked for far more than its limit of {in_bytes(memory)} at once; give it less to "
            "work on"
        )
        self.tool = tool
        self.how = how


class ToolMemoryError(ToolProcessError):
    """The call needed more memory than it may have."""

    code = "tool_memory_limit"

    def __init__(self, tool: str, *, memory: int, killed: bool = False) -> None:
        limit = f"its memory limit of {in_bytes(memory)}"
        if killed:
            why = f"was killed by the system, most likely for want of memory ({limit} was in force)"
        else:
            why = f"needed more than {limit} and was ended"
        super().__init__(f"{tool!r} {why}: give it less to work on, or raise the limit")
        self.tool = tool
        self.memory = memory


class ToolCpuError(ToolProcessError):
    """The call computed for longer than it may."""

    code = "tool_cpu_limit"

    def __init__(self, tool: str, *, cpu_seconds: float) -> None:
        super().__init__(
            f"{tool!r} used more than its limit of {cpu_seconds:g} s of CPU time and was ended: "
            "give it less to work on, or raise the limit"
        )
        self.tool = tool
        self.cpu_seconds = cpu_seconds


class ToolResultTooLargeError(ToolProcessError):
    """What the body returned is too large to leave its process."""

    code = "tool_result_too_large"

    def __init__(self, tool: str, *, most: int) -> None:
        super().__init__(
            f"the result of {tool!r} is larger than the limit of {in_bytes(most)}: ask for less"
        )
        self.tool = tool
        self.most = most


class ToolBusyError(WeftError):
    """Too many calls wait for a process already; no body ran."""

    code = "tool_busy"
    retryable = True

    def __init__(self, waiting: int, running: int) -> None:
        super().__init__(
            f"{waiting} calls wait already for one of {running} processes: try again later"
        )
        self.waiting = waiting
        self.running = running


def in_bytes(size: int) -> str:
    """Return a size as people say it, such as `1 GiB`."""
    for unit, name in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if size >= unit:
            return f"{size / unit:.4g} {name}"
    return f"{size} bytes"

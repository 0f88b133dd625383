"""Bodies of tools that run in processes of their own, and so are imported there."""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from weft.core import Interrupt
from weft.tools import EffectNotDone, InterruptRaised, ToolContext


def add(a: int, b: int) -> dict[str, int]:
    """Add two numbers."""
    return {"sum": a + b, "pid": os.getpid()}


def scaled(factor: int, number: int) -> int:
    """Multiply by what is bound."""
    return factor * number


def bound(found: object, number: int) -> str:
    """Take anything along."""
    return f"{found} {number}"


def steps(context: ToolContext, count: int) -> str:
    """Tell progress."""
    for at in range(count):
        context.report_progress(at + 1, count, f"step {at + 1}")
    return f"{context.principal.subject} {context.tool_call_id}"


def wrong(text: str) -> None:
    """Raise."""
    raise LookupError(text)


def leave(how: str) -> None:
    """End in another way than by returning."""
    if how == "exit":
        sys.exit(3)
    if how == "interrupt":
        raise KeyboardInterrupt
    if how == "at once":
        os._exit(7)
    if how == "segv":
        ctypes.string_at(0)
    os.kill(os.getpid(), getattr(signal, how))


def eat(size: int) -> int:
    """Take memory, object by object."""
    kept = []
    for _ in range(size >> 20):
        kept.append(bytearray(1 << 20))
        kept[-1][::4096] = b"x" * 256
    return len(kept)


def burn(ignore: bool = False) -> None:  # noqa: FBT001, FBT002 - a tool's argument
    """Compute for ever."""
    if ignore:
        signal.signal(signal.SIGXCPU, signal.SIG_IGN)
    while True:
        pass


def hold(notes: str, seconds: float = 60.0) -> None:
    """Say who works here and in which child, then wait."""
    child = subprocess.Popen(["sleep", "60"])  # noqa: S607
    draft = Path(notes).with_suffix(".draft")
    draft.write_text(f"{os.getpid()} {child.pid} {os.getppid()}")
    draft.rename(notes)
    time.sleep(seconds)


def hog(seconds: float) -> int:
    """Hold the interpreter's lock in one long call after the other."""
    end = time.monotonic() + seconds
    count = 0
    while time.monotonic() < end:
        sum(range(3_000_000))
        count += 1
    return count


def large(size: int) -> str:
    """Return a long text."""
    return "x" * size


def odd() -> object:
    """Return what has no JSON form."""
    return object()


def not_done() -> None:
    """Know that nothing happened."""
    raise EffectNotDone("the book is closed")


def ask(context: ToolContext) -> str:
    """Ask somebody."""
    if "q" in context.answers:
        return str(context.answers["q"])
    raise InterruptRaised(Interrupt(id="q", reason="question", message="Which?"))


def printed() -> str:
    """Print."""
    print("to the log")  # noqa: T201
    return "done"


def limits() -> dict[str, int]:
    """Tell what this process may do."""
    import resource  # noqa: PLC0415

    return {
        "core": resource.getrlimit(resource.RLIMIT_CORE)[0],
        "files": resource.getrlimit(resource.RLIMIT_NOFILE)[0],
        "cpu": resource.getrlimit(resource.RLIMIT_CPU)[0],
    }

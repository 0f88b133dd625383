"""Every error a caller can act on; how each looks on the wire is one row of `weft.a2a.wire.errors`."""

import errno
from collections.abc import Sequence
from difflib import get_close_matches
from typing import ClassVar

from weft.core.clock import rfc3339

__all__ = [
    "BatchGapError",
    "BusUnavailableError",
    "CanceledError",
    "ConditionFailedError",
    "ConfigError",
    "DataRefusedError",
    "DeadlineExceededError",
    "DepthExceededError",
    "DuplicateToolError",
    "EffectSettledError",
    "EffectUnrecordedError",
    "EventsExpiredError",
    "FencedError",
    "ForbiddenError",
    "ForkedStoreError",
    "IdempotencyKeyReusedError",
    "InputError",
    "InterruptAnsweredError",
    "InterruptExpiredError",
    "InterruptNotFoundError",
    "LayoutError",
    "NotFoundError",
    "NothingToResumeError",
    "QueueFullError",
    "RunFailedError",
    "RunFinishedError",
    "RunNotInterruptedError",
    "RunNotRateableError",
    "StaleThreadError",
    "StoreError",
    "StoreFullError",
    "StoreUnavailableError",
    "ThreadBusyError",
    "ThreadInterruptedError",
    "ToolDefinitionError",
    "UnauthenticatedError",
    "WeftError",
    "did_you_mean",
    "leaves",
    "system_words",
]


class WeftError(Exception):
    """Something a caller can act on; its message may be shown to them."""

    code: ClassVar[str] = "internal"
    retryable: ClassVar[bool] = False


class ConfigError(WeftError, ValueError):
    """A setting, option or definition is wrong; nothing was started."""

    code = "config_invalid"


class InputError(WeftError, ValueError):
    """What a caller sent is wrong; nothing was stored."""

    code = "invalid_request"

    def __init__(self, message: str, *, field: str = "") -> None:
        super().__init__(message)
        self.field = field


class NotFoundError(WeftError):
    """There is no such thing, or it is somebody else's: the two are never told apart."""

    code = "not_found"

    def __init__(self, kind: str, name: str) -> None:
        super().__init__(f"no such {kind}: {name!r}" if name else f"there is no such {kind}")
        self.kind = kind
        self.name = name


class IdempotencyKeyReusedError(WeftError):
    """The key was used for another request; nothing was started."""

    code = "idempotency_key_reused"

    def __init__(self, key: str) -> None:
        super().__init__(f"idempotency key {key!r} was used for a different request")
        self.key = key


class ThreadBusyError(WeftError):
    """A living run owns this thread; nothing was started."""

    code = "thread_busy"
    retryable = True

    def __init__(self, thread_id: str, active_run_id: str) -> None:
        super().__init__(f"thread {thread_id!r} is in use by run {active_run_id}")
        self.thread_id = thread_id
        self.active_run_id = active_run_id


class ThreadInterruptedError(WeftError):
    """The thread's run waits for a person; nothing was started."""

    code = "thread_interrupted"

    def __init__(self, thread_id: str, active_run_id: str) -> None:
        super().__init__(f"thread {thread_id!r} waits for an answer to run {active_run_id}")
        self.thread_id = thread_id
        self.active_run_id = active_run_id


class QueueFullError(WeftError):
    """Too many runs wait already; nothing was started."""

    code = "queue_full"
    retryable = True


class FencedError(WeftError):
    """Another owner has the run; this one must stop and writes nothing more."""

    code = "fenced"

    def __init__(self, run_id: str, epoch: int) -> None:
        super().__init__(f"run {run_id} is no longer held at epoch {epoch}")
        self.run_id = run_id
        self.epoch = epoch


class BatchGapError(WeftError):
    """An event batch was skipped: a bug of the caller, never a state to live with."""

    code = "batch_gap"

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"expected event batch {expected}, got {actual}")
        self.expected = expected
        self.actual = actual


class StaleThreadError(WeftError):
    """Somebody else wrote the thread first; nothing was stored."""

    code = "stale_thread"

    def __init__(self, expected: int, actual: int) -> None:
        super().__init__(f"expected thread version {expected}, found {actual}")
        self.expected = expected
        self.actual = actual


class RunFinishedError(WeftError):
    """The run ended otherwise before this could reach it."""

    code = "run_finished"

    def __init__(self, run_id: str, status: str) -> None:
        super().__init__(f"run {run_id} is already {status}")
        self.run_id = run_id
        self.status = status


class RunNotInterruptedError(WeftError):
    """The run waits for nothing; nothing was resumed."""

    code = "run_not_interrupted"


class RunNotRateableError(WeftError):
    """Nothing is kept of what the run came to."""

    code = "run_not_rateable"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"run {run_id} has no outcome that could be rated: those are kept of goals that were "
            "carried out to an end, while the router has ROUTER_LEARNING=true"
        )


class NothingToResumeError(WeftError):
    """The thread's last run has ended; nothing was called."""

    code = "nothing_to_resume"


class InterruptNotFoundError(WeftError):
    """The run has no interrupt of this id."""

    code = "interrupt_not_found"


class InterruptAnsweredError(WeftError):
    """Somebody gave this interrupt another answer first."""

    code = "interrupt_already_resolved"

    def __init__(
        self, interrupt_id: str, *, by: str | None = None, at: float | None = None
    ) -> None:
        """`by` and `at`, in seconds since the Unix epoch, are None where nobody wrote them down."""
        who = "" if by is None else f" by {by}"
        when = "" if at is None else f" at {rfc3339(at)}"
        super().__init__(f"interrupt {interrupt_id!r} was answered otherwise{who}{when}")
        self.resolved_by = by
        self.resolved_at = at


class InterruptExpiredError(WeftError):
    """The interrupt's time is over."""

    code = "interrupt_expired"


class EventsExpiredError(WeftError):
    """The run ended so long ago that its events were pruned; the run itself can still be read."""

    code = "events_expired"

    def __init__(self, run_id: str) -> None:
        super().__init__(
            f"the events of run {run_id} were pruned: it ended longer ago than they are kept"
        )
        self.run_id = run_id


class StoreError(WeftError):
    """The database cannot keep anything now, for whatever reason; nothing was stored."""

    code = "store_unavailable"
    retryable = True


class StoreUnavailableError(StoreError):
    """The database cannot be reached; nothing was stored."""


class StoreFullError(StoreError):
    """The database has no room; nothing was stored. Free disk space, then try again."""

    code = "store_full"


class ForkedStoreError(WeftError):
    """The database was opened before this process was forked from its parent, and stays there."""

    code = "store_forked"

    def __init__(self, database: str) -> None:
        super().__init__(
            f"the database {database} was opened before a fork, and its connection belongs to the "
            "parent process: open another checkpointer in the child"
        )
        self.database = database


class LayoutError(WeftError):
    """A newer Weft wrote this database; open it with that version."""

    code = "layout_unknown"


class EffectSettledError(WeftError):
    """The attempt has another outcome already; the first one stands."""

    code = "effect_settled"


class CanceledError(WeftError):
    """The run is being cancelled: no new effect starts."""

    code = "canceled"


class ConditionFailedError(WeftError):
    """A custom termination condition raised; the run cannot know when to stop."""

    code = "condition_failed"

    def __init__(self, name: str, error: str) -> None:
        super().__init__(f"the termination condition {name!r} raised {error}")
        self.name = name


class RunFailedError(WeftError):
    """The run ended without success; `result` says how far it came."""

    code = "run_failed"

    def __init__(self, message: str, *, result: object = None) -> None:
        super().__init__(message)
        self.result = result


class DeadlineExceededError(WeftError):
    """The time is over."""

    code = "deadline_exceeded"


class DepthExceededError(WeftError):
    """The call is nested too deep; nothing was called."""

    code = "depth_exceeded"


class UnauthenticatedError(WeftError):
    """No valid credential came with the request."""

    code = "unauthenticated"


class ForbiddenError(WeftError):
    """The caller lacks a scope."""

    code = "forbidden"

    def __init__(self, required_scope: str) -> None:
        super().__init__(f"this needs the scope {required_scope!r}")
        self.required_scope = required_scope


class BusUnavailableError(WeftError):
    """NATS cannot be reached; runs go on without it."""

    code = "bus_unavailable"
    retryable = True


class DataRefusedError(InputError):
    """A path is outside every allowed data root, or must not be read."""

    code = "data_refused"


class ToolDefinitionError(ConfigError):
    """A function cannot be a tool as it is written."""

    code = "tool_definition_invalid"

    def __init__(self, function: str, parameter: str, why: str) -> None:
        where = f"parameter {parameter!r} of {function}()" if parameter else f"{function}()"
        super().__init__(f"{where}: {why}")
        self.function = function
        self.parameter = parameter


class DuplicateToolError(ConfigError):
    """Two tools of one agent have the same name; none was added."""

    code = "tool_duplicate"

    def __init__(self, name: str) -> None:
        super().__init__(f"there is a tool {name!r} already; give one of the two another name")
        self.name = name


class EffectUnrecordedError(WeftError):
    """The body ran, but its outcome could not be stored in time: the effect is unknown now."""

    code = "effect_unrecorded"

    def __init__(self, tool: str, key: str) -> None:
        super().__init__(f"the outcome of {tool!r} could not be recorded; its effect is unknown")
        self.tool = tool
        self.key = key


_REMEDIES = {
    errno.ENOSPC: "free some disk space, then start again",
    errno.EFBIG: "free some disk space, or allow larger files (ulimit -f)",
    errno.EDQUOT: "free some disk space, then start again",
    errno.EACCES: "give yourself the right to write there, or choose another place with --home",
    errno.EPERM: "give yourself the right to write there, or choose another place with --home",
    errno.EROFS: "choose a place that can be written with --home",
    errno.ENOTDIR: "a directory is needed there: choose another place with --home",
    errno.EEXIST: "a directory is needed there: choose another place with --home",
    errno.ENOENT: "nothing can be made there: choose another place with --home",
    errno.ENAMETOOLONG: "choose a shorter place with --home",
    errno.EMFILE: "allow more open files (ulimit -n)",
}


def did_you_mean(wrong: str, names: Sequence[str]) -> str:
    """Return `; did you mean 'x'?`, or all names where none is near."""
    near = get_close_matches(wrong, names, n=1)
    if near:
        return f"; did you mean {near[0]!r}?"
    return f"; known: {', '.join(sorted(names))}" if names else ""


def system_words(error: OSError) -> str:
    """Return what the system refused, as a sentence for whoever can change it."""
    place = f"{error.filename}: " if error.filename else ""
    return f"{place}{error.strerror or error}; {_REMEDIES.get(error.errno or 0, 'see to that')}"


def leaves(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    """Return the errors in a group and in the groups it holds, in order."""
    return [
        leaf
        for error in group.exceptions
        for leaf in (leaves(error) if isinstance(error, BaseExceptionGroup) else [error])
    ]

"""What the front door refuses before a run exists."""

from collections.abc import Sequence

from weft.core.errors import InputError, WeftError, did_you_mean

__all__ = [
    "ApprovalNotAllowedError",
    "DrainingError",
    "InterruptsIncompleteError",
    "InvalidCursorError",
    "InvalidFieldsError",
    "InvalidHostError",
    "InvalidIdempotencyKeyError",
    "InvalidRequestLineError",
    "InvalidResponseError",
    "MethodNotAllowedError",
    "NotReplayableError",
    "OverloadedError",
    "QuotaExceededError",
    "RouterUnavailableError",
    "UnknownAgentError",
]


class InvalidHostError(WeftError):
    """The Host header names another server, or there is not exactly one."""

    code = "invalid_host"


class InvalidRequestLineError(WeftError):
    """Method, path or transfer encoding is not of a form that is served here."""

    code = "invalid_request_line"


class MethodNotAllowedError(WeftError):
    """The route exists, but not for this method."""

    code = "method_not_allowed"


class InvalidCursorError(WeftError):
    """The cursor is no event number of this run."""

    code = "invalid_cursor"


class InvalidIdempotencyKeyError(WeftError):
    """The key is not 1 to 128 visible ASCII characters."""

    code = "invalid_idempotency_key"

    def __init__(self) -> None:
        super().__init__("Idempotency-Key must be 1 to 128 visible ASCII characters")


class InvalidFieldsError(InputError):
    """Fields of the body are wrong; every one of them is named."""

    def __init__(self, faults: Sequence[tuple[str, str]]) -> None:
        first = f"{faults[0][0] or '/'}: {faults[0][1]}" if faults else "invalid request"
        more = f" (and {len(faults) - 1} more)" if len(faults) > 1 else ""
        super().__init__(first + more)
        self.faults = tuple(faults)
        """(JSON pointer, message) each."""


class InvalidResponseError(InvalidFieldsError):
    """An answer does not fit what was asked; nothing was recorded."""

    code = "invalid_response"


class UnknownAgentError(InputError):
    """No agent of this name may be called by this caller."""

    code = "unknown_agent"

    def __init__(self, name: str, names: Sequence[str]) -> None:
        super().__init__(f"no agent is named {name!r}{did_you_mean(name, names)}", field="agent")
        self.name = name


class InterruptsIncompleteError(InputError):
    """Open interrupts were left without an answer; none was recorded."""

    code = "interrupts_incomplete"

    def __init__(self, open_ids: Sequence[str]) -> None:
        super().__init__(
            f"answer these too, or send partial: {', '.join(open_ids)}", field="responses"
        )
        self.open_ids = tuple(open_ids)


class ApprovalNotAllowedError(WeftError):
    """The caller may not approve this: whoever asks for an action does not allow it."""

    code = "approval_not_allowed"

    def __init__(self, interrupt_id: str, required_scope: str | None = None) -> None:
        why = f"it needs the scope {required_scope!r}" if required_scope else "you asked for it"
        super().__init__(f"you may not answer interrupt {interrupt_id!r}: {why}")
        self.interrupt_id = interrupt_id
        self.required_scope = required_scope


class RouterUnavailableError(WeftError):
    """The router did not answer; runs are accepted all the same and wait for it."""

    code = "router_unavailable"
    retryable = True


class NotReplayableError(WeftError):
    """The run did not end by what its calls brought: there is nothing to hold a replay against."""

    code = "run_not_replayable"


class DrainingError(WeftError):
    """This replica is leaving; ask again, another one answers."""

    code = "draining"
    retryable = True


class OverloadedError(WeftError):
    """The mesh has more to do than it gets done in a moment; nothing was started."""

    code = "overloaded"
    retryable = True


class QuotaExceededError(WeftError):
    """The caller has as many open runs as one may have; nothing was started."""

    code = "quota_exceeded"
    retryable = True

    def __init__(self, most: int) -> None:
        super().__init__(f"you have {most} open runs already: wait for one to end, or cancel one")
        self.most = most

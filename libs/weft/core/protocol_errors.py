"""What is wrong with a request before it reaches anything: every transport shares these."""

from collections.abc import Sequence

from weft.core.errors import InputError, WeftError

__all__ = [
    "AnswerLostError",
    "BodyTooLargeError",
    "CardRefusedError",
    "CredentialMissingError",
    "DelegateRefusedError",
    "ExtensionRequiredError",
    "InvalidJsonError",
    "InvalidPeerAnswerError",
    "MalformedCallError",
    "MediaTypeError",
    "PeerAwayError",
    "PeerRefusedError",
    "PeerUnavailableError",
    "PushNotSupportedError",
    "TaskNotCancelableError",
    "TooManyCallsError",
    "UnexpectedStatusError",
    "UnknownMethodError",
    "UnsupportedOperationError",
    "VersionNotSupportedError",
]


class InvalidJsonError(InputError):
    """The body is not JSON."""

    code = "invalid_json"


class MalformedCallError(InputError):
    """The body is JSON, but no call of the protocol."""

    code = "invalid_call"


class UnknownMethodError(InputError):
    """The protocol has no such operation."""

    code = "unknown_method"


class BodyTooLargeError(WeftError):
    """The body is over the limit; the rest of it was not read."""

    code = "body_too_large"

    def __init__(self, limit: int, what: str = "body") -> None:
        super().__init__(f"the {what} is larger than {limit} bytes")
        self.limit = limit


class MediaTypeError(InputError):
    """The content is of a type that is not served here."""

    code = "unsupported_media_type"


class UnsupportedOperationError(WeftError):
    """The operation exists, but not here or not in this state."""

    code = "unsupported_operation"


class PushNotSupportedError(WeftError):
    """Push notifications are not served here."""

    code = "push_not_supported"

    def __init__(self) -> None:
        super().__init__("push notifications are not supported; follow the task's stream instead")


class TaskNotCancelableError(WeftError):
    """The task has ended already."""

    code = "task_not_cancelable"

    def __init__(self, task_id: str) -> None:
        super().__init__(f"task {task_id} has ended already")
        self.task_id = task_id


class ExtensionRequiredError(WeftError):
    """The server demands an extension that the request does not declare."""

    code = "extension_required"

    def __init__(self, uri: str) -> None:
        super().__init__(f"this server requires the extension {uri}")
        self.uri = uri


class VersionNotSupportedError(WeftError):
    """The request speaks a version of the protocol that is not served here."""

    code = "version_not_supported"

    def __init__(self, version: str, supported: Sequence[str]) -> None:
        super().__init__(
            f"version {version[:20]!r} is not supported; use one of {', '.join(supported)}"
        )
        self.supported = tuple(supported)


class TooManyCallsError(WeftError):
    """The caller calls too often, or holds too many streams open."""

    code = "rate_limited"
    retryable = True


class CardRefusedError(WeftError):
    """A peer's card is unsigned, wrongly signed or points elsewhere; the peer is not called."""

    code = "card_refused"


class DelegateRefusedError(WeftError):
    """An agent outside the mesh may not be called, or not at its address; nothing was sent to it."""

    code = "delegate_refused"


class CredentialMissingError(WeftError):
    """An agent outside the mesh wants a credential that is not there; it was not asked to do anything."""

    code = "credential_missing"


class InvalidPeerAnswerError(WeftError):
    """A peer answered outside the protocol or beyond the limits."""

    code = "peer_failed"


class UnexpectedStatusError(InvalidPeerAnswerError):
    """A peer answered with an HTTP status that the protocol does not mean there."""

    def __init__(self, status: int) -> None:
        super().__init__(f"the peer answered with HTTP status {status}")
        self.status = status


class PeerUnavailableError(WeftError):
    """A peer cannot be reached, or refuses for now."""

    code = "peer_unavailable"
    retryable = True

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after
        """Seconds the peer asked to be left alone, if it did."""


class PeerAwayError(WeftError):
    """A peer was there lately, and has not answered for longer than a restart takes."""

    code = "peer_away"
    retryable = True

    def __init__(self, peers: Sequence[str], seconds: float) -> None:
        names = ", ".join(peers)
        super().__init__(f"{names} was there and has not answered for {seconds:.0f} s")
        self.peers = tuple(peers)


class AnswerLostError(PeerUnavailableError):
    """The request was sent and its answer lost: whether it was taken is unknown."""

    code = "outcome_unknown"
    retryable = False


class PeerRefusedError(WeftError):
    """A peer answered with an error of its own."""

    code = "peer_failed"

    def __init__(self, message: str, *, rpc_code: int | None = None, peer_code: str = "") -> None:
        super().__init__(message)
        self.rpc_code = rpc_code
        self.peer_code = peer_code
        """The peer's own error code, or empty."""

"""What a provider's failure means, by its status, its code and its words."""

import re
from collections.abc import Mapping

from weft.core import JsonValue
from weft.models.errors import (
    ContentFilterError,
    ContextLengthError,
    ErrorOrigin,
    ModelAuthError,
    ModelError,
    ModelRequestError,
    ModelUnavailableError,
    RateLimitedError,
)

_BY_STATUS: Mapping[int, type[ModelError]] = {
    401: ModelAuthError,
    403: ModelAuthError,
    408: ModelUnavailableError,
    409: ModelUnavailableError,
    429: RateLimitedError,
}
_BY_CODE: Mapping[str, type[ModelError]] = {
    "billing_hard_limit_reached": ModelRequestError,
    "content_filter": ContentFilterError,
    "content_policy_violation": ContentFilterError,
    "context_length_exceeded": ContextLengthError,
    "insufficient_quota": ModelRequestError,
    "rate_limit_exceeded": RateLimitedError,
    "server_error": ModelUnavailableError,
    "string_above_max_length": ContextLengthError,
}
_CLIENT_ERROR, _SERVER_ERROR = 400, 500
_TOO_LONG = re.compile(
    r"context (?:length|window|size)|maximum context|too many tokens", re.IGNORECASE
)
# Without digits or dashes, so that no key and no id passes for a code.
_PLAIN_CODE = re.compile(r"[A-Za-z_]{1,64}")


def kind_of(status: int, code: str | None, words: str) -> type[ModelError]:
    """Return the class of a failure with an HTTP status."""
    by_code = _BY_CODE.get(code or "")
    if by_code is ModelRequestError:
        return by_code
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= _SERVER_ERROR:
        return ModelUnavailableError
    guessed = ContextLengthError if _TOO_LONG.search(words) else ModelRequestError
    return by_code or guessed


def told_inside(provider: str, failure: object) -> ModelError:
    """Return the error that a reply or a stream holds, instead of what was asked for."""
    report = failure if isinstance(failure, dict) else {}
    code, status = plain_code(report.get("code"), report.get("type")), report.get("code")
    kind: type[ModelError] = _BY_CODE.get(code or "", ModelUnavailableError)
    if isinstance(status, int) and status >= _CLIENT_ERROR:
        kind = kind_of(status, code, str(report.get("message")))
    message = f"{provider} told of an error in its reply" + (f": {code}" if code else "")
    return kind(message, origin=ErrorOrigin(provider, provider_code=code))


def plain_code(*candidates: JsonValue | object) -> str | None:
    """Return the provider's code if it is a plain word, and not something to be quoted."""
    code = next((candidate for candidate in candidates if candidate), None)
    return code if isinstance(code, str) and _PLAIN_CODE.fullmatch(code) else None

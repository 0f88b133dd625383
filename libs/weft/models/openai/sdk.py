"""The SDK itself, loaded by the first call: opening a client, and its errors in our words."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import openai

from weft.models.errors import (
    ContentFilterError,
    ContextLengthError,
    ModelAuthError,
    ModelError,
    ModelRequestError,
    ModelTimeoutError,
    ModelUnavailableError,
    Origin,
    RateLimitedError,
)
from weft.models.openai.settings import Settings

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
_SERVER_ERROR = 500
_TOO_LONG = re.compile(
    r"context (?:length|window|size)|maximum context|too many tokens", re.IGNORECASE
)
# Without digits or dashes, so that no key and no id passes for a code.
_PLAIN_CODE = re.compile(r"[A-Za-z_]{1,64}")
_KEPT_HEADERS = ("retry-after",)


def connect(settings: Settings) -> openai.AsyncOpenAI:
    """Open a client that repeats nothing and knows no time limits: both are decided above it."""
    key, headers = settings.api_key.get_secret_value(), settings.headers or None
    # The SDK's own wrapper closes itself when collected, in whatever loop then runs.
    http_client = openai.DefaultAsyncHttpxClient(timeout=None)
    if settings.api_version is not None:
        return openai.AsyncAzureOpenAI(
            azure_endpoint=settings.base_url or "",
            api_version=settings.api_version,
            api_key=key,
            max_retries=0,
            timeout=None,
            http_client=http_client,
            default_headers=headers,
        )
    return openai.AsyncOpenAI(
        api_key=key,
        base_url=settings.base_url,
        max_retries=0,
        timeout=None,
        http_client=http_client,
        default_headers=headers,
    )


@contextmanager
def translated(provider: str) -> Iterator[None]:
    """Raise errors of the SDK as `ModelError`s.

    The provider's own words are dropped, cause included: they may repeat the prompt or the key.
    """
    try:
        yield
    except openai.APIStatusError as error:
        raise _of_status(provider, error) from None
    except openai.APITimeoutError:
        raise ModelTimeoutError(f"{provider}: timed out", origin=Origin(provider)) from None
    except openai.APIConnectionError as error:
        cause = type(error.__cause__).__name__ if error.__cause__ else "no connection"
        message = f"{provider}: the connection failed or was lost ({cause})"
        raise ModelUnavailableError(message, origin=Origin(provider)) from None
    except openai.APIError as error:
        raise _in_stream(provider, error) from None
    except (openai.OpenAIError, ValueError) as error:
        message = f"{provider}: the reply could not be read ({type(error).__name__})"
        raise ModelUnavailableError(message, origin=Origin(provider)) from None


def _of_status(provider: str, error: openai.APIStatusError) -> ModelError:
    status = error.status_code
    code = plain_code(error)
    headers = {k: v for k in _KEPT_HEADERS if (v := error.response.headers.get(k)) is not None}
    origin = Origin(provider, status, code, error.request_id, headers)
    kind = _kind(status, code, error)
    told = f"HTTP {status}" + (f", {code}" if code else "")
    return kind(f"{provider} answered {told}", origin=origin)


def _kind(status: int, code: str | None, error: openai.APIStatusError) -> type[ModelError]:
    by_code = _BY_CODE.get(code or "")
    if by_code is ModelRequestError:
        return by_code
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    if status >= _SERVER_ERROR:
        return ModelUnavailableError
    guessed = ContextLengthError if _TOO_LONG.search(error.message) else ModelRequestError
    return by_code or guessed


def _in_stream(provider: str, error: openai.APIError) -> ModelError:
    code = plain_code(error)
    kind = _BY_CODE.get(code or "", ModelUnavailableError)
    message = f"{provider} broke the stream off" + (f": {code}" if code else "")
    return kind(message, origin=Origin(provider, provider_code=code))


def plain_code(error: openai.APIError) -> str | None:
    """Return the provider's code if it is a plain word, and not something to be quoted."""
    code = error.code or error.type
    return code if code and _PLAIN_CODE.fullmatch(code) else None

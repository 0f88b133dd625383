"""The SDK itself, loaded before the first call: opening a client, and its errors in our words."""

import logging
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

import openai

from weft.core import JsonObject
from weft.core.storable import received
from weft.models.errors import (
    ErrorOrigin,
    ModelError,
    ModelTimeoutError,
    ModelUnavailableError,
)
from weft.models.openai.failures import kind_of, plain_code, told_inside
from weft.models.openai.reply import completion, no_completion, piece_of
from weft.models.openai.settings import OpenAISettings

logger = logging.getLogger(__name__)

_KEPT_HEADERS = ("retry-after",)
_NEVER_CONNECTED = ("ConnectError", "ConnectTimeout")
CONNECT_SECONDS = 5.0
"""A server that is there takes a connection sooner, also from the other end of the world."""


def connect(settings: OpenAISettings) -> openai.AsyncOpenAI:
    """Open a client that repeats nothing and, once connected, knows no time limits.

    Both are decided above it.
    """
    key, headers = settings.api_key.get_secret_value(), settings.headers or None
    # The SDK's own wrapper closes itself when collected, in whatever loop then runs.
    timeout = openai.Timeout(None, connect=CONNECT_SECONDS)
    http_client = openai.DefaultAsyncHttpxClient(timeout=timeout)
    client: openai.AsyncOpenAI
    if settings.api_version is not None:
        client = openai.AsyncAzureOpenAI(
            azure_endpoint=settings.base_url or "",
            api_version=settings.api_version,
            api_key=key,
            max_retries=0,
            timeout=timeout,
            http_client=http_client,
            default_headers=headers,
        )
    else:
        client = openai.AsyncOpenAI(
            api_key=key,
            base_url=settings.base_url,
            max_retries=0,
            timeout=timeout,
            http_client=http_client,
            default_headers=headers,
        )
    # What a call needs the SDK loads when it is first named: half a second, here on no event loop.
    _ = client.chat.completions
    return client


async def whole(
    client: openai.AsyncOpenAI, settings: OpenAISettings, body: dict[str, Any]
) -> JsonObject:
    """Return a whole reply as it came, whose only known member is `choices`.

    Raises:
        ModelError: There is none.
    """
    with translated(settings):
        raw = await client.chat.completions.with_raw_response.create(**body)
    return _completion(raw.http_response, raw.http_response.content, settings)


async def pieces(
    client: openai.AsyncOpenAI, settings: OpenAISettings, body: dict[str, Any]
) -> AsyncGenerator[Any, None]:
    """Yield a streamed reply's pieces, JSON of any form.

    Raises:
        ModelError: The reply broke off, or is no reply.
    """
    create, came = client.chat.completions.with_streaming_response.create, False
    options: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
    with translated(settings):
        async with create(**body, **options) as response:
            http = response.http_response
            if _is(http, "text/html", "json"):
                yield piece_of(_completion(http, await http.aread(), settings))
                return
            async for piece in await response.parse(to=openai.AsyncStream[object]):
                came = True
                yield piece
            if not (came or _is(http, "text/event-stream")):
                raise no_completion(ErrorOrigin(settings.provider), settings.address, _type(http))


@contextmanager
def translated(settings: OpenAISettings) -> Iterator[None]:
    """Raise errors of the SDK as `ModelError`s.

    The provider's own words are dropped, cause included: they may repeat the prompt or the key.
    """
    provider = settings.provider
    try:
        yield
    except ModelError:
        raise
    except openai.APIStatusError as error:
        raise _of_status(provider, error) from None
    except openai.APIConnectionError as error:
        raise _of_connection(settings, error) from None
    except openai.APIError as error:
        raise told_inside(provider, error.body) from None
    except Exception as error:  # the SDK meets what it did not expect, and raises what it likes
        logger.debug("model.reply_unreadable", exc_info=error)
        message = f"{provider}: the reply could not be read ({type(error).__name__})"
        raise ModelUnavailableError(message, origin=ErrorOrigin(provider)) from None


def _completion(http: Any, body: bytes, settings: OpenAISettings) -> JsonObject:  # noqa: ANN401 - the SDK's own type
    """Read a body that should be a whole reply, whatever its type says."""
    origin = ErrorOrigin(settings.provider)
    try:
        value = received(body)
    except ValueError:
        if not _is(http, "json"):
            raise no_completion(origin, settings.address, _type(http)) from None
        broken = f"{settings.provider}: the reply is broken JSON"
        raise ModelUnavailableError(broken, origin=origin) from None
    return completion(value, origin, settings.address)


def _type(http: Any) -> str:  # noqa: ANN401 - the SDK's own type
    return str(http.headers.get("content-type", "")).partition(";")[0].strip().lower() or "a text"


def _is(http: Any, *types: str) -> bool:  # noqa: ANN401 - the SDK's own type
    return _type(http).endswith(types)


def _of_status(provider: str, error: openai.APIStatusError) -> ModelError:
    status = error.status_code
    code = plain_code(error.code, error.type)
    headers = {k: v for k in _KEPT_HEADERS if (v := error.response.headers.get(k)) is not None}
    origin = ErrorOrigin(provider, status, code, error.request_id, headers)
    kind = kind_of(status, code, error.message)
    answer = f"HTTP {status}" + (f", {code}" if code else "")
    return kind(f"{provider} answered {answer}", origin=origin)


def _of_connection(settings: OpenAISettings, error: openai.APIConnectionError) -> ModelError:
    provider, cause = settings.provider, error.__cause__
    name = type(cause).__name__ if cause else "no connection"
    if name in _NEVER_CONNECTED:
        message = f"{provider}: nobody answers at {settings.address} ({name}: {cause})"
        return ModelUnavailableError(message, origin=ErrorOrigin(provider, reached=False))
    if isinstance(error, openai.APITimeoutError):
        return ModelTimeoutError(f"{provider}: timed out", origin=ErrorOrigin(provider))
    message = f"{provider}: the connection was lost ({name})"
    return ModelUnavailableError(message, origin=ErrorOrigin(provider))

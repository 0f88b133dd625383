"""Chat completions through the official SDK: one attempt per call, errors of our own."""

import asyncio
import threading
from collections.abc import AsyncGenerator
from contextlib import aclosing
from importlib import import_module
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

import anyio.to_thread

from weft.core import JsonObject, JsonValue, Message
from weft.models.base import NO_TOKENS, Capabilities, ModelChunk, ModelRequest, ModelResponse
from weft.models.chunks import CallIds
from weft.models.errors import ContentFilterError, ErrorOrigin, ModelError
from weft.models.openai import reply, wire
from weft.models.openai.settings import OpenAISettings
from weft.models.openai.streaming import StreamReader
from weft.models.timing import LONGEST_SECONDS, bounded, within
from weft.models.usage import CONTEXT_WINDOWS, PRICES, estimated, priced

if TYPE_CHECKING:
    import openai


_SDK = "weft.models.openai.sdk"


class OpenAIModel:
    """One model of an OpenAI-compatible server; safe in several event loops at once."""

    def __init__(self, model: str, settings: OpenAISettings) -> None:
        self._model = model
        self._settings = settings
        self._sdk: Any = None
        """The module, once it is loaded whole."""
        self._clients: WeakKeyDictionary[asyncio.AbstractEventLoop, openai.AsyncOpenAI] = (
            WeakKeyDictionary()
        )
        # Loops of other threads share the table; nothing is awaited while it is held.
        self._lock = threading.Lock()
        official = settings.base_url is None
        prices = settings.prices or (PRICES.get(model) if official else None)
        self._capabilities = Capabilities(
            context_window=settings.context_window or CONTEXT_WINDOWS.get(model),
            parallel_tools=settings.parallel_tools,
            structured=settings.structured,
            images=True,
            prices=prices,
        )

    def __repr__(self) -> str:
        return f"OpenAIModel({self.name!r})"

    @property
    def name(self) -> str:
        return f"{self._settings.provider}:{self._model}"

    @property
    def capabilities(self) -> Capabilities:
        return self._capabilities

    async def prepare(self) -> None:
        """Load the SDK and open this loop's client, neither of which asks anybody."""
        await self._connected()

    async def complete(self, request: ModelRequest) -> ModelResponse:
        limit = LONGEST_SECONDS if request.timeout is None else request.timeout
        raw = await within(self._reply(request), seconds=limit, origin=self._origin)
        with reply.reading(self._origin):
            return self._response(request, raw)

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        reader = StreamReader(request, self._origin, self.name, self._capabilities.prices)
        pieces = bounded(
            self._pieces(request),
            seconds=request.timeout,
            silence=self._settings.silence,
            origin=self._origin,
        )
        try:
            async with aclosing(pieces):
                async for piece in pieces:
                    if (chunk := reader.read(piece)) is not None:
                        yield chunk
            yield reader.last()
        except ModelError as error:
            if (spent := reader.spent()) != NO_TOKENS:
                error.usage = priced(spent, self._capabilities.prices)
            raise

    async def aclose(self) -> None:
        here = asyncio.get_running_loop()
        with self._lock:
            clients = dict(self._clients)
            self._clients.clear()
        for loop, client in clients.items():
            if loop is here:
                await client.close()
            elif loop.is_running():
                closing = asyncio.run_coroutine_threadsafe(client.close(), loop)
                await asyncio.wrap_future(closing)

    async def _reply(self, request: ModelRequest) -> JsonObject:
        sdk, client = await self._connected()
        reply: JsonObject = await sdk.whole(client, self._settings, self._body(request))
        return reply

    async def _pieces(self, request: ModelRequest) -> AsyncGenerator[JsonValue, None]:
        sdk, client = await self._connected()
        pieces = sdk.pieces(client, self._settings, self._body(request))
        async with aclosing(pieces):
            async for piece in pieces:
                yield piece

    def _body(self, request: ModelRequest) -> dict[str, Any]:
        return {"model": self._model, **wire.body(request, self._settings)}

    def _response(self, request: ModelRequest, raw: JsonObject) -> ModelResponse:
        choice = reply.first_choice(raw)
        if choice is None or choice.get("message") is None:
            raise reply.OddReplyError("it has no message")
        said = reply.as_object(choice["message"], "its message")
        text, finish = (
            reply.text_of(said.get("content"), "its content"),
            choice.get("finish_reason"),
        )
        if said.get("refusal") or (finish == "content_filter" and not text):
            refused = f"{self._settings.provider}: policy forbids an answer"
            raise ContentFilterError(refused, origin=self._origin)
        calls = reply.calls(said, CallIds(request))
        message = Message.assistant(text, tool_calls=calls)
        counted = reply.usage(raw.get("usage")) or estimated(request, message)
        return ModelResponse(
            message=message,
            usage=priced(counted, self._capabilities.prices),
            stop_reason=reply.stop_reason(finish, called=bool(calls)),
            model=self.name,
        )

    async def _connected(self) -> tuple[Any, "openai.AsyncOpenAI"]:
        """Return the loaded SDK and this loop's client."""
        loop = asyncio.get_running_loop()
        # Loading the SDK and reading certificates take long enough to stall a loop. It is not looked
        # up in `sys.modules`, where a module stands from the beginning of its loading.
        if self._sdk is None:
            self._sdk = await anyio.to_thread.run_sync(import_module, _SDK)
        sdk = self._sdk
        with self._lock:
            client = self._clients.get(loop)
        if client is not None:
            return sdk, client
        made = await anyio.to_thread.run_sync(sdk.connect, self._settings)
        with self._lock:
            kept = self._clients.setdefault(loop, made)
        if kept is not made:
            await made.close()
        return sdk, kept

    @property
    def _origin(self) -> ErrorOrigin:
        return ErrorOrigin(self._settings.provider)

"""The model's turn: the view of the conversation, the call, and what it adds to the state."""

import asyncio
from collections.abc import Callable
from contextlib import aclosing, closing
from dataclasses import dataclass, field, replace
from functools import partial

from weft.core import Clock, Deadline, JsonObject, Message, ToolSpec, parts_of, says_nothing
from weft.events import Event
from weft.loop.events import (
    AgentThought,
    Chunk,
    ModelCall,
    ModelChunked,
    ModelCompleted,
    ModelRetried,
    ModelRetryData,
    ThoughtData,
    Tokens,
    TokensUsed,
)
from weft.loop.given import NOTHING_GIVEN, GivenArguments
from weft.loop.state import AgentState
from weft.models import (
    ChunkJoiner,
    Model,
    ModelChunk,
    ModelRequest,
    ModelResponse,
    Retrying,
    RetryNotice,
    complete,
    streamed,
)
from weft.models.retry import ModelRetryConfig

Tell = Callable[[Event], None]

JOIN_SECONDS = 0.01
JOIN_LENGTH = 4096
"""Pieces of a reply that come within this time, up to this length, are told as one."""

ASK_AGAIN = Message.system(
    "Your last reply was empty. Answer in words, or call a tool if one is offered."
)
ANSWER_NOW = Message.system(
    "No more tools can be called. Answer now, from what is known so far, and say what is missing."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ThinkOptions:
    """What one model call is made with, besides the conversation."""

    model: Model
    clock: Clock
    tools: tuple[ToolSpec, ...] = ()
    given: GivenArguments = NOTHING_GIVEN
    temperature: float | None = None
    max_tokens: int | None = None
    deadline: Deadline | None = None
    retry: ModelRetryConfig = field(default_factory=ModelRetryConfig)
    stream: bool = False
    """Somebody watches the reply grow."""
    metadata: JsonObject = field(default_factory=dict)
    output_schema: JsonObject | None = None
    insist: bool = True
    """An empty reply is asked for once more."""
    guidance: tuple[Message, ...] = ()
    """Said to the model this once, and not kept."""
    check: Callable[[str], str] | None = None
    """Makes of a model's last words what is answered; until then nothing of a reply is shown."""

    def request(self, state: AgentState) -> ModelRequest:
        return ModelRequest(
            messages=(*state.messages, *self.guidance),
            tools=self.given.shown_in(self.tools),
            tool_choice="auto" if self.tools else "none",
            output_schema=self.output_schema,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            timeout=self.deadline and max(0.0, self.deadline.remaining(self.clock)),
            metadata=self.metadata,
            provider_state=state.provider_state,
        )


@dataclass(frozen=True, slots=True)
class Thought:
    """A reply, and the state with it."""

    state: AgentState
    response: ModelResponse
    raw: ModelResponse
    """As the model gave it, before it was checked."""

    @property
    def reply(self) -> Message:
        return self.response.message

    @property
    def empty(self) -> bool:
        return is_empty(self.reply)

    @property
    def cut(self) -> bool:
        """Tell whether the reply ended inside a call: such calls are not what was meant."""
        return self.response.stop_reason == "length" and bool(self.reply.tool_calls)


async def think(state: AgentState, ask: ThinkOptions, tell: Tell) -> Thought:
    """Ask the model.

    Raises:
        ModelError: There is no reply.
    """
    raw, response = await _called(state, ask, tell)
    if ask.insist and is_empty(response.message):
        state = state.with_token_usage(response.usage, calls=calls_of(response))
        again = replace(ask, guidance=(*ask.guidance, ASK_AGAIN))
        raw, response = await _called(state, again, tell)
    thought = _with_reply(state, response, raw)
    tell_thought(thought, tell)
    return thought


def tell_thought(thought: Thought, tell: Tell) -> None:
    """Tell what a reply says, and how much it asks for."""
    reply = thought.reply
    data = ThoughtData(
        iteration=thought.state.iteration,
        has_tool_calls=bool(reply.tool_calls),
        tool_call_count=len(reply.tool_calls),
        reasoning=reply.content,
        tool_calls=reply.tool_calls,
    )
    tell(AgentThought(data=data))


def with_reply(
    state: AgentState, raw: ModelResponse, check: Callable[[str], str] | None = None
) -> Thought:
    """Return the state with a reply as it was given, once `check` made an answer of its words."""
    return _with_reply(state, _checked(raw, check), raw)


def _with_reply(state: AgentState, response: ModelResponse, raw: ModelResponse) -> Thought:
    state = state.with_token_usage(response.usage, calls=calls_of(response))
    if response.provider_state:
        state = state.with_provider_state(response.provider_state)
    if is_empty(response.message):
        return Thought(state, response, raw)
    state = state.with_message(response.message)
    if response.message.content:
        state = state.with_reasoning_step(response.message.content)
    return Thought(state, response, raw)


def calls_of(response: ModelResponse) -> int:
    """Return how many calls of a language model the reply counts as: rules are none."""
    return int(response.generated_by == "model")


def is_empty(reply: Message) -> bool:
    return not reply.tool_calls and says_nothing(reply.parts)


async def _called(
    state: AgentState, ask: ThinkOptions, tell: Tell
) -> tuple[ModelResponse, ModelResponse]:
    """Return the reply as it was given, and as it is taken."""
    began = ask.clock.monotonic()
    raw = ask.given.filled(await _replied(ask, ask.request(state), tell))
    response = _checked(raw, ask.check)
    if ask.check is not None:
        shown = _Shown(ask, tell)
        shown.add(ModelChunk(content=response.message.content, done=True))
    usage = response.usage.as_run_usage(calls=calls_of(response))
    tell(
        ModelCompleted(
            data=ModelCall(
                model=response.model or ask.model.name,
                tool_call_count=len(response.message.tool_calls),
                stop_reason=response.stop_reason,
                usage=usage,
                duration_ms=(ask.clock.monotonic() - began) * 1000,
                generated_by=response.generated_by,
                content=response.message.content,
            )
        )
    )
    tell(
        TokensUsed(
            data=Tokens(
                prompt_tokens=usage.prompt_tokens,
                completion_tokens=usage.completion_tokens,
                total_tokens=usage.total_tokens,
            )
        )
    )
    return raw, response


async def _replied(ask: ThinkOptions, request: ModelRequest, tell: Tell) -> ModelResponse:
    retrying = Retrying(ask.retry, deadline=ask.deadline, clock=ask.clock)
    if not ask.stream:
        again = partial(_tell_retry, ask, tell)
        return await complete(ask.model, request, retrying, tell=again)
    joiner, shown = ChunkJoiner(), _Shown(ask, tell if ask.check is None else _untold)
    with closing(shown):
        async with aclosing(streamed(ask.model, request, retrying)) as pieces:
            async for piece in pieces:
                if isinstance(piece, RetryNotice):
                    joiner = ChunkJoiner()
                    shown.forget()
                    _tell_retry(ask, tell, piece)
                else:
                    joiner.add(piece)
                    shown.add(piece)
    return joiner.response()


def _checked(response: ModelResponse, check: Callable[[str], str] | None) -> ModelResponse:
    """Return the reply with its last words checked; what rules say needs no check."""
    message = response.message
    if check is None or message.tool_calls or response.generated_by != "model" or is_empty(message):
        return response
    other = tuple(part for part in message.parts if part.kind != "text")
    said = message.model_copy(update={"parts": (*parts_of(check(message.content)), *other)})
    return response.model_copy(update={"message": said})


def _untold(_: Event) -> None:
    """Show nothing of a reply that is still to be checked."""


def _tell_retry(ask: ThinkOptions, tell: Tell, notice: RetryNotice) -> None:
    tell(
        ModelRetried(
            data=ModelRetryData(
                attempt=notice.attempt,
                max_retries=ask.retry.max_retries,
                delay_seconds=notice.delay_seconds,
                reason=notice.reason,
                status_code=notice.status_code,
                model=ask.model.name,
            )
        )
    )


class _Shown:
    """Tells of a growing reply, pieces that come close together as one."""

    def __init__(self, ask: ThinkOptions, tell: Tell) -> None:
        self._ask = ask
        self._tell = tell
        self._content: list[str] = []
        self._reasoning: list[str] = []
        self._since = ask.clock.monotonic()
        self._late: asyncio.TimerHandle | None = None

    def add(self, chunk: ModelChunk) -> None:
        self._content.append(chunk.content)
        self._reasoning.append(chunk.reasoning)
        waited = self._ask.clock.monotonic() - self._since
        if chunk.done or waited >= JOIN_SECONDS or sum(map(len, self._content)) >= JOIN_LENGTH:
            self._flush(done=chunk.done)
        elif self._late is None:
            # The next piece may be long in coming.
            loop = asyncio.get_running_loop()
            self._late = loop.call_later(JOIN_SECONDS, partial(self._flush, done=False))

    def forget(self) -> None:
        """Drop what was not told yet of an attempt that failed."""
        self._content.clear()
        self._reasoning.clear()
        self.close()

    def close(self) -> None:
        """Tell nothing more on its own."""
        if self._late is not None:
            self._late.cancel()
            self._late = None

    def _flush(self, *, done: bool) -> None:
        content, reasoning = "".join(self._content), "".join(self._reasoning)
        self.forget()
        self._since = self._ask.clock.monotonic()
        # A model that does not stream gives its whole reply at once.
        for at in range(0, max(len(content), len(reasoning)), JOIN_LENGTH):
            until = at + JOIN_LENGTH
            last = until >= max(len(content), len(reasoning))
            piece = Chunk(
                content=content[at:until], reasoning=reasoning[at:until], done=done and last
            )
            self._tell(ModelChunked(data=piece))

"""The model contract: what goes in, what comes out, whole or in chunks."""

from collections.abc import AsyncGenerator
from typing import Literal, Protocol, runtime_checkable

from pydantic import Field

from weft.core import JsonObject, Message, Record, ToolSpec, Usage

GeneratedBy = Literal["model", "rules"]
FinishReason = Literal["stop", "tool_calls", "length", "content_filter"]
ToolChoice = str
"""`auto`, `none`, `required`, or the name of the one tool to call."""

PER_MILLION = 1_000_000


class ModelUsage(Record):
    """What one call spent. Cache reads are part of the prompt, reasoning of the completion."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0
    cache_read_tokens: int = 0
    cache_creation_tokens: int = 0
    reasoning_tokens: int = 0
    cost_usd: float | None = None
    """None where the price is unknown."""
    estimated: bool = False
    """Counted here, as characters by four, because the provider gave no numbers."""

    def __add__(self, other: "ModelUsage") -> "ModelUsage":
        costs = [cost for cost in (self.cost_usd, other.cost_usd) if cost is not None]
        return ModelUsage(
            prompt_tokens=self.prompt_tokens + other.prompt_tokens,
            completion_tokens=self.completion_tokens + other.completion_tokens,
            total_tokens=self.total_tokens + other.total_tokens,
            cache_read_tokens=self.cache_read_tokens + other.cache_read_tokens,
            cache_creation_tokens=self.cache_creation_tokens + other.cache_creation_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cost_usd=sum(costs) if costs else None,
            estimated=self.estimated or other.estimated,
        )

    def as_run_usage(self, *, calls: int = 1) -> Usage:
        """Return the same in the words of runs and events; what rules reply is no model call."""
        return Usage(
            prompt_tokens=self.prompt_tokens,
            completion_tokens=self.completion_tokens,
            total_tokens=self.total_tokens,
            cached_tokens=self.cache_read_tokens,
            cost_usd=self.cost_usd,
            model_calls=calls,
            estimated=self.estimated,
        )


NO_TOKENS = ModelUsage()


class Prices(Record):
    """US dollars for a million tokens of each kind."""

    prompt: float = Field(ge=0)
    completion: float = Field(ge=0)
    cache_read: float | None = Field(default=None, ge=0)
    """None: cache reads cost as much as the rest of the prompt."""

    def cost(self, usage: ModelUsage) -> float:
        cached = self.prompt if self.cache_read is None else self.cache_read
        fresh = usage.prompt_tokens - usage.cache_read_tokens
        spent = fresh * self.prompt + usage.cache_read_tokens * cached
        return (spent + usage.completion_tokens * self.completion) / PER_MILLION


FREE = Prices(prompt=0, completion=0)


class Capabilities(Record):
    """What a model can do; the loop asks for nothing beyond it."""

    context_window: int | None = None
    """In tokens; None where nobody knows."""
    tools: bool = True
    parallel_tools: bool = True
    structured: bool = False
    """The provider itself holds replies to `output_schema`."""
    stream: bool = True
    images: bool = False
    prices: Prices | None = None
    generated_by: GeneratedBy = "model"

    @property
    def by_rules(self) -> bool:
        """Whether no language model stands behind it."""
        return self.generated_by == "rules"


class ModelRequest(Record):
    """One question to a model, complete in itself."""

    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    tool_choice: ToolChoice = "auto"
    output_schema: JsonObject | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    timeout: float | None = None
    """Seconds for the whole call; None leaves it to the model's own limit."""
    silence: float | None = None
    """Seconds without a sign of life after which the caller gives up: a list of models shares them
    out, so that each is asked. None leaves it to the model."""
    metadata: JsonObject = Field(default_factory=dict)
    """The run's metadata; providers are not sent it."""
    provider_state: JsonObject = Field(default_factory=dict)
    """What this provider asked to be handed back, unread by anybody else."""


class ModelResponse(Record):
    """A model's whole reply."""

    message: Message
    usage: ModelUsage = NO_TOKENS
    stop_reason: FinishReason = "stop"
    model: str = ""
    """Who answered: behind a fallback this is not who was asked."""
    generated_by: GeneratedBy = "model"
    provider_state: JsonObject = Field(default_factory=dict)


class ToolCallDelta(Record):
    """A piece of the call at `index`; id and name come with its first piece."""

    index: int
    id: str = ""
    name: str = ""
    arguments: str = ""
    """JSON text, to be joined."""


class ModelChunk(Record):
    """A piece of a reply; only the last has `done`, and with it usage and the rest."""

    content: str = ""
    reasoning: str = ""
    tool_calls: tuple[ToolCallDelta, ...] = ()
    done: bool = False
    usage: ModelUsage | None = None
    stop_reason: FinishReason | None = None
    model: str = ""
    generated_by: GeneratedBy = "model"
    provider_state: JsonObject = Field(default_factory=dict)


class Model(Protocol):
    """Answers requests; safe to share between concurrent calls and event loops.

    `complete` and `stream` make one attempt each (retries belong to `weft.models.retry`) and
    raise a `weft.models.errors.ModelError` where there is no reply. Cancelling either one closes
    its connection.
    """

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def complete(self, request: ModelRequest) -> ModelResponse: ...

    def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        """Yield the reply in pieces; closing the generator closes the connection."""
        ...

    async def aclose(self) -> None:
        """Close every connection; a later call opens new ones."""
        ...


@runtime_checkable
class Preparable(Protocol):
    """A model that has something to load before its first call, which is no time of its endpoint."""

    async def prepare(self) -> None:
        """Load it, once for each event loop."""
        ...

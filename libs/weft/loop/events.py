"""What an agent tells: the `agent.*` events that are not about tools.

Whoever watches in the agent's own process finds whole texts in them; the log and the mesh have their
previews.
"""

from typing import Literal

from weft.core import NO_USAGE, JsonObject, ToolCall, Usage
from weft.events import Data, ErrorData, Event, InProcess, WholeData
from weft.models.base import GeneratedBy


class ThoughtData(WholeData):
    """What the model said, and how much it asks for."""

    iteration: int
    reasoning_preview: str = ""
    has_tool_calls: bool = False
    tool_call_count: int = 0
    reasoning: InProcess[str] = ""
    tool_calls: InProcess[tuple[ToolCall, ...]] = ()


class AgentThought(Event, frozen=True):
    """The model replied."""

    type: Literal["agent.think"] = "agent.think"
    data: ThoughtData


class Chunk(Data):
    """A piece of a reply."""

    content: str = ""
    reasoning: str = ""
    done: bool = False
    has_tool_calls: bool = False


class ModelChunked(Event, frozen=True):
    """A reply grew; a retry voids the pieces before it."""

    type: Literal["agent.model.chunk"] = "agent.model.chunk"
    data: Chunk


class ModelCall(WholeData):
    """Who replied, and what it took."""

    model: str
    content_preview: str = ""
    tool_call_count: int = 0
    stop_reason: str = "stop"
    usage: Usage = NO_USAGE
    duration_ms: float = 0.0
    generated_by: GeneratedBy = "model"
    content: InProcess[str] = ""


class ModelCompleted(Event, frozen=True):
    """A model call ended with a reply."""

    type: Literal["agent.model.completed"] = "agent.model.completed"
    data: ModelCall


class Tokens(Data):
    """What one model call spent."""

    prompt_tokens: int = 0
    completion_tokens: int = 0
    total_tokens: int = 0


class TokensUsed(Event, frozen=True):
    """A model call was paid for; the run's usage adds these up."""

    type: Literal["agent.tokens.used"] = "agent.tokens.used"
    data: Tokens


class ModelRetryData(Data):
    """Why a model call is made again, when, and to whom."""

    attempt: int
    max_retries: int = 0
    delay_seconds: float = 0.0
    reason: str = ""
    status_code: int | None = None
    model: str = ""
    """Who gave no answer."""
    instead: str = ""
    """Who is asked in its place for the rest of the run; empty is the same one once more."""
    why: str = ""
    """In words, where somebody else is asked: it is told to who would ask the same one later."""


class ModelRetried(Event, frozen=True):
    """A model call failed and is made again."""

    type: Literal["agent.model.retry"] = "agent.model.retry"
    data: ModelRetryData


class Assessed(WholeData):
    """What an iteration was worth."""

    iteration: int
    assessment: str
    confidence_delta: float
    new_confidence: float
    novelty: float
    guidance_preview: str = ""
    guidance: InProcess[str] = ""


class AgentReflected(Event, frozen=True):
    """The run's confidence changed."""

    type: Literal["agent.reflect"] = "agent.reflect"
    data: Assessed


class InterruptData(WholeData):
    """What somebody outside must answer."""

    interrupt_id: str
    reason: str
    question_preview: str = ""
    options: tuple[str, ...] = ()
    tool_call_id: str | None = None
    question: InProcess[str] = ""
    response_schema: InProcess[JsonObject | None] = None


class AgentInterrupted(Event, frozen=True):
    """The agent waits for an answer."""

    type: Literal["agent.interrupt"] = "agent.interrupt"
    data: InterruptData


class Termination(WholeData):
    """Why the agent stopped, and with what."""

    reason: str
    explanation: str = ""
    iterations_used: int = 0
    final_confidence: float = 0.0
    total_tool_calls: int = 0
    final_message_preview: str = ""
    usage: Usage = NO_USAGE
    total_tokens: int = 0
    error: ErrorData | None = None
    final_message: InProcess[str] = ""

    @property
    def cost_usd(self) -> float | None:
        return self.usage.cost_usd


class AgentTerminated(Event, frozen=True):
    """The agent stopped."""

    type: Literal["agent.terminate"] = "agent.terminate"
    data: Termination

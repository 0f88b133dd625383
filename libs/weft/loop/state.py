"""What a run has come to: frozen, so that phases hand on new states instead of changing one."""

from collections.abc import Mapping
from dataclasses import dataclass, field, fields

from weft.core import NO_USAGE, JsonObject, JsonValue, Message, Usage
from weft.core.errors import InputError
from weft.loop.append_only import Grown
from weft.models.base import ModelUsage
from weft.reasoning.reflexion import adjusted
from weft.tools import ToolExecution

CONFIDENCE_THRESHOLD = 0.85


@dataclass(frozen=True, slots=True)
class ReasoningStep:
    """What the model said before it called tools, or as its answer."""

    iteration: int
    text: str


@dataclass(frozen=True, kw_only=True)
class AgentState:
    """One moment of a run; every `with_` method returns the next."""

    run_id: str = ""
    agent_id: str = ""
    messages: Grown[Message] = field(default_factory=Grown)
    iteration: int = 0
    max_iterations: int = 20
    tool_executions: Grown[ToolExecution] = field(default_factory=Grown)
    reasoning_steps: Grown[ReasoningStep] = field(default_factory=Grown)
    confidence: float = 0.0
    confidence_history: Grown[float] = field(default_factory=Grown)
    confidence_threshold: float = CONFIDENCE_THRESHOLD
    total_tokens_used: int = 0
    prompt_tokens_used: int = 0
    completion_tokens_used: int = 0
    cache_read_tokens_used: int = 0
    cache_creation_tokens_used: int = 0
    cost_usd_used: float | None = None
    """None while no call had a known price."""
    tokens_estimated: bool = False
    model_calls: int = 0
    tool_calls: int = 0
    """Children's included, unlike `tool_executions`."""
    usage_unknown: bool = False
    errors: Grown[str] = field(default_factory=Grown)
    provider_state: JsonObject = field(default_factory=dict)
    metadata: JsonObject = field(default_factory=dict)
    started_at: float = 0.0
    updated_at: float = 0.0

    def but(self, **changes: object) -> "AgentState":
        """Return a copy with some fields changed: `dataclasses.replace`, many times faster."""
        changed = object.__new__(AgentState)
        changed.__dict__.update(self.__dict__)
        changed.__dict__.update(changes)
        return changed

    def with_message(self, message: Message) -> "AgentState":
        return self.but(messages=self.messages.plus(message))

    def with_messages(self, *messages: Message) -> "AgentState":
        return self.but(messages=self.messages.plus(*messages))

    def with_iteration(self, iteration: int) -> "AgentState":
        return self.but(iteration=iteration)

    def next_iteration(self) -> "AgentState":
        return self.but(iteration=self.iteration + 1)

    def with_provider_state(self, provider_state: JsonObject) -> "AgentState":
        return self.but(provider_state=provider_state)

    def with_tool_execution(self, *executions: ToolExecution) -> "AgentState":
        return self.but(
            tool_executions=self.tool_executions.plus(*executions),
            tool_calls=self.tool_calls + len(executions),
            errors=self.errors.plus(*(f"{e.name}: {e.error}" for e in executions if e.error)),
        )

    def with_reasoning_step(self, text: str) -> "AgentState":
        step = ReasoningStep(self.iteration, text)
        return self.but(reasoning_steps=self.reasoning_steps.plus(step))

    def with_confidence(self, confidence: float) -> "AgentState":
        return self.but(
            confidence=confidence, confidence_history=self.confidence_history.plus(confidence)
        )

    def adjust_confidence(self, delta: float) -> "AgentState":
        """Change the confidence by `delta`; a gain is damped by what is left to gain."""
        return self.with_confidence(adjusted(self.confidence, delta))

    def with_error(self, error: str) -> "AgentState":
        return self.but(errors=self.errors.plus(error))

    def with_metadata(self, **metadata: JsonValue) -> "AgentState":
        return self.but(metadata={**self.metadata, **metadata})

    def with_token_usage(self, usage: ModelUsage, *, calls: int = 1) -> "AgentState":
        """Add what one model call spent; rules make a reply without a call."""
        return self.but(
            total_tokens_used=self.total_tokens_used + usage.total_tokens,
            prompt_tokens_used=self.prompt_tokens_used + usage.prompt_tokens,
            completion_tokens_used=self.completion_tokens_used + usage.completion_tokens,
            cache_read_tokens_used=self.cache_read_tokens_used + usage.cache_read_tokens,
            cache_creation_tokens_used=self.cache_creation_tokens_used
            + usage.cache_creation_tokens,
            cost_usd_used=_sum(self.cost_usd_used, usage.cost_usd),
            tokens_estimated=self.tokens_estimated or usage.estimated,
            model_calls=self.model_calls + calls,
        )

    def with_child_usage(self, usage: Usage) -> "AgentState":
        """Add what agents spent that this one called."""
        if usage == NO_USAGE:
            return self
        return self.but(
            total_tokens_used=self.total_tokens_used + usage.total_tokens,
            prompt_tokens_used=self.prompt_tokens_used + usage.prompt_tokens,
            completion_tokens_used=self.completion_tokens_used + usage.completion_tokens,
            cache_read_tokens_used=self.cache_read_tokens_used + usage.cached_tokens,
            cost_usd_used=_sum(self.cost_usd_used, usage.cost_usd),
            tokens_estimated=self.tokens_estimated or usage.estimated,
            model_calls=self.model_calls + usage.model_calls,
            tool_calls=self.tool_calls + usage.tool_calls,
            usage_unknown=self.usage_unknown or usage.unknown,
        )

    @property
    def usage(self) -> Usage:
        """Return what was spent so far, children included."""
        return Usage(
            prompt_tokens=self.prompt_tokens_used,
            completion_tokens=self.completion_tokens_used,
            total_tokens=self.total_tokens_used,
            cached_tokens=self.cache_read_tokens_used,
            cost_usd=self.cost_usd_used,
            model_calls=self.model_calls,
            tool_calls=self.tool_calls,
            unknown=self.usage_unknown,
            estimated=self.tokens_estimated,
        )

    @property
    def last_assistant_message(self) -> Message | None:
        """Return the newest reply of the model."""
        for at in range(len(self.messages) - 1, -1, -1):
            if self.messages[at].role == "assistant":
                return self.messages[at]
        return None

    def to_checkpoint(self) -> JsonObject:
        """Return plain JSON; the inverse is `from_checkpoint`."""
        plain: JsonObject = {member.name: getattr(self, member.name) for member in fields(self)}
        plain["messages"] = [message.to_json() for message in self.messages]
        plain["tool_executions"] = [execution.to_json() for execution in self.tool_executions]
        plain["reasoning_steps"] = [[step.iteration, step.text] for step in self.reasoning_steps]
        plain["confidence_history"] = list(self.confidence_history)
        plain["errors"] = list(self.errors)
        return plain

    @classmethod
    def from_checkpoint(cls, stored: JsonObject) -> "AgentState":
        """Return the state; fields that a newer writer added are ignored.

        Raises:
            InputError: It is no stored state.
        """
        names = {member.name for member in fields(cls)}
        plain: Mapping[str, object] = {k: v for k, v in stored.items() if k in names}
        try:
            return cls(**{**plain, **_sequences(stored)})  # type: ignore[arg-type]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"not a stored agent state: {error}") from error


def _sequences(stored: JsonObject) -> Mapping[str, object]:
    def items(name: str) -> list[JsonValue]:
        listed = stored.get(name, [])
        if not isinstance(listed, list):
            raise TypeError(f"{name} is no list")
        return listed

    steps = [ReasoningStep(*step) for step in items("reasoning_steps")]  # type: ignore[misc]
    return {
        "messages": Grown(Message.model_validate(message) for message in items("messages")),
        "tool_executions": Grown(map(ToolExecution.model_validate, items("tool_executions"))),
        "reasoning_steps": Grown(steps),
        "confidence_history": Grown(items("confidence_history")),
        "errors": Grown(items("errors")),
    }


def _sum(first: float | None, second: float | None) -> float | None:
    return second if first is None else first + (second or 0.0)

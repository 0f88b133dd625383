"""Everything that is fixed about an agent, checked once."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, Self, TypedDict, get_args

from weft.checkpoint import Checkpointer
from weft.core import JsonObject
from weft.core.errors import ConfigError, did_you_mean
from weft.loop.output import OutputSchema
from weft.loop.state import CONFIDENCE_THRESHOLD, AgentState
from weft.models import Model, StandIn
from weft.models.retry import ModelRetryConfig
from weft.reasoning.reflexion import ReflexionConfig
from weft.termination import Condition, ConfidenceMet
from weft.tools import Tool
from weft.tools.rendering import ResultStore

DEFAULT_PROMPT = "You are a helpful AI assistant."
TERMINAL_TOOLS = frozenset({"submit", "done", "finish", "complete", "task_complete"})

SystemPrompt = str | Callable[[AgentState], str]
"""A text, or a function of the run's first state."""
ToolExecutionMode = Literal["concurrent", "sequential"]
CompletionMode = Literal["auto", "explicit"]


@dataclass(frozen=True, slots=True)
class _Range:
    """What a number may be; `whole` refuses fractions."""

    least: float
    most: float = math.inf
    whole: bool = False

    def holds(self, value: object) -> bool:
        kind = int if self.whole else (int, float)
        if isinstance(value, bool) or not isinstance(value, kind):
            return False
        return self.least <= value <= self.most and math.isfinite(value)

    def __str__(self) -> str:
        kind = "a whole number" if self.whole else "a number"
        span = f"of at least {self.least:g}"
        return (
            f"{kind} {span if math.isinf(self.most) else f'from {self.least:g} to {self.most:g}'}"
        )


RANGES: Mapping[str, _Range] = {
    "temperature": _Range(0, 2),
    "max_tokens": _Range(1, whole=True),
    "max_concurrency": _Range(1, 1000, whole=True),
    "tool_timeout": _Range(0.001),
    "max_tool_result_length": _Range(100, whole=True),
    "tool_result_head_fraction": _Range(0, 1),
    "tool_loop_threshold": _Range(1, whole=True),
    "max_iterations": _Range(1, 500, whole=True),
    "token_budget": _Range(0, whole=True),
    "max_cost_usd": _Range(0),
    "time_budget_seconds": _Range(0),
    "output_schema_retries": _Range(0, 10, whole=True),
}
CHOICES: Mapping[str, tuple[str, ...]] = {
    "tool_execution": get_args(ToolExecutionMode),
    "completion_mode": get_args(CompletionMode),
}


class ModelPatience(TypedDict, total=False):
    """The options of an agent that say how it waits for its model, and who answers without it."""

    model_retry: ModelRetryConfig
    stand_in: StandIn | None


class AgentOptions(ModelPatience, total=False):
    """The fields of `AgentConfig` that `Agent` takes by name, so that editors know them."""

    model_kwargs: Mapping[str, object]
    temperature: float | None
    max_tokens: int | None
    name: str
    agent_id: str
    metadata: JsonObject
    tool_execution: ToolExecutionMode
    max_concurrency: int
    tool_timeout: float
    max_tool_result_length: int
    tool_result_head_fraction: float
    tool_result_store: ResultStore | None
    tool_loop_threshold: int
    terminal_tools: frozenset[str]
    opening_tools: Sequence[str]
    cites_findings: bool
    max_iterations: int
    termination: Condition | None
    completion_mode: CompletionMode
    token_budget: int | None
    max_cost_usd: float | None
    time_budget_seconds: float | None
    reflexion: ReflexionConfig | bool | None
    output_schema: OutputSchema | None
    output_schema_retries: int
    checkpointer: Checkpointer | str | None


@dataclass(frozen=True, kw_only=True)
class AgentConfig:
    """How an agent thinks, acts and stops.

    Raises:
        ConfigError: An option is unknown or out of range.
    """

    model: Model | str | None = None
    """None chooses by the credentials it finds."""
    model_kwargs: Mapping[str, object] = field(default_factory=dict)
    temperature: float | None = None
    max_tokens: int | None = None
    model_retry: ModelRetryConfig = field(default_factory=ModelRetryConfig)
    stand_in: StandIn | None = None
    """Answers the rest of a run once the model gives no answer; None lets the run fail."""

    system_prompt: SystemPrompt = DEFAULT_PROMPT
    name: str = "agent"
    agent_id: str = ""
    """Empty takes the name."""
    metadata: JsonObject = field(default_factory=dict)

    tools: Sequence[Tool] = ()
    tool_execution: ToolExecutionMode = "concurrent"
    max_concurrency: int = 10
    tool_timeout: float = 120.0
    max_tool_result_length: int = 32_000
    tool_result_head_fraction: float = 0.4
    tool_result_store: ResultStore | None = None
    tool_loop_threshold: int = 3
    terminal_tools: frozenset[str] = TERMINAL_TOOLS
    opening_tools: Sequence[str] = ()
    """Called once for every prompt before the model is asked, where the run brings along all that
    they need: whatever the model does, what they find is there."""
    cites_findings: bool = False
    """Of a model's answer what no finding of the tools carries is removed and counted; an answer
    for which nothing was looked at says so. It is shown once it is whole."""

    max_iterations: int = 20
    termination: Condition | None = None
    completion_mode: CompletionMode = "auto"
    token_budget: int | None = None
    max_cost_usd: float | None = None
    time_budget_seconds: float | None = None

    reflexion: ReflexionConfig | bool | None = None
    """None leaves it off, unless `termination` asks for confidence."""

    output_schema: OutputSchema | None = None
    """What the answer must be; a task that says so itself is answered as it says."""
    output_schema_retries: int = 2
    """So often a reply of another form goes back to the model with its faults."""

    checkpointer: Checkpointer | str | None = None
    """An opened one stays the caller's to close; None keeps threads in this process."""

    def __new__(cls, **options: object) -> Self:
        """Refuse unknown names before the fields are set."""
        names = [option.name for option in fields(cls)]
        for name in options:
            if name not in names:
                raise ConfigError(f"unknown option {name!r}{did_you_mean(name, names)}")
        return super().__new__(cls)

    def __post_init__(self) -> None:
        for name, allowed in RANGES.items():
            value = getattr(self, name)
            if value is not None and not allowed.holds(value):
                raise ConfigError(f"{name} must be {allowed}, got {value!r}")
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                listed = " or ".join(map(repr, choices))
                raise ConfigError(f"{name} must be {listed}, got {getattr(self, name)!r}")
        if self.reflexion is False and self._wants_confidence():
            raise ConfigError("termination asks for ConfidenceMet, which reflexion=False prevents")

    def with_reflexion(self, reflexion: ReflexionConfig | bool | None = True) -> "AgentConfig":  # noqa: FBT001, FBT002 - the option's own type
        """Return a copy with reflexion switched on, or set as given."""
        return replace(self, reflexion=reflexion)

    @property
    def reflexion_config(self) -> ReflexionConfig | None:
        """Return how to reflect; None does not."""
        if isinstance(self.reflexion, ReflexionConfig):
            return self.reflexion
        if self.reflexion or self._wants_confidence():
            return ReflexionConfig(CONFIDENCE_THRESHOLD)
        return None

    def _wants_confidence(self) -> bool:
        condition = self.termination
        return condition is not None and any(
            isinstance(leaf, ConfidenceMet) for leaf in condition.leaves()
        )


def configured(config: AgentConfig | None, options: Mapping[str, Any]) -> AgentConfig:
    """Return `config`, or one made of `options`.

    Raises:
        ConfigError: Both are given, or an option is wrong.
    """
    if config is None:
        return AgentConfig(**options)
    if options:
        hidden = ", ".join(sorted(options))
        raise ConfigError(f"config= would hide {hidden}; set them in the config")
    return config

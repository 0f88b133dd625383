"""What one run is asked, with what authority, and with what it works."""

from dataclasses import dataclass, field

from weft.core import SYSTEM_CLOCK, Authority, Clock, JsonObject, Message, Parts, ToolSpec
from weft.loop.config import AgentConfig
from weft.loop.output import OutputForm
from weft.models import Model
from weft.runs import Journal
from weft.termination import Condition
from weft.tools import Tool, ToolRegistry


@dataclass(frozen=True, slots=True, kw_only=True)
class Invocation:
    """One request to an agent."""

    parts: Parts
    """What is said."""
    journal: Journal
    """Where steps and effects are written; its ids are the run's."""
    history: tuple[Message, ...] = ()
    authority: Authority = field(default_factory=Authority)
    metadata: JsonObject = field(default_factory=dict)
    answers: JsonObject = field(default_factory=dict)
    form: OutputForm | None = None
    """What the answer must be; None is any text."""
    grants: tuple[Tool, ...] = ()
    """Tools for this request alone."""

    @property
    def run_id(self) -> str:
        return self.journal.run_id

    @property
    def thread_id(self) -> str:
        return self.journal.thread_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """What an agent is made of, as one run holds it."""

    config: AgentConfig
    model: Model
    tools: ToolRegistry
    specs: tuple[ToolSpec, ...]
    """What the model is told of the tools."""
    stop_when: Condition
    """The user's condition and the built-in rules."""
    clock: Clock = SYSTEM_CLOCK

    @property
    def agent_id(self) -> str:
        return self.config.agent_id or self.config.name

"""The agent: think, execute, reflect, terminate."""

from weft.loop.agent import Agent
from weft.loop.carrying import carried_out
from weft.loop.citing import HOW_TO_CITE, CheckedAnswer, Citable, held_against
from weft.loop.config import AgentConfig, ModelPatience
from weft.loop.differing import Difference, difference_in, first_difference
from weft.loop.events import ModelRetried
from weft.loop.handles import AgentRun, TaskRun
from weft.loop.model_in_use import MODEL_REPLACED, MODELS_AWAY
from weft.loop.output import output_form
from weft.loop.peer import Peer, PeerRun, Replayable, Task
from weft.loop.replaying import (
    NOT_BY_ITSELF,
    LoopRecord,
    LoopReplay,
    ReplayJournal,
    replay_view,
    replayed_loop,
)
from weft.loop.result import OUTPUT_INVALID, AgentResult, ExecutionMetrics, RunError
from weft.loop.roles import ROLE_PROMPTS, ROLES, role_agents
from weft.loop.state import AgentState, ReasoningStep
from weft.loop.steps import answers_in
from weft.loop.stopped import stopped
from weft.loop.stream import (
    EffectIntendedEvent,
    EffectSettledEvent,
    InterruptEvent,
    LoopEvent,
    ModelChunkEvent,
    ModelCompleteEvent,
    ModelRetryEvent,
    ReflectEvent,
    TerminateEvent,
    ThinkEvent,
    ToolCompleteEvent,
    ToolProgressEvent,
    ToolStartEvent,
)
from weft.loop.subagent import SubagentFailedError

__all__ = [
    "HOW_TO_CITE",
    "MODELS_AWAY",
    "MODEL_REPLACED",
    "NOT_BY_ITSELF",
    "OUTPUT_INVALID",
    "ROLES",
    "ROLE_PROMPTS",
    "Agent",
    "AgentConfig",
    "AgentResult",
    "AgentRun",
    "AgentState",
    "CheckedAnswer",
    "Citable",
    "Difference",
    "EffectIntendedEvent",
    "EffectSettledEvent",
    "ExecutionMetrics",
    "InterruptEvent",
    "LoopEvent",
    "LoopRecord",
    "LoopReplay",
    "ModelChunkEvent",
    "ModelCompleteEvent",
    "ModelPatience",
    "ModelRetried",
    "ModelRetryEvent",
    "Peer",
    "PeerRun",
    "ReasoningStep",
    "ReflectEvent",
    "ReplayJournal",
    "Replayable",
    "RunError",
    "SubagentFailedError",
    "Task",
    "TaskRun",
    "TerminateEvent",
    "ThinkEvent",
    "ToolCompleteEvent",
    "ToolProgressEvent",
    "ToolStartEvent",
    "answers_in",
    "carried_out",
    "difference_in",
    "first_difference",
    "held_against",
    "output_form",
    "replay_view",
    "replayed_loop",
    "role_agents",
    "stopped",
]

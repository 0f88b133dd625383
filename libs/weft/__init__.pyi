# The public names of `weft`; `weft/__init__.py` imports them lazily.

from weft.checkpoint import Checkpointer as Checkpointer
from weft.checkpoint import get_checkpointer as get_checkpointer
from weft.checkpoint import memory_checkpointer as memory_checkpointer
from weft.checkpoint import postgres_checkpointer as postgres_checkpointer
from weft.checkpoint import sqlite_checkpointer as sqlite_checkpointer
from weft.core import Artifact as Artifact
from weft.core import Budget as Budget
from weft.core import Claim as Claim
from weft.core import Interrupt as Interrupt
from weft.core import Message as Message
from weft.core import Part as Part
from weft.core import Principal as Principal
from weft.core import Result as Result
from weft.core import ToolCall as ToolCall
from weft.core import ToolSpec as ToolSpec
from weft.core import Usage as Usage
from weft.core import Verdict as Verdict
from weft.core.errors import ConfigError as ConfigError
from weft.core.errors import InputError as InputError
from weft.core.errors import InterruptAnsweredError as InterruptAnsweredError
from weft.core.errors import InterruptNotFoundError as InterruptNotFoundError
from weft.core.errors import NothingToResumeError as NothingToResumeError
from weft.core.errors import RunFailedError as RunFailedError
from weft.core.errors import ThreadBusyError as ThreadBusyError
from weft.core.errors import WeftError as WeftError
from weft.events import Event as Event
from weft.loop import Agent as Agent
from weft.loop import AgentConfig as AgentConfig
from weft.loop import AgentResult as AgentResult
from weft.loop import AgentRun as AgentRun
from weft.loop import AgentState as AgentState
from weft.loop import EffectIntendedEvent as EffectIntendedEvent
from weft.loop import EffectSettledEvent as EffectSettledEvent
from weft.loop import ExecutionMetrics as ExecutionMetrics
from weft.loop import InterruptEvent as InterruptEvent
from weft.loop import LoopEvent as LoopEvent
from weft.loop import ModelChunkEvent as ModelChunkEvent
from weft.loop import ModelCompleteEvent as ModelCompleteEvent
from weft.loop import ModelRetryEvent as ModelRetryEvent
from weft.loop import Peer as Peer
from weft.loop import PeerRun as PeerRun
from weft.loop import ReflectEvent as ReflectEvent
from weft.loop import Task as Task
from weft.loop import TerminateEvent as TerminateEvent
from weft.loop import ThinkEvent as ThinkEvent
from weft.loop import ToolCompleteEvent as ToolCompleteEvent
from weft.loop import ToolProgressEvent as ToolProgressEvent
from weft.loop import ToolStartEvent as ToolStartEvent
from weft.models import Capabilities as Capabilities
from weft.models import Model as Model
from weft.models import ModelChunk as ModelChunk
from weft.models import ModelRequest as ModelRequest
from weft.models import ModelResponse as ModelResponse
from weft.models.registry import get_model as get_model
from weft.models.retry import ModelRetryConfig as ModelRetryConfig
from weft.reasoning.reflexion import ReflexionConfig as ReflexionConfig
from weft.routing import CapabilityIndex as CapabilityIndex
from weft.routing import CognitiveCompiler as CognitiveCompiler
from weft.routing import GoalFrame as GoalFrame
from weft.routing import Router as Router
from weft.routing import RunnableResult as RunnableResult
from weft.termination import BudgetExhausted as BudgetExhausted
from weft.termination import Condition as Condition
from weft.termination import ConfidenceMet as ConfidenceMet
from weft.termination import CustomCondition as CustomCondition
from weft.termination import DeadlineReached as DeadlineReached
from weft.termination import MaxIterations as MaxIterations
from weft.termination import NoToolCalls as NoToolCalls
from weft.termination import Progress as Progress
from weft.termination import TextMention as TextMention
from weft.termination import TimeLimit as TimeLimit
from weft.termination import TokenLimit as TokenLimit
from weft.termination import ToolCalled as ToolCalled
from weft.tools import EffectNotDone as EffectNotDone
from weft.tools import Tool as Tool
from weft.tools import ToolContext as ToolContext
from weft.tools import ToolExecution as ToolExecution
from weft.tools import ToolRegistry as ToolRegistry
from weft.tools import ToolResult as ToolResult
from weft.tools import tool as tool

__all__ = [
    "Agent",
    "AgentConfig",
    "AgentResult",
    "AgentRun",
    "AgentState",
    "Artifact",
    "Budget",
    "BudgetExhausted",
    "Capabilities",
    "CapabilityIndex",
    "Checkpointer",
    "Claim",
    "CognitiveCompiler",
    "Condition",
    "ConfidenceMet",
    "ConfigError",
    "CustomCondition",
    "DeadlineReached",
    "EffectIntendedEvent",
    "EffectNotDone",
    "EffectSettledEvent",
    "Event",
    "ExecutionMetrics",
    "GoalFrame",
    "InputError",
    "Interrupt",
    "InterruptAnsweredError",
    "InterruptEvent",
    "InterruptNotFoundError",
    "LoopEvent",
    "MaxIterations",
    "Message",
    "Model",
    "ModelChunk",
    "ModelChunkEvent",
    "ModelCompleteEvent",
    "ModelRequest",
    "ModelResponse",
    "ModelRetryConfig",
    "ModelRetryEvent",
    "NoToolCalls",
    "NothingToResumeError",
    "Part",
    "Peer",
    "PeerRun",
    "Principal",
    "Progress",
    "ReflectEvent",
    "ReflexionConfig",
    "Result",
    "Router",
    "RunFailedError",
    "RunnableResult",
    "Task",
    "TerminateEvent",
    "TextMention",
    "ThinkEvent",
    "ThreadBusyError",
    "TimeLimit",
    "TokenLimit",
    "Tool",
    "ToolCall",
    "ToolCalled",
    "ToolCompleteEvent",
    "ToolContext",
    "ToolExecution",
    "ToolProgressEvent",
    "ToolRegistry",
    "ToolResult",
    "ToolSpec",
    "ToolStartEvent",
    "Usage",
    "Verdict",
    "WeftError",
    "get_checkpointer",
    "get_model",
    "memory_checkpointer",
    "postgres_checkpointer",
    "sqlite_checkpointer",
    "tool",
]

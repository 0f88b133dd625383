"""GoalFrame, protocols, policy: from a request to a plan, without any I/O."""

from weft.routing.builtins import A2A_DELEGATE, BUILTINS, builtin_protocols
from weft.routing.capabilities import HUMAN, CapabilityIndex, Eligible, Lookup
from weft.routing.compiler import CognitiveCompiler
from weft.routing.delegates import HANDED_OUT, Delegate, delegate_of
from weft.routing.errors import (
    FrameExtractionError,
    FrameInvalidError,
    NoCapabilityError,
    NoMatchingProtocolError,
    PolicyDeniedError,
    Rejected,
    UnknownCapabilityError,
    UnknownProtocolError,
)
from weft.routing.events import (
    FrameExtracted,
    FrameFailed,
    PolicyDecided,
    ProtocolNoMatch,
    ProtocolSelected,
    RunnableCompiled,
    events_of,
)
from weft.routing.explain import RoutingExplanation
from weft.routing.extract import Extraction, ModelReading, accept, extract
from weft.routing.frame import Complexity, GoalFrame, Level, Risk, TaskType, frame_schema
from weft.routing.guidance import GUIDE, Guidance
from weft.routing.modifiers import Modifier
from weft.routing.policy import Policies, PolicyGate, PolicyVerdict, read_policies
from weft.routing.protocols import Protocol, ProtocolRegistry, View
from weft.routing.reach import Situation
from weft.routing.routed import GoalRequest, Routed, RoutedPart
from weft.routing.router import Router, RunnableResult
from weft.routing.select import Candidate, Offered, Pick, Selection

__all__ = [
    "A2A_DELEGATE",
    "BUILTINS",
    "GUIDE",
    "HANDED_OUT",
    "HUMAN",
    "Candidate",
    "CapabilityIndex",
    "CognitiveCompiler",
    "Complexity",
    "Delegate",
    "Eligible",
    "Extraction",
    "FrameExtracted",
    "FrameExtractionError",
    "FrameFailed",
    "FrameInvalidError",
    "GoalFrame",
    "GoalRequest",
    "Guidance",
    "Level",
    "Lookup",
    "ModelReading",
    "Modifier",
    "NoCapabilityError",
    "NoMatchingProtocolError",
    "Offered",
    "Pick",
    "Policies",
    "PolicyDecided",
    "PolicyDeniedError",
    "PolicyGate",
    "PolicyVerdict",
    "Protocol",
    "ProtocolNoMatch",
    "ProtocolRegistry",
    "ProtocolSelected",
    "Rejected",
    "Risk",
    "Routed",
    "RoutedPart",
    "Router",
    "RoutingExplanation",
    "RunnableCompiled",
    "RunnableResult",
    "Selection",
    "Situation",
    "TaskType",
    "UnknownCapabilityError",
    "UnknownProtocolError",
    "View",
    "accept",
    "builtin_protocols",
    "delegate_of",
    "events_of",
    "extract",
    "frame_schema",
    "read_policies",
]

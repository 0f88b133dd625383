"""A run's shape as data, and the one interpreter that executes it over peers."""

from weft.plan.calls import message_id_of
from weft.plan.conditions import (
    AllOf,
    AnyOf,
    Condition,
    DataEquals,
    Negated,
    Predicate,
    TextContains,
    ToolEquals,
    VerdictIs,
    verdict_is,
)
from weft.plan.errors import Fault, PlanInvalidError
from weft.plan.events import (
    PlanCompiled,
    StepCanceled,
    StepFailed,
    StepFinished,
    StepRetried,
    StepSkipped,
    StepStarted,
)
from weft.plan.flow import ABSTAIN
from weft.plan.interpreter import Approver, Interpreter, PlanOutcome
from weft.plan.model import (
    Call,
    Case,
    Choose,
    Gate,
    Join,
    Judge,
    Loop,
    Node,
    Parallel,
    Plan,
    Sequence,
    Synthesize,
)
from weft.plan.outcomes import CallOutcomes
from weft.plan.peers import PeerSource, PickedPeer, Target
from weft.plan.placeholders import fenced
from weft.plan.price import Price, price
from weft.plan.replaying import PlanReplay, RecordedRun, replayed
from weft.plan.walk import Scope, StepPatience

__all__ = [
    "ABSTAIN",
    "AllOf",
    "AnyOf",
    "Approver",
    "Call",
    "CallOutcomes",
    "Case",
    "Choose",
    "Condition",
    "DataEquals",
    "Fault",
    "Gate",
    "Interpreter",
    "Join",
    "Judge",
    "Loop",
    "Negated",
    "Node",
    "Parallel",
    "PeerSource",
    "PickedPeer",
    "Plan",
    "PlanCompiled",
    "PlanInvalidError",
    "PlanOutcome",
    "PlanReplay",
    "Predicate",
    "Price",
    "RecordedRun",
    "Scope",
    "Sequence",
    "StepCanceled",
    "StepFailed",
    "StepFinished",
    "StepPatience",
    "StepRetried",
    "StepSkipped",
    "StepStarted",
    "Synthesize",
    "Target",
    "TextContains",
    "ToolEquals",
    "VerdictIs",
    "fenced",
    "message_id_of",
    "price",
    "replayed",
    "verdict_is",
]

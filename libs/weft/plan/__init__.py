"""A run's shape as data, and the one interpreter that executes it over peers."""

from weft.plan.conditions import (
    AllOf,
    AnyOf,
    Condition,
    DataEquals,
    Not,
    Predicate,
    TextContains,
    ToolEquals,
    VerdictIs,
    verdict_is,
)
from weft.plan.engine import Mandate, Pace, Scope
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
from weft.plan.grounding import Branch
from weft.plan.interpreter import Interpreter, Outcome
from weft.plan.jobs import message_id_of
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
    SynthesisOptions,
    Synthesize,
)
from weft.plan.peers import PeerSource, Picked, Target
from weft.plan.price import Price, price
from weft.plan.report import Agreement, Contradiction, Evidence, Finding, Gap, Report, Side
from weft.plan.synthesis import synthesize

__all__ = [
    "Agreement",
    "AllOf",
    "AnyOf",
    "Branch",
    "Call",
    "Case",
    "Choose",
    "Condition",
    "Contradiction",
    "DataEquals",
    "Evidence",
    "Fault",
    "Finding",
    "Gap",
    "Gate",
    "Interpreter",
    "Join",
    "Judge",
    "Loop",
    "Mandate",
    "Node",
    "Not",
    "Outcome",
    "Pace",
    "Parallel",
    "PeerSource",
    "Picked",
    "Plan",
    "PlanCompiled",
    "PlanInvalidError",
    "Predicate",
    "Price",
    "Report",
    "Scope",
    "Sequence",
    "Side",
    "StepCanceled",
    "StepFailed",
    "StepFinished",
    "StepRetried",
    "StepSkipped",
    "StepStarted",
    "SynthesisOptions",
    "Synthesize",
    "Target",
    "TextContains",
    "ToolEquals",
    "VerdictIs",
    "message_id_of",
    "price",
    "synthesize",
    "verdict_is",
]

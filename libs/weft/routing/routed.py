"""What routing decided, part by part, before anybody asks why."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from weft.core import JsonObject, Tally
from weft.core.errors import WeftError
from weft.plan import Node, Plan
from weft.routing.errors import Rejected
from weft.routing.frame import GoalFrame, Level, TaskType
from weft.routing.guidance import Guidance
from weft.routing.modifiers import Modifier
from weft.routing.policy import PolicyVerdict
from weft.routing.select import Pick, Selection


@dataclass(frozen=True, slots=True)
class GoalRequest:
    """What else a caller says about a goal."""

    goal: str = ""
    """The request in its own words."""
    plan_id: str = "plan"
    protocol: str | None = None
    """Use this one for the primary goal, whatever its rank."""
    delegate: str | None = None
    """The name or URL of an agent that may do all of it."""
    handed: TaskType | None = None
    """The goal that the delegate shall do, because the request says so."""
    thread: bool = True
    """Whether there is a conversation to remember."""
    remembers: bool = False
    """Every call sees what the thread holds, whatever the frame says of memory."""
    explained: bool = False
    """A language model puts reports into words, too."""
    guidance: Guidance | None = None
    """What is said in place of the plan's work, or before it."""
    picks: Mapping[TaskType, Pick] = field(default_factory=dict)
    """What a model chose where several protocols could do a part."""
    tallies: Mapping[TaskType, Mapping[str, Tally]] | None = None
    """What came of protocols before, by the part that several could do; None where nobody keeps
    that."""


@dataclass(frozen=True, slots=True)
class RoutedPart:
    """One goal's part of the plan; without `node` it is where routing ended."""

    goal: TaskType
    risk: Level
    selection: Selection | None = None
    rejected: tuple[Rejected, ...] = ()
    verdict: PolicyVerdict | None = None
    modifiers: tuple[Modifier, ...] = ()
    node: Node | None = None


@dataclass(frozen=True, slots=True)
class Routed:
    """Every decision on the way to a plan, or to the error that stands instead of one."""

    frame: GoalFrame
    request: GoalRequest
    parts: tuple[RoutedPart, ...] = ()
    plan: Plan | None = None
    plan_json: JsonObject = field(default_factory=dict)
    """The plan as it is stored and told, made once."""
    error: WeftError | None = None
    unknown: tuple[str, ...] = ()
    left_out: Mapping[str, str] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()
    policy_revision: int = 0

"""What somebody wants, in the fields that routing reads."""

from collections.abc import Container
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from weft.core import JsonObject, StrictRecord

__all__ = ["highest"]

GENERAL = "general"
MAX_SECONDARY = 4


class TaskType(StrEnum):
    """What kind of work a goal is."""

    ANSWER = "answer"
    EXPLAIN = "explain"
    PLAN = "plan"
    BUILD = "build"
    MODIFY = "modify"
    DIAGNOSE = "diagnose"
    REMEDIATE = "remediate"
    GENERATE_CODE = "generate_code"
    RESEARCH = "research"
    COMPARE = "compare"
    MONITOR = "monitor"
    COORDINATE = "coordinate"
    ESCALATE = "escalate"

    @property
    def acts(self) -> bool:
        """Tell whether the work changes something; the others only read."""
        return self in ACTING


ACTING = frozenset(
    {
        TaskType.BUILD, TaskType.MODIFY, TaskType.REMEDIATE,
        TaskType.GENERATE_CODE, TaskType.COORDINATE, TaskType.ESCALATE,
    }
)  # fmt: skip
PREPARING = frozenset({TaskType.PLAN, TaskType.RESEARCH, TaskType.COMPARE, TaskType.DIAGNOSE})
"""Goals whose results acting goals build on."""


class Level(StrEnum):
    """Low, medium or high, in this order."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {Level.LOW: 0, Level.MEDIUM: 1, Level.HIGH: 2}
Risk = Level
Complexity = Level


def highest(*levels: Level) -> Level:
    """Return the highest of `levels`; low if there are none."""
    return max(levels, key=_RANKS.__getitem__, default=Level.LOW)


def _once(values: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(values))


def _goals_once(values: tuple[TaskType, ...]) -> tuple[TaskType, ...]:
    return tuple(dict.fromkeys(values))


_ASKED = frozenset({"$ref", "items", "type"})
"""What is said of a field to who fills it in: defaults and limits are kept here."""


class GoalFrame(StrictRecord):
    """A goal in typed fields; each of them changes what is planned or said about it."""

    primary_goal: TaskType
    secondary_goals: Annotated[
        tuple[TaskType, ...], AfterValidator(_goals_once), Field(max_length=MAX_SECONDARY)
    ] = ()
    domain: str = GENERAL
    complexity: Complexity = Level.LOW
    risk: Risk = Level.LOW
    requires_tools: bool = False
    requires_memory: bool = False
    requires_code_generation: bool = False
    requires_multi_agent: bool = False
    approval_required: bool = False
    success_criteria: tuple[str, ...] = ()
    required_capabilities: Annotated[tuple[str, ...], AfterValidator(_once)] = ()

    @property
    def repairs(self) -> int:
        """How often work may be repeated after a failed validation."""
        return 1 + self.complexity.rank

    def goals(self) -> tuple[TaskType, ...]:
        """Return every goal once, in the order their parts run."""
        wanted = [self.primary_goal, *self.secondary_goals]
        if self.requires_code_generation and self.primary_goal is not TaskType.BUILD:
            wanted.append(TaskType.GENERATE_CODE)
        ordered: list[TaskType] = []
        for goal in dict.fromkeys(wanted):
            at = len(ordered)
            if goal in PREPARING:
                at = next((i for i, goal in enumerate(ordered) if goal.acts), at)
            ordered.insert(at, goal)
        return tuple(ordered)


def frame_schema(given: Container[str] = ()) -> JsonObject:
    """Return what a model is asked to fill in: every field but those of `given`, all of them.

    It has no words but those that a strict mode knows.
    """
    schema = GoalFrame.model_json_schema()
    fields = {
        name: {word: said for word, said in field.items() if word in _ASKED}
        for name, field in schema["properties"].items()
        if name not in given
    }
    return {
        "type": "object",
        "properties": fields,
        "required": [*fields],
        "additionalProperties": False,
        "$defs": schema["$defs"],
    }

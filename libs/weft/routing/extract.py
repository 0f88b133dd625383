"""From words to a frame: what a model or the rules filled in, checked and never below the floor.

The rules are the tables of the offline planner; no model is called here. Whoever asks a model
brings what it read.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from pydantic import JsonValue, ValidationError

from weft.core import NO_USAGE, JsonObject, Usage
from weft.core.messages import shows_something
from weft.language import READ, risk_floor
from weft.language.cues import Reading
from weft.language.frame import frame_of
from weft.routing.capabilities import CapabilityIndex
from weft.routing.errors import FrameExtractionError, FrameInvalidError
from weft.routing.frame import GENERAL, MAX_SECONDARY, GoalFrame, Level, TaskType, highest
from weft.routing.guidance import Guidance
from weft.routing.protocols import DELEGATE
from weft.routing.reach import Situation, reach_of
from weft.routing.select import Pick

Source = Literal["rules", "model", "caller"]
MOST_CHARACTERS = 100_000
"""Of a request whose goal is to be found; who is sent a task itself may get more."""


@dataclass(frozen=True, slots=True)
class ModelReading:
    """What a language model made of a request: its frame, or why it read none, and its choices."""

    fields: JsonObject | None = None
    why: str = ""
    alone: bool = False
    """No rules read what it does not."""
    usage: Usage = NO_USAGE
    away: JsonObject = field(default_factory=dict)
    """Why models gave no answer, by name."""
    picks: Mapping[TaskType, Pick] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Extraction:
    """A frame, where its fields come from, and what was changed on the way."""

    frame: GoalFrame
    method: Source
    floor: Level
    """The least risk that the request's words allow."""
    warnings: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    """Capabilities that an extracted frame named and nobody offers; they were dropped."""
    guidance: Guidance | None = None
    """What is said in place of work, or before it."""
    picks: Mapping[TaskType, Pick] = field(default_factory=dict)
    """What a model chose among protocols."""


def extract(
    text: str,
    index: CapabilityIndex,
    *,
    given: Mapping[str, JsonValue] | None = None,
    situation: Situation | None = None,
    reading: ModelReading | None = None,
) -> Extraction:
    """Return the frame of `text`; fields of `given` are taken as they are.

    The others are what a model read, and the rules what it did not. What nobody here can do is
    said by rules in any case; whom the words can reach decides where neither caller nor model
    named a goal.

    Raises:
        FrameInvalidError: `text` is empty or too long, or `given` is no part of a frame.
        FrameExtractionError: The model read nothing, and no rules stand behind it.
    """
    check_input(text)
    given = given or {}
    missing = set(GoalFrame.model_fields) - set(given)
    if not missing:
        whole = accept(text, {}, index, given=given, method="caller")
        return whole if reading is None else replace(whole, picks=reading.picks)
    read = frame_of(Reading.of(text), sorted(index.domains()), index.words)
    fields, unanswered = _by_model(reading, read)
    method: Source = "caller" if "primary_goal" in given else "model" if fields else "rules"
    guidance = None
    if method != "caller":
        reach = reach_of(text, read, index, situation or Situation())
        read, guidance = {**read, **(fields or reach.fields)}, reach.guidance
    else:
        read = {**read, **fields}
    extraction = accept(text, read, index, given=given, method=method)
    warnings = (*unanswered, *_unread(text), *extraction.warnings)
    picks = {} if reading is None else reading.picks
    return replace(extraction, warnings=warnings, guidance=guidance, picks=picks)


def _by_model(
    reading: ModelReading | None, by_rules: Mapping[str, JsonValue]
) -> tuple[JsonObject, tuple[str, ...]]:
    """Return the fields that a model filled in, or what is said of its having filled in none."""
    if reading is None or (reading.fields is None and not reading.why):
        return {}, ()
    if reading.fields is None:
        if reading.alone:
            raise FrameExtractionError(f"the request could not be read: {reading.why}")
        return {}, (f"rules read the request, since the model did not: {reading.why}",)
    # Who wants to be asked first is asked, whatever a model makes of it.
    asks = reading.fields.get("approval_required") is True or by_rules["approval_required"]
    return {**reading.fields, "approval_required": asks}, ()


def accept(
    text: str,
    read: Mapping[str, JsonValue],
    index: CapabilityIndex,
    *,
    given: Mapping[str, JsonValue] | None = None,
    method: Source = "model",
) -> Extraction:
    """Return the frame of `read`, overruled by `given`, at least as risky as `text` sounds.

    Raises:
        FrameInvalidError: They make no frame; its `fields` say why, for the model's next try.
    """
    given = given or {}
    fields = {name: value for name, value in read.items() if name not in given}
    unknown = _drop_unknown(fields, index)
    warnings = [f"nobody offers {name!r}; it was left out" for name in unknown]
    fields = {**fields, **given}
    if isinstance(fields.get("domain"), str) and fields["domain"] not in {
        GENERAL,
        *index.domains(),
    }:
        warnings.append(f"unknown domain {fields['domain']!r}; {GENERAL} was taken")
        fields["domain"] = GENERAL
    frame = _validated(fields)
    floor = Level(risk_floor(text))
    if floor.rank > frame.risk.rank:
        warnings.append(f"the request sounds like risk {floor}, above {frame.risk}")
        frame = frame.model_copy(update={"risk": highest(floor, frame.risk)})
    return Extraction(frame, method, floor, tuple(warnings), unknown)


def check_input(text: str) -> None:
    """Raise unless `text` is something to work on.

    Raises:
        FrameInvalidError: It is empty or too long.
    """
    if not shows_something(text):
        raise FrameInvalidError("the request is empty; say what you want", fields=("input",))
    if len(text) > MOST_CHARACTERS:
        raise FrameInvalidError(
            f"the request has {len(text):,} characters, and at most {MOST_CHARACTERS:,} are read: "
            "put what is long into a file and name it as data (`weft ask -f FILE`)",
            fields=("input",),
        )


def _unread(text: str) -> tuple[str, ...]:
    if len(text) <= READ:
        return ()
    searched = f"only the first {READ} of {len(text)} characters were searched for what is asked"
    return (f"{searched}; all of them were searched for its risk",)


def _drop_unknown(fields: dict[str, JsonValue], index: CapabilityIndex) -> tuple[str, ...]:
    named = fields.get("required_capabilities")
    if not isinstance(named, list):
        return ()
    lookup = index.lookup([str(name) for name in named])
    unknown = tuple(name for name in lookup.unknown if name != DELEGATE)
    fields["required_capabilities"] = [name for name in named if name not in unknown]
    return unknown


def _validated(fields: JsonObject) -> GoalFrame:
    secondary = fields.get("secondary_goals")
    if isinstance(secondary, list):
        kept = [goal for goal in secondary if goal != fields.get("primary_goal")]
        fields = {**fields, "secondary_goals": kept[:MAX_SECONDARY]}
    try:
        return GoalFrame.model_validate(fields)
    except ValidationError as error:
        problems = [
            (".".join(map(str, detail["loc"])), detail["msg"])
            for detail in error.errors(include_url=False, include_input=False)
        ]
        listed = "; ".join(f"{place}: {message}" for place, message in problems)
        raise FrameInvalidError(
            f"this is no goal frame: {listed}", fields=[place for place, _ in problems]
        ) from None

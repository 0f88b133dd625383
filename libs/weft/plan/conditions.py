"""Conditions on what steps brought forth, as data: `until` of a loop, `when` of a choice."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Annotated, assert_never

from pydantic import ConfigDict, Discriminator, Field, JsonValue, Tag

from weft.core import Result, StrictRecord, dumps
from weft.core.pointer import resolve

LONGEST_VALUE = 40
"""So many characters of a value are shown where nothing holds."""
StepId = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]


class _Aliased(StrictRecord):
    """Keys that are Python keywords have another name in code."""

    model_config = ConfigDict(frozen=True, extra="forbid", serialize_by_alias=True)


class VerdictIs(_Aliased):
    """Holds if the step's judge chose `is`."""

    verdict: StepId
    choice: str = Field(alias="is")


class DataEquals(StrictRecord):
    """Holds if the value at `pointer` of the step's data equals `equals`."""

    data: StepId
    pointer: str = ""
    equals: JsonValue


class ToolEquals(StrictRecord):
    """Holds if a recorded execution of `tool` within step `at` returned `equals` at `pointer`."""

    tool: str
    at: StepId
    pointer: str = ""
    equals: JsonValue


class TextContains(StrictRecord):
    """Holds if the step's text contains `contains`, whatever the case."""

    text: StepId
    contains: str = Field(min_length=1)


class Predicate(StrictRecord):
    """Holds if the callable bound to this name says so."""

    predicate: str = Field(min_length=1)


class AllOf(_Aliased):
    """Holds if every side holds; every side is evaluated."""

    all_of: tuple["Condition", ...] = Field(alias="all", min_length=1)


class AnyOf(_Aliased):
    """Holds if some side holds; every side is evaluated."""

    any_of: tuple["Condition", ...] = Field(alias="any", min_length=1)


class Negated(_Aliased):
    """Holds if its condition does not."""

    negated: "Condition" = Field(alias="not")


_KEYS = ("verdict", "data", "tool", "text", "predicate", "all", "any", "not")
_TAGS: dict[type, str] = {
    VerdictIs: "verdict", DataEquals: "data", ToolEquals: "tool", TextContains: "text",
    Predicate: "predicate", AllOf: "all", AnyOf: "any", Negated: "not",
}  # fmt: skip


def _tag(value: object) -> str | None:
    if isinstance(value, dict):
        return next((key for key in _KEYS if key in value), None)
    return _TAGS.get(type(value))


Condition = Annotated[
    Annotated[VerdictIs, Tag("verdict")]
    | Annotated[DataEquals, Tag("data")]
    | Annotated[ToolEquals, Tag("tool")]
    | Annotated[TextContains, Tag("text")]
    | Annotated[Predicate, Tag("predicate")]
    | Annotated[AllOf, Tag("all")]
    | Annotated[AnyOf, Tag("any")]
    | Annotated[Negated, Tag("not")],
    Discriminator(_tag),
]


def verdict_is(step: str, *choices: str) -> Condition:
    """Return the condition that the step's judge chose one of `choices`."""
    sides = [VerdictIs.model_validate({"verdict": step, "is": choice}) for choice in choices]
    return sides[0] if len(sides) == 1 else AnyOf.model_validate({"any": sides})


@dataclass(frozen=True, slots=True)
class Facts:
    """What conditions may look at."""

    step: Callable[[str], Result | None]
    predicates: dict[str, Callable[[], bool]]


def holds(condition: Condition, facts: Facts) -> bool:
    """Tell whether `condition` holds; a step that did not run makes its condition false."""
    match condition:
        case AllOf(all_of=sides):
            return False not in _each(sides, facts)
        case AnyOf(any_of=sides):
            return True in _each(sides, facts)
        case Negated(negated=side):
            return not holds(side, facts)
        case Predicate(predicate=name):
            return facts.predicates[name]()
        case _:
            return _holds_of_step(condition, facts)


def _each(sides: tuple[Condition, ...], facts: Facts) -> list[bool]:
    return [holds(side, facts) for side in sides]


def _holds_of_step(
    condition: VerdictIs | DataEquals | ToolEquals | TextContains, facts: Facts
) -> bool:
    result = facts.step(next(step_names(condition)))
    if result is None:
        return False
    match condition:
        case VerdictIs(choice=choice):
            return result.verdict is not None and result.verdict.choice == choice
        case DataEquals(pointer=pointer, equals=wanted):
            return same_json(resolve(result.data, pointer), wanted)
        case ToolEquals(tool=tool, pointer=pointer, equals=wanted):
            ran = [artifact for artifact in result.artifacts if artifact.name == tool]
            return any(same_json(resolve(artifact.data, pointer), wanted) for artifact in ran[-1:])
        case TextContains(contains=words):
            return words.casefold() in result.text.casefold()
        case _:
            assert_never(condition)


def seen_by(condition: Condition, facts: Facts) -> Iterator[str]:
    """Yield, in words, each value of a step's data that `condition` looks at."""
    match condition:
        case AllOf(all_of=sides) | AnyOf(any_of=sides):
            for side in sides:
                yield from seen_by(side, facts)
        case Negated(negated=side):
            yield from seen_by(side, facts)
        case DataEquals(data=step, pointer=pointer):
            result = facts.step(step)
            value = None if result is None else resolve(result.data, pointer)
            yield f"{step}: {pointer.lstrip('/') or 'data'} is {dumps(value).decode()[:LONGEST_VALUE]}"
        case _:
            return


def step_names(condition: Condition) -> Iterator[str]:
    """Yield the ids of the steps that `condition` looks at."""
    match condition:
        case AllOf(all_of=sides) | AnyOf(any_of=sides):
            for side in sides:
                yield from step_names(side)
        case Negated(negated=side):
            yield from step_names(side)
        case VerdictIs(verdict=step) | DataEquals(data=step) | TextContains(text=step):
            yield step
        case ToolEquals(at=step):
            yield step
        case Predicate():
            return


def predicate_names(condition: Condition) -> Iterator[str]:
    """Yield the names of the callables that `condition` needs."""
    match condition:
        case AllOf(all_of=sides) | AnyOf(any_of=sides):
            for side in sides:
                yield from predicate_names(side)
        case Negated(negated=side):
            yield from predicate_names(side)
        case Predicate(predicate=name):
            yield name
        case _:
            return


def same_json(value: object, wanted: JsonValue) -> bool:
    """Compare as JSON does: `true` is not 1."""
    return value == wanted and isinstance(value, bool) == isinstance(wanted, bool)

"""The rules a run can be stopped by."""

import math
import re
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from inspect import iscoroutinefunction
from typing import ClassVar

from weft.core import JsonObject, JsonValue, canonical
from weft.core.contained import EscapedError, contained
from weft.core.errors import ConditionFailedError, ConfigError, did_you_mean
from weft.termination.algebra import GO_ON, Condition, Loader, StopCause, StopReason, Verdict
from weft.termination.progress import Progress, canonical_text

_WORD = re.compile(r"\w")
METACHARACTERS = frozenset(".^$*+?{}[]\\|()")


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class MaxIterations(Condition):
    """Holds after `n` iterations."""

    n: int
    kind: ClassVar[str] = "max_iterations"

    def __post_init__(self) -> None:
        _whole(self, self.n, least=1)

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        if progress.iteration < self.n:
            return GO_ON
        return frozenset({StopCause("max_iterations", self, progress.iteration)})


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class TokenLimit(Condition):
    """Holds once `n` tokens are used."""

    n: int
    kind: ClassVar[str] = "token_limit"

    def __post_init__(self) -> None:
        _whole(self, self.n, least=0)

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        if progress.tokens < self.n:
            return GO_ON
        return frozenset({StopCause("token_budget", self, progress.tokens)})


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class TimeLimit(Condition):
    """Holds once the run is `limit` seconds old."""

    limit: float
    kind: ClassVar[str] = "time_limit"

    def __post_init__(self) -> None:
        _number(self, self.limit, most=math.inf)

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        if progress.seconds < self.limit:
            return GO_ON
        return frozenset({StopCause("time_budget", self, progress.seconds)})

    def wakeups(self, progress: Progress) -> Iterator[float]:
        yield self.limit - progress.seconds


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class TextMention(Condition):
    """Holds while the last assistant text matches; plain words match as whole words."""

    pattern: str
    case_sensitive: bool = False
    kind: ClassVar[str] = "text_mention"

    def __post_init__(self) -> None:
        _text(self, self.pattern)
        _flag("case_sensitive", self.case_sensitive)
        try:
            self._compiled()
        except re.error as error:
            raise ConfigError(f"TextMention pattern {self.pattern!r} is invalid: {error}") from None

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        match = self._compiled().search(progress.last_text)
        return frozenset({StopCause("condition", self, match.group())}) if match else GO_ON

    def _compiled(self) -> re.Pattern[str]:
        pattern = self.pattern
        if METACHARACTERS.isdisjoint(pattern):
            before = r"(?<!\w)" if _WORD.match(pattern[0]) else ""
            after = r"(?!\w)" if _WORD.match(pattern[-1]) else ""
            pattern = f"{before}{pattern}{after}"
        return re.compile(pattern, 0 if self.case_sensitive else re.IGNORECASE)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class ToolCalled(Condition):
    """Holds once the tool was called, with at least these arguments if any are given."""

    name: str
    args: JsonObject | None = field(default=None, hash=False)
    require_success: bool = False
    kind: ClassVar[str] = "tool_called"

    def __post_init__(self) -> None:
        _text(self, self.name)
        _flag("require_success", self.require_success)
        if self.args is not None:
            object.__setattr__(self, "args", _Frozen(_checked(self.args)))

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        called = any(
            call.name == self.name
            and (call.ok or not self.require_success)
            and (self.args is None or _covers(call.parsed(), self.args))
            for call in progress.calls
        )
        return frozenset({StopCause("terminal_tool", self, self.name)}) if called else GO_ON

    def identity(self) -> Hashable:
        args = None if self.args is None else canonical_text(self.args)
        return (ToolCalled, self.name, args, self.require_success)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class ConfidenceMet(Condition):
    """Holds while the run's confidence is at least `threshold`."""

    threshold: float
    kind: ClassVar[str] = "confidence_met"

    def __post_init__(self) -> None:
        _number(self, self.threshold, most=1.0)

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        if progress.confidence < self.threshold:
            return GO_ON
        return frozenset({StopCause("confidence_met", self, progress.confidence)})


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class NoToolCalls(Condition):
    """Holds while the last reply asked for no tool."""

    kind: ClassVar[str] = "no_tool_calls"

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        return (
            frozenset({StopCause("no_tools", self)}) if progress.last_had_calls is False else GO_ON
        )


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class CustomCondition(Condition):
    """Holds when `fn(progress)` gives True or `(True, reason)`; `fn` must be pure.

    It is stored by name, so whoever loads it passes the function in. A run evaluates it in a
    worker thread.
    """

    fn: Callable[[Progress], Verdict]
    name: str | None = None
    kind: ClassVar[str] = "custom"

    def __post_init__(self) -> None:
        if iscoroutinefunction(self.fn) or not callable(self.fn):
            raise ConfigError(f"CustomCondition needs a plain function, got {self.fn!r}")
        if not self.called:
            raise ConfigError("CustomCondition needs a name: its function has none")

    @property
    def called(self) -> str:
        """The name it is stored under."""
        return self.name or str(getattr(self.fn, "__name__", ""))

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        try:
            with contained():
                answer = self.fn(progress)
                verdict, why = answer if isinstance(answer, tuple) else (answer, None)
                holds = bool(verdict)
        except Exception as error:
            raised = error.raised if isinstance(error, EscapedError) else error
            raise ConditionFailedError(self.called, type(raised).__name__) from error
        if not holds:
            return GO_ON
        return frozenset({StopCause("condition", self, f"{self.called}: {why}" if why else None)})

    def identity(self) -> Hashable:
        return (CustomCondition, self.fn, self.called)

    def text(self, *, inside: int) -> str:  # noqa: ARG002 - a leaf needs no brackets
        named = getattr(self.fn, "__name__", self.called)
        name = "" if named == self.called else f", name={self.called!r}"
        return f"CustomCondition({named}{name})"

    @classmethod
    def stored_fields(cls) -> tuple[str, ...]:
        return ("name",)

    @classmethod
    def loaded(cls, given: JsonObject, loader: Loader, path: str) -> Condition:
        name = given.get("name")
        if not isinstance(name, str) or name not in loader.functions:
            hint = did_you_mean(str(name), list(loader.functions))
            raise ConfigError(f"{path}.name: no function {name!r} was passed in{hint}")
        return cls(loader.functions[name], name=name)

    def _fields_json(self) -> JsonObject:
        return {"name": self.called}


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class BudgetExhausted(Condition):
    """Holds while any dimension of the remaining budget is used up."""

    kind: ClassVar[str] = "budget_exhausted"

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        left = progress.remaining_budget
        dimensions: tuple[tuple[str, float | None, StopReason], ...] = (
            ("tokens", left.tokens, "token_budget"),
            ("cost_usd", left.cost_usd, "cost_budget"),
            ("calls", left.calls, "token_budget"),
        )
        return frozenset(
            StopCause(stop, self, name)
            for name, rest, stop in dimensions
            if rest is not None and rest <= 0
        )


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class DeadlineReached(Condition):
    """Holds once the deadline has passed."""

    kind: ClassVar[str] = "deadline_reached"

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        left = progress.remaining_seconds
        if left is None or left > 0:
            return GO_ON
        return frozenset({StopCause("deadline", self, left)})

    def wakeups(self, progress: Progress) -> Iterator[float]:
        if progress.remaining_seconds is not None:
            yield progress.remaining_seconds


class _Frozen(dict[str, JsonValue]):
    """Arguments that nobody changes after the condition is made."""

    def _refuse(self, *_: object, **__: object) -> None:
        raise TypeError("the arguments of a condition cannot be changed")

    __setitem__ = __delitem__ = update = clear = _refuse
    pop = popitem = setdefault = __ior__ = _refuse  # type: ignore[assignment]


def _covers(whole: JsonValue, part: JsonValue) -> bool:
    """Tell whether `part` is in `whole`: objects field by field, everything else as a whole."""
    if isinstance(part, dict):
        return isinstance(whole, dict) and all(
            name in whole and _covers(whole[name], value) for name, value in part.items()
        )
    # Python takes True for 1; JSON does not.
    return whole == part and canonical_text({"": whole}) == canonical_text({"": part})


def _checked(args: JsonObject) -> JsonObject:
    try:
        canonical(args)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"ToolCalled args must be a JSON object: {error}") from None
    if not isinstance(args, dict):
        raise ConfigError(f"ToolCalled args must be a JSON object, got {type(args).__name__}")
    return args


def _text(condition: Condition, value: object) -> None:
    if not isinstance(value, str) or not value:
        raise ConfigError(f"{type(condition).__name__} needs a text, got {value!r}")


def _flag(name: str, value: object) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{name} must be True or False, got {value!r}")


def _whole(condition: Condition, value: object, *, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        name = type(condition).__name__
        raise ConfigError(f"{name} needs a whole number of at least {least}, got {value!r}")


def _number(condition: Condition, value: object, *, most: float) -> None:
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else math.nan
    if not math.isfinite(number) or not 0 <= number <= most:
        span = "of at least 0" if math.isinf(most) else f"from 0 to {most:g}"
        raise ConfigError(f"{type(condition).__name__} needs a number {span}, got {value!r}")

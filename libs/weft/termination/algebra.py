"""When a run stops: frozen conditions joined by `|`, `&` and `~`.

A condition is a pure function of `Progress`. It knows no clock, no counter and no run, so one
object serves many runs at once.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from functools import cache
from types import MappingProxyType
from typing import ClassVar, Literal, NoReturn

from weft.core import JsonObject, JsonValue
from weft.core.errors import ConfigError, did_you_mean
from weft.termination.progress import Progress

StopReason = Literal[
    "complete", "terminal_tool", "confidence_met", "condition", "no_tools",
    "max_iterations", "tool_loop", "grounding_failed", "token_budget", "cost_budget",
    "time_budget", "deadline", "context_exhausted", "interrupted", "canceled", "error",
]  # fmt: skip
SUCCESSES: frozenset[StopReason] = frozenset(
    {"complete", "terminal_tool", "confidence_met", "condition", "no_tools"}
)
STOP_ORDER: tuple[StopReason, ...] = (
    "terminal_tool", "complete", "confidence_met", "condition", "no_tools", "tool_loop",
    "deadline", "time_budget", "cost_budget", "token_budget", "max_iterations",
)  # fmt: skip
"""Of several reasons the first one here is the stop reason."""


Verdict = bool | tuple[bool, str]
Functions = Mapping[str, Callable[[Progress], Verdict]]
"""What custom conditions are loaded from, by name."""
NO_FUNCTIONS: Functions = MappingProxyType({})


class Condition(ABC):
    """A rule about a run's progress; combine with `|`, `&` and `~`.

    A subclass is a dataclass with `frozen=True, eq=False, repr=False` and hashable fields.
    """

    __slots__ = ()
    kind: ClassVar[str] = ""
    """The name in JSON; a condition without one cannot be stored."""

    @abstractmethod
    def reasons(self, progress: Progress) -> "frozenset[StopCause]":
        """Return why the run should stop now; empty means go on."""

    def wakeups(self, progress: Progress) -> Iterator[float]:  # noqa: ARG002 - most have no time
        """Yield seconds from now at which time alone may change the answer."""
        return iter(())

    def leaves(self) -> Iterator["Condition"]:
        """Yield the conditions this one is made of, in written order."""
        yield self

    def explain(self, causes: "frozenset[StopCause]") -> str:
        """Return what holds, with measured values; empty if `causes` has nothing of this."""
        mine = [cause for cause in causes if cause.condition == self]
        return " and ".join(sorted(reason.measured() for reason in mine))

    def to_json(self) -> JsonObject:
        """Return the stored form; `Condition.from_json` reads it.

        Raises:
            ConfigError: The condition has no stored form.
        """
        if not self.kind:
            raise ConfigError(f"{type(self).__name__} has no stored form: give it a `kind`")
        return {"kind": self.kind, **self._fields_json()}

    @staticmethod
    def from_json(data: JsonValue, functions: Functions = NO_FUNCTIONS) -> "Condition":
        """Return the condition that `to_json` stored.

        Raises:
            ConfigError: A kind, field, value or function is unknown; the message has its path.
        """
        return Loader(functions).load(data, "$")

    @classmethod
    def stored_fields(cls) -> tuple[str, ...]:
        """Return the names of its fields in JSON."""
        return tuple(field.name for field in fields(cls))  # type: ignore[arg-type]

    @classmethod
    def loaded(cls, given: JsonObject, loader: "Loader", path: str) -> "Condition":  # noqa: ARG003
        """Return the condition with the stored fields; `loader` reads what is nested in it."""
        return cls(**given)

    def _fields_json(self) -> JsonObject:
        return {name: value for name, value, default in _values(self) if value != default}

    def identity(self) -> Hashable:
        """Return what equality and hash look at."""
        return (type(self), *(value for _, value, _ in _values(self)))

    def text(self, *, inside: int) -> str:  # noqa: ARG002 - a leaf needs no brackets
        """Return Python that rebuilds this; `inside` is how tightly the surroundings bind."""
        shown = [
            repr(value) if place == 0 else f"{name}={value!r}"
            for place, (name, value, default) in enumerate(_values(self))
            if place == 0 or value != default
        ]
        return f"{type(self).__name__}({', '.join(shown)})"

    def __or__(self, other: object) -> "Condition":
        if not isinstance(other, Condition):
            return NotImplemented
        return self if self == other else Or(self, other)

    def __and__(self, other: object) -> "Condition":
        if not isinstance(other, Condition):
            return NotImplemented
        return self if self == other else And(self, other)

    def __invert__(self) -> "Condition":
        return Not(self)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a condition is neither true nor false; join conditions with & and | and negate with ~"
            " instead of `and`, `or` and `not`"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Condition) and self.identity() == other.identity()

    def __hash__(self) -> int:
        return hash(self.identity())

    def __repr__(self) -> str:
        return self.text(inside=0)


@dataclass(frozen=True, slots=True)
class StopCause:
    """Why a run should stop: the rule that holds, and the value it measured."""

    stop: StopReason
    condition: Condition
    value: str | float | None = None

    def measured(self) -> str:
        """Return the rule with the measured value in place of its limit."""
        if self.value is None:
            return repr(self.condition)
        value = round(self.value, 3) if isinstance(self.value, float) else self.value
        return f"{type(self.condition).__name__}({value!r})"


GO_ON: frozenset[StopCause] = frozenset()


def stop_reason(causes: frozenset[StopCause]) -> StopReason:
    """Return the one that counts of several reasons."""
    return min((cause.stop for cause in causes), key=STOP_ORDER.index)


def next_wakeup(condition: Condition, progress: Progress) -> float | None:
    """Return the seconds until time alone may change the answer; None if it never does."""
    return min((delay for delay in condition.wakeups(progress) if delay > 0), default=None)


@dataclass(frozen=True, eq=False, repr=False, slots=True, init=False)
class _Junction(Condition):
    """Several operands, in written order, flattened and without duplicates."""

    of: tuple[Condition, ...]
    sign: ClassVar[str]
    rank: ClassVar[int]

    def __init__(self, *operands: Condition) -> None:
        flat = [
            part
            for operand in operands
            for part in (operand.of if isinstance(operand, type(self)) else (operand,))
        ]
        object.__setattr__(self, "of", tuple(dict.fromkeys(flat)))
        if len(self.of) < 2:  # noqa: PLR2004 - two sides make a junction
            raise ConfigError(f"{type(self).__name__} needs two different conditions")

    def wakeups(self, progress: Progress) -> Iterator[float]:
        for operand in self.of:
            yield from operand.wakeups(progress)

    def leaves(self) -> Iterator[Condition]:
        for operand in self.of:
            yield from operand.leaves()

    @classmethod
    def loaded(cls, given: JsonObject, loader: "Loader", path: str) -> Condition:
        operands = given.get("of")
        if not isinstance(operands, list) or not operands:
            raise ConfigError(f"{path}.of: expected a list of conditions, got {operands!r}")
        parts = [loader.load(part, f"{path}.of[{n}]") for n, part in enumerate(operands)]
        return cls(*parts) if len(set(parts)) > 1 else parts[0]

    def _fields_json(self) -> JsonObject:
        return {"of": [operand.to_json() for operand in self.of]}

    def identity(self) -> Hashable:
        return (type(self), frozenset(self.of))

    def text(self, *, inside: int) -> str:
        text = self.sign.join(operand.text(inside=self.rank) for operand in self.of)
        return f"({text})" if inside > self.rank else text


@dataclass(frozen=True, eq=False, repr=False, slots=True, init=False)
class Or(_Junction):
    """Holds when any operand does; written `a | b`."""

    kind: ClassVar[str] = "or"
    sign: ClassVar[str] = " | "
    rank: ClassVar[int] = 1

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        return GO_ON.union(*(operand.reasons(progress) for operand in self.of))

    def explain(self, causes: frozenset[StopCause]) -> str:
        parts = (operand.explain(causes) for operand in self.of)
        return "; ".join(part for part in parts if part)


@dataclass(frozen=True, eq=False, repr=False, slots=True, init=False)
class And(_Junction):
    """Holds when all operands do; written `a & b`."""

    kind: ClassVar[str] = "and"
    sign: ClassVar[str] = " & "
    rank: ClassVar[int] = 2

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        sides = [operand.reasons(progress) for operand in self.of]
        return GO_ON.union(*sides) if all(sides) else GO_ON

    def explain(self, causes: frozenset[StopCause]) -> str:
        parts = [operand.explain(causes) for operand in self.of]
        if not all(parts):
            return ""
        return " and ".join(f"({part})" if "; " in part else part for part in parts)


@dataclass(frozen=True, eq=False, repr=False, slots=True)
class Not(Condition):
    """Holds while the operand does not; written `~a`."""

    of: Condition
    kind: ClassVar[str] = "not"

    def __post_init__(self) -> None:
        if isinstance(self.of, Not):
            raise ConfigError("Not(Not(a)) is a; write a, or ~ before any condition")

    def reasons(self, progress: Progress) -> frozenset[StopCause]:
        return GO_ON if self.of.reasons(progress) else frozenset({StopCause("condition", self)})

    def wakeups(self, progress: Progress) -> Iterator[float]:
        return self.of.wakeups(progress)

    def leaves(self) -> Iterator[Condition]:
        return self.of.leaves()

    @classmethod
    def loaded(cls, given: JsonObject, loader: "Loader", path: str) -> Condition:
        return ~loader.load(given.get("of"), f"{path}.of")

    def _fields_json(self) -> JsonObject:
        return {"of": self.of.to_json()}

    def text(self, *, inside: int) -> str:  # noqa: ARG002 - nothing binds tighter
        return f"~{self.of.text(inside=3)}"

    def __invert__(self) -> Condition:
        return self.of


@dataclass(frozen=True, slots=True)
class Loader:
    """Reads conditions from JSON; custom ones come only from `functions`."""

    functions: Functions

    def load(self, data: JsonValue, path: str) -> Condition:
        """Return the condition at `path`.

        Raises:
            ConfigError: It is not one.
        """
        if not isinstance(data, dict):
            raise ConfigError(f"{path}: expected an object with a `kind`, got {data!r}")
        kinds = dict(_kinds(Condition.__subclasses__()))
        kind = data.get("kind")
        if not isinstance(kind, str) or kind not in kinds:
            hint = did_you_mean(str(kind), list(kinds))
            raise ConfigError(f"{path}.kind: unknown condition {kind!r}{hint}")
        given = {name: value for name, value in data.items() if name != "kind"}
        fields_of_kind = kinds[kind].stored_fields()
        for name in given:
            if name not in fields_of_kind:
                hint = did_you_mean(name, fields_of_kind)
                raise ConfigError(f"{path}.{name}: unknown field{hint}")
        return self._made(kinds[kind], given, path)

    def _made(self, kind: type[Condition], given: JsonObject, path: str) -> Condition:
        try:
            return kind.loaded(given, self, path)
        except TypeError as error:
            raise ConfigError(f"{path}: {error}") from None
        except ConfigError as error:
            message = str(error)
            raise ConfigError(message if message[0] == "$" else f"{path}: {message}") from None


def _kinds(children: list[type[Condition]]) -> Iterator[tuple[str, type[Condition]]]:
    for child in children:
        if child.kind:
            yield child.kind, child
        yield from _kinds(child.__subclasses__())


def _values(condition: Condition) -> Iterator[tuple[str, JsonValue, object]]:
    for name, default in _layout(type(condition)):
        yield name, getattr(condition, name), default


@cache
def _layout(kind: type[Condition]) -> tuple[tuple[str, object], ...]:
    """Return the names and defaults of a condition's fields; None stands for no default."""
    layout = fields(kind)  # type: ignore[arg-type]  # every subclass is a dataclass
    return tuple((one.name, None if one.default is MISSING else one.default) for one in layout)

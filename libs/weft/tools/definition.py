"""A tool: a function with a name, a schema and what may be done with its effects."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Generic, Literal

from typing_extensions import ParamSpec, TypeVar

from weft.checkpoint.effects import EffectScope
from weft.core import JsonObject, JsonValue, ToolSpec
from weft.tools.isolation import Isolation
from weft.tools.schema import ArgumentSchema
from weft.tools.signature import unwrapped

READ = "read"
"""The label of tools that change nothing outside."""

P = ParamSpec("P", default=...)
R = TypeVar("R", default=Any)


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What the outside says of an effect whose outcome nobody here knows."""

    kind: Literal["done", "not_done", "unknown"]
    value: JsonValue = None


def done(value: JsonValue = None) -> Reconciled:
    """Say that the effect happened, and what its tool would have returned."""
    return Reconciled("done", value)


NOT_DONE = Reconciled("not_done")
UNKNOWN = Reconciled("unknown")

Reconcile = Callable[[str, JsonObject], Reconciled | Awaitable[Reconciled]]
KeyFunction = Callable[[JsonObject], JsonValue]


@dataclass(frozen=True, slots=True)
class Tool(Generic[P, R]):
    """A function that a model may call; calling the `Tool` itself calls the function as before."""

    name: str
    description: str
    parameters: JsonObject
    """A JSON schema."""
    fn: Callable[P, R]
    arguments: ArgumentSchema
    idempotent: bool = False
    scope: EffectScope = "run"
    key: tuple[str, ...] | KeyFunction | None = None
    """The parameters, or a function of them, that tell two effects apart; None takes them all."""
    passes_key: bool = False
    """The outside deduplicates by `ToolContext.idempotency_key`."""
    reconcile: Reconcile | None = None
    not_done_on: tuple[type[BaseException], ...] = ()
    timeout: float | None = None
    """Seconds; None takes the caller's."""
    isolation: Isolation | None = None
    """Where its body runs, if not in this process."""
    labels: frozenset[str] = frozenset()
    output_schema: JsonObject | None = None
    tags: frozenset[str] = frozenset()
    examples: tuple[str, ...] = ()
    is_async: bool = field(default=False)
    resumes: bool = False
    """Steps of its own say how far it came: a call that a crash lost is made again, and goes on."""

    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> R:
        return self.fn(*args, **kwargs)

    @property
    def spec(self) -> ToolSpec:
        """Return what a model is told."""
        return ToolSpec(
            name=self.name,
            description=self.description,
            parameters=self.parameters,
            labels=self.labels,
            tags=self.tags,
            examples=self.examples,
            idempotent=self.idempotent,
            isolation="process" if self.isolation else None,
        )

    @property
    def only_reads(self) -> bool:
        """Tell whether it is labelled as changing nothing: a lost call may be made again."""
        return READ in self.labels


def runs_on_the_loop(fn: Callable[..., object]) -> bool:
    """Tell whether calling `fn` gives an awaitable; anything else runs in a worker thread."""
    inner = unwrapped(fn)
    call = getattr(inner, "__call__", None)  # noqa: B004 - an object with an async __call__
    return inspect.iscoroutinefunction(inner) or inspect.iscoroutinefunction(call)

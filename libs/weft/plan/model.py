"""A plan: a run's shape as a small typed tree, JSON in and out."""

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from weft.catalog import RiskLevel
from weft.core import MAX_EXPIRY_S, Budget, JsonObject, Path, StrictRecord, dumps, loads
from weft.plan.conditions import Condition, StepId
from weft.plan.errors import Fault, PlanInvalidError
from weft.plan.validate import MAX_BYTES, as_object, children, faults_in, shape_faults

Join = Literal["all", "any", "quorum", "concatenate", "last", "synthesize"]
Seconds = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Node(StrictRecord):
    """What every node has."""

    id: StepId
    title: str | None = None
    budget: Budget | None = None
    timeout: Seconds | None = None
    on_failure: Literal["fail", "absorb"] = "fail"
    fallback: "Node | None" = None
    """Run instead of failing."""
    notes: tuple[str, ...] = ()
    """Said beside a completed result, such as `tested: false`."""

    def children(self) -> tuple["Node", ...]:
        """Return the nodes below this one in the order they may run, the fallback left out."""
        return ()


class Call(_Node):
    """One task for one peer."""

    kind: Literal["call"] = "call"
    capability: str | None = None
    peer: str | None = None
    """A catalogue name or a URL."""
    role: str | None = None
    prompt: str = "{goal}"
    arguments: JsonObject | None = None
    grants: tuple[str, ...] = ()
    context: Literal["none", "thread"] = "none"
    risk: RiskLevel = "low"
    output_schema: JsonObject | None = None
    retries: int = Field(default=2, ge=0, le=5)


class Sequence(_Node):
    """Steps one after the other, each seeing the previous result as `{input}`."""

    kind: Literal["sequence"] = "sequence"
    steps: tuple["Node", ...] = Field(min_length=1)
    sections: bool = False
    """The result has a section per step, in place of the last step's result."""

    def children(self) -> tuple["Node", ...]:
        return self.steps


Wording = Literal["rules", "model"]


class Parallel(_Node):
    """Branches at the same time, joined."""

    kind: Literal["parallel"] = "parallel"
    branches: tuple["Node", ...] = Field(min_length=1)
    join: Join = "all"
    quorum: int | None = Field(default=None, ge=1)
    tolerate: int = Field(default=0, ge=0)
    fail_fast: bool = False
    max_parallel: int = Field(default=8, ge=1, le=64)
    separator: str = "\n\n"
    synthesize: Wording = "rules"
    """Who puts the report of `join: synthesize` into words. Behind those of the rules, a model's
    sentences stand that cite a finding of it."""

    replans: int = Field(default=0, ge=0, le=3)
    """So often branches of `join: synthesize` are asked again about what they contradict each
    other in, as passes `#2` and on."""

    def children(self) -> tuple["Node", ...]:
        return self.branches


class Loop(_Node):
    """A body repeated until a condition holds."""

    kind: Literal["loop"] = "loop"
    body: "Node"
    until: Condition | None = None
    max: int = Field(ge=1, le=50)
    on_exhausted: Literal["fail", "return"] = "fail"

    def children(self) -> tuple["Node", ...]:
        return (self.body,)


class Gate(_Node):
    """A body that starts only once a person approved it."""

    kind: Literal["gate"] = "gate"
    reasons: tuple[str, ...] = Field(min_length=1)
    body: "Node"
    shows: tuple[StepId, ...] = ()
    """The steps whose results the approver sees; without any, the gate's input."""
    expires_in: Annotated[Seconds, Field(le=MAX_EXPIRY_S)] = 86_400.0
    approver_scope: str | None = None

    def children(self) -> tuple["Node", ...]:
        return (self.body,)


class Judge(_Node):
    """A verdict on an earlier step; as `validate` it passes the judged work on."""

    kind: Literal["judge"] = "judge"
    of: StepId
    role: Literal["judge", "validate"] = "validate"
    criteria: tuple[str, ...] = ()
    choices: tuple[str, ...] = Field(default=("pass", "fail"), min_length=2)


class Synthesize(_Node):
    """A report over earlier steps."""

    kind: Literal["synthesize"] = "synthesize"
    of: tuple[StepId, ...] = Field(min_length=1)


class Case(StrictRecord):
    """A condition and what runs if it is the first to hold."""

    when: Condition
    then: "Node"


class Choose(_Node):
    """The first case whose condition holds, else the default."""

    kind: Literal["choose"] = "choose"
    cases: tuple[Case, ...] = Field(min_length=1)
    default: "Node | None" = None

    def children(self) -> tuple["Node", ...]:
        thens = tuple(case.then for case in self.cases)
        return thens if self.default is None else (*thens, self.default)


Node = Annotated[
    Call | Sequence | Parallel | Loop | Gate | Judge | Synthesize | Choose,
    Field(discriminator="kind"),
]


class Plan(StrictRecord):
    """What a run will do, before it does it."""

    version: Literal[1] = 1
    id: str = Field(min_length=1, max_length=100)
    goal: str
    frame: JsonObject | None = None
    protocol: str | None = None
    root: Node
    budget: Budget | None = None

    @classmethod
    def from_json(cls, text: bytes | str | JsonObject) -> "Plan":
        """Return the plan of JSON text or of its parsed value.

        Raises:
            PlanInvalidError: Something is wrong; its `faults` hold all of it.
        """
        raw = text if isinstance(text, dict) else _parsed(text)
        try:
            plan = cls.model_validate_json(dumps(raw), strict=True)
        except ValidationError as error:
            faults = [*shape_faults(raw, error), *faults_in(raw)]
            raise PlanInvalidError(faults) from None
        faults = faults_in(raw)
        if faults:
            raise PlanInvalidError(faults)
        return plan

    @classmethod
    def json_schema(cls) -> JsonObject:
        """Return the JSON Schema (2020-12) of plans."""
        schema: JsonObject = TypeAdapter(cls).json_schema()
        return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}

    def to_json(self) -> JsonObject:
        """Return the shortest equal JSON: what has its default is left out."""
        raw = self.model_dump(mode="json", exclude_defaults=True)
        return raw | {"version": self.version, "root": _tagged(self.root, raw["root"])}

    def checked_json(self) -> JsonObject:
        """Return the plan's JSON; what pydantic cannot see is right: references, placeholders, sizes.

        Raises:
            PlanInvalidError: Something is wrong; its `faults` hold all of it.
        """
        raw = self.to_json()
        faults = faults_in(raw)
        if faults:
            raise PlanInvalidError(faults)
        return raw

    def nodes(self) -> Iterator[tuple[Path, Node]]:
        """Yield every node below its path, parents first, in the order they may run."""
        yield from _walk((), self.root)


def _tagged(node: Node, raw: JsonObject) -> JsonObject:
    """Put back what tells nodes apart, which is a default too."""
    raw["kind"] = node.kind
    for child, raw_child in zip(node.children(), children(raw), strict=True):
        _tagged(child, raw_child)
    if node.fallback is not None:
        _tagged(node.fallback, as_object(raw["fallback"]))
    return raw


def _walk(prefix: Path, node: Node) -> Iterator[tuple[Path, Node]]:
    path = (*prefix, node.id)
    yield path, node
    for child in node.children():
        yield from _walk(path, child)
    if node.fallback is not None:
        yield from _walk(path, node.fallback)


def _parsed(text: bytes | str) -> JsonValue:
    if len(text) > MAX_BYTES:
        raise PlanInvalidError([Fault((), "", f"larger than {MAX_BYTES} bytes")])
    try:
        return loads(text)
    except ValueError as error:
        raise PlanInvalidError([Fault((), "", f"not JSON: {error}")]) from None

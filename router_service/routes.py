"""From a stored request to a plan: the pure router, given what the mesh offers right now."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from weft.catalog import Offers
from weft.core import JsonObject, JsonValue, Principal, Tally
from weft.core.edge_errors import UnknownAgentError
from weft.core.errors import InputError, WeftError
from weft.events import Event
from weft.language import in_context
from weft.plan import Call, Gate, Node, Parallel, Plan, PlanCompiled
from weft.plan.events import Compiled
from weft.routing import (
    A2A_DELEGATE,
    GUIDE,
    HANDED_OUT,
    CapabilityIndex,
    CognitiveCompiler,
    Delegate,
    Extraction,
    GoalFrame,
    GoalRequest,
    Level,
    ModelReading,
    Policies,
    PolicyDeniedError,
    PolicyGate,
    Routed,
    Selection,
    Situation,
    TaskType,
    delegate_of,
    extract,
)
from weft.routing.events import Failing, FrameFailed, PolicyDecided, Ruling, events_of
from weft.routing.explain import explanation_of
from weft.routing.frame import highest
from weft.runs import RoutedRequest

NAMED = "agent"
"""The protocol of a request that names its agent: there is nothing to choose."""


@dataclass(frozen=True, slots=True)
class Hints:
    """What is known of a request beside its words and the mesh."""

    earlier: tuple[str, ...] = ()
    """What was asked before on the thread that it points back at."""
    reading: ModelReading | None = None
    """What a language model read in its words, and chose among protocols."""
    tallies: Mapping[TaskType, Mapping[str, Tally]] | None = None
    """What came of protocols before; None where nobody keeps that."""


NO_HINTS = Hints()


@dataclass(frozen=True, slots=True)
class Chosen:
    """A plan or the error that stands instead of one, with the events that led to it."""

    protocol: str | None
    events: Sequence[Event]
    plan: Plan | None = None
    plan_json: JsonObject = field(default_factory=dict)
    """The plan as it is stored."""
    error: WeftError | None = None
    lacking: bool = False
    """All that the plan can do is to say that nobody is there for it."""
    choices: Mapping[TaskType, Selection] = field(default_factory=dict)
    """What rules chose among several protocols, where somebody else may."""
    routed: Routed | None = None
    """All that was decided; None where no frame could be made, or the request names its agent."""
    extraction: Extraction | None = None
    index: CapabilityIndex | None = None
    """What was in view, those included who are away and are asked all the same."""

    def explanation(self) -> JsonObject:
        """Say what was chosen and why, denials and dead ends included.

        Raises:
            WeftError: There is no frame to explain.
        """
        if self.routed is None or self.index is None:
            raise self.error or InputError("a request that names its agent has no choice in it")
        return explanation_of(self.routed, self.index, self.extraction).to_json()


@dataclass(slots=True)
class Routes:
    """Routes requests, on any thread; keeps the compilers of the latest catalogue by rights."""

    policies: Policies = field(default_factory=Policies)
    situation: Situation = field(default_factory=Situation)
    """What holds for every request; one may name data of its own, and follow others."""
    _compilers: "_Compilers" = field(default_factory=lambda: _Compilers(-1))

    def choose(
        self,
        request: RoutedRequest,
        principal: Principal,
        known: Offers,
        hints: Hints = NO_HINTS,
    ) -> Chosen:
        """Return what to do for a request; equal arguments give equal answers.

        A fan-out asks who is away, too: that he was not heard belongs into its report.
        """
        chosen = self._choose(request, principal, known, hints)
        if not known.away or chosen.plan is None:
            return chosen
        whole = self._choose(request, principal, known.with_away(), hints)
        if whole.plan is None or whole.protocol != chosen.protocol:
            return chosen
        same = _beside_fan_outs(whole.plan.root) == _beside_fan_outs(chosen.plan.root)
        return whole if same else chosen

    def _choose(
        self, request: RoutedRequest, principal: Principal, known: Offers, hints: Hints
    ) -> Chosen:
        compiler = self._compiler(principal, known)
        try:
            extraction, delegate = self._read(request, principal, known, hints)
        except WeftError as error:
            failing = Failing(error={"code": error.code, "message": str(error)})
            return Chosen(None, (FrameFailed(data=failing),), error=error)
        if request.agent is not None and delegate is None:
            gate = self.policies.of(principal.tenant)
            return _named(request, extraction.frame, principal, known, gate=gate)
        # A run always belongs to a thread; only an explanation may have none.
        goal = self._goal(request, extraction, hints, delegate)
        return _chosen(compiler.route(extraction.frame, goal), extraction, compiler.capabilities)

    def index(self, principal: Principal, known: Offers) -> CapabilityIndex:
        """Return what the mesh offers to who asks."""
        return self._compiler(principal, known).capabilities

    def _read(
        self, request: RoutedRequest, principal: Principal, known: Offers, hints: Hints
    ) -> tuple[Extraction, Delegate | None]:
        """Return what is wanted, and who outside the mesh may do all of it."""
        extraction = self._extracted(request, self._compiler(principal, known), hints)
        delegate = delegate_of(
            request.input,
            extraction.frame,
            known.outside(principal),
            principal,
            agent=request.agent,
        )
        if delegate is None:
            return extraction, None
        if delegate.named:
            if delegate.before:
                rest = request.model_copy(update={"input": delegate.before})
                extraction = self._extracted(rest, self._compiler(principal, known), hints)
            frame = delegate.doing(extraction.frame)
            return replace(extraction, frame=frame, guidance=None), delegate
        if extraction.frame.primary_goal in A2A_DELEGATE.handles:
            # Somebody is there for it, whatever nobody here can do.
            extraction = replace(extraction, guidance=None)
        return extraction, delegate

    def _goal(
        self,
        request: RoutedRequest,
        extraction: Extraction,
        hints: Hints,
        delegate: Delegate | None,
    ) -> GoalRequest:
        handed = None
        if delegate is not None and delegate.named:
            goals = extraction.frame.goals()
            handed = HANDED_OUT if delegate.before and HANDED_OUT in goals else goals[0]
        # Who names a protocol wants it used, whatever there is to be said.
        guidance = None if request.protocol else extraction.guidance
        return GoalRequest(
            goal=in_context(request.input, hints.earlier),
            protocol=request.protocol,
            handed=handed,
            delegate=None if delegate is None else delegate.name,
            guidance=guidance,
            remembers=True,
            explained=self.situation.model,
            picks=extraction.picks,
            tallies=hints.tallies,
        )

    def _extracted(
        self, request: RoutedRequest, compiler: CognitiveCompiler, hints: Hints
    ) -> Extraction:
        has_data = self.situation.data or "data" in request.metadata
        situation = replace(self.situation, data=has_data, earlier=hints.earlier)
        return extract(
            request.input,
            compiler.capabilities,
            given=request.goal,
            situation=situation,
            reading=hints.reading,
        )

    def _compiler(self, principal: Principal, known: Offers) -> CognitiveCompiler:
        compilers = self._compilers
        if compilers.revision != known.revision:
            compilers = self._compilers = _Compilers(known.revision)
        gate = self.policies.of(principal.tenant)
        outside = frozenset(provider.service for provider in known.outside(principal))
        rights = (principal.agents | outside, gate, len(known.providers))
        compiler = compilers.by_rights.get(rights)
        if compiler is None:
            compiler = CognitiveCompiler(CapabilityIndex.of(known, principal), policy=gate)
            # Two threads may make it at once; either one serves.
            compilers.by_rights[rights] = compiler
        return compiler


@dataclass(frozen=True, slots=True)
class _Compilers:
    """Those of one state of the catalogue."""

    revision: int
    by_rights: dict[tuple[frozenset[str], PolicyGate, int], CognitiveCompiler] = field(
        default_factory=dict
    )
    """One revision is also looked at as if those were there who are away: then there are more."""


def _chosen(routed: Routed, extraction: Extraction, index: CapabilityIndex) -> Chosen:
    selected = routed.parts[0].selection if routed.parts else None
    guidance = extraction.guidance if not routed.parts else None
    guided = GUIDE if guidance is not None else None
    choices = {
        part.goal: part.selection
        for part in routed.parts
        if part.selection is not None and part.selection.method in ("rule_based", "learned")
    }
    return Chosen(
        selected.protocol.id if selected is not None else guided,
        events_of(routed, extraction),
        plan=routed.plan,
        plan_json=routed.plan_json,
        error=routed.error,
        lacking=guidance is not None and guidance.lacking,
        choices=choices,
        routed=routed,
        extraction=extraction,
        index=index,
    )


def _beside_fan_outs(node: Node) -> list[JsonValue]:
    """Return the calls of a plan that are no branches of a fan-out, which bears losses."""
    if isinstance(node, Parallel) and node.join == "synthesize":
        return [node.id]
    if isinstance(node, Call):
        return [node.to_json()]
    return [call for child in node.children() for call in _beside_fan_outs(child)]


def _named(
    request: RoutedRequest,
    frame: GoalFrame,
    principal: Principal,
    known: Offers,
    *,
    gate: PolicyGate,
) -> Chosen:
    """Return the one call of a request that names its agent, behind a gate where policy asks for one.

    Naming skips the choice, never the policy: which of its skills the agent will use is its own
    affair, so the riskiest counts.
    """
    name = request.agent or ""
    callable_now = {each.service for each in known.providers if each.serves(principal)}
    if name not in callable_now:
        return Chosen(NAMED, (), error=UnknownAgentError(name, sorted(callable_now)))
    skills = [
        skill for each in known.providers if each.service == name for skill in each.capabilities
    ]
    risk = highest(frame.risk, *(Level(skill.risk) for skill in skills))
    verdict = gate.check(NAMED, risk, approval_required=frame.approval_required)
    ruling = Ruling(protocol_id=NAMED, frame_risk=risk, **verdict.model_dump())
    decided = PolicyDecided(data=ruling)
    if not verdict.allow:
        denied = PolicyDeniedError(verdict.reason, protocol_id=NAMED)
        return Chosen(NAMED, (decided,), error=denied)
    root: Call | Gate = Call(id="agent", peer=name, prompt="{goal}", context="thread")
    if verdict.require_approval:
        root = Gate(id="agent_gate", reasons=(verdict.reason,), body=root)
    plan = Plan(id="plan", goal=request.input, protocol=NAMED, root=root)
    raw = plan.to_json()
    compiled = PlanCompiled(data=Compiled(plan=raw, step_count=len(list(plan.nodes()))))
    return Chosen(NAMED, (decided, compiled), plan=plan, plan_json=raw)

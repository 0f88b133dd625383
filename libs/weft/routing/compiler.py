"""From a frame to a plan: pure, the same for the same frame, catalogue, protocols and policy."""

from collections.abc import Iterator
from dataclasses import fields, replace
from operator import attrgetter
from typing import NamedTuple

from weft.catalog import Capability
from weft.core import JsonObject
from weft.core.errors import WeftError
from weft.plan import Call, Node, Plan, Sequence
from weft.routing.builtins import A2A_DELEGATE, builtin_protocols
from weft.routing.capabilities import EFFECTS_UNSAID, CapabilityIndex, KnownWords
from weft.routing.errors import (
    NoCapabilityError,
    NoMatchingProtocolError,
    PolicyDeniedError,
    Rejected,
    UnknownCapabilityError,
)
from weft.routing.explain import RoutingExplanation, explanation_of
from weft.routing.frame import GoalFrame, TaskType
from weft.routing.guidance import GUIDE, Guidance
from weft.routing.modifiers import modify
from weft.routing.parts import GoalPart, notes_on, offered_to, part_of, used_by, view_of
from weft.routing.policy import PolicyGate
from weft.routing.protocols import DELEGATE, ProtocolRegistry
from weft.routing.routed import GoalRequest, Routed, RoutedPart
from weft.routing.select import Advice, Selection, select

KEPT = 256
"""So many shapes of requests are remembered with what they were compiled to."""
LONGEST_KEPT = 4096
"""A longer goal is compiled for itself: what was found sound need not be with so much more in it."""


_ADVISED = ("picks", "tallies")
"""What others say of one request: another one comes to the same plan only by chance."""
_terms = attrgetter(
    *(part.name for part in fields(GoalRequest) if part.name not in ("goal", *_ADVISED))
)


class _Shape(NamedTuple):
    """All that compiling reads: requests of one shape come to the same plan, but for the goal in it."""

    frame: GoalFrame
    words: KnownWords
    terms: tuple[object, ...]
    """What a request says beside its goal."""
    protocols: int
    """How many there are to choose from."""


class CognitiveCompiler:
    """Compiles frames for one caller at one revision of the catalogue."""

    def __init__(
        self,
        capabilities: CapabilityIndex,
        *,
        protocols: ProtocolRegistry | None = None,
        policy: PolicyGate | None = None,
    ) -> None:
        self.capabilities = capabilities
        self._protocols = protocols or builtin_protocols()
        self._policy = policy or PolicyGate()
        self._kept: dict[_Shape, Routed] = {}

    def available_capabilities(self) -> tuple[str, ...]:
        return self.capabilities.ids()

    def compile(self, frame: GoalFrame, request: GoalRequest | None = None) -> Plan:
        """Return the plan for `frame`.

        Raises:
            UnknownCapabilityError: The frame requires what nobody offers.
            UnknownProtocolError: The requested protocol does not exist.
            NoMatchingProtocolError: No protocol fits, or nothing can do the work.
            PolicyDeniedError: Policy forbids it.
            PlanInvalidError: A protocol built a plan that cannot run.
        """
        routed = self.route(frame, request)
        if routed.error is not None:
            raise routed.error
        if routed.plan is None:
            raise AssertionError("routing ended without a plan and without a reason")
        return routed.plan

    def explain(self, frame: GoalFrame, request: GoalRequest | None = None) -> RoutingExplanation:
        """Say what would run and why; a denial or dead end is explained like any choice."""
        return explanation_of(self.route(frame, request), self.capabilities)

    def route(self, frame: GoalFrame, request: GoalRequest | None = None) -> Routed:
        """Decide everything and keep the error, if there is one, beside what led to it."""
        request = request or GoalRequest()
        advised = request.picks or request.tallies is not None
        if advised or len(request.goal) > LONGEST_KEPT:
            return self._route(frame, request)
        words = self.capabilities.known_words(request.goal)
        shape = _Shape(frame, words, _terms(request), len(self._protocols))
        routed = self._kept.get(shape)
        if routed is not None:
            return _reworded(routed, request)
        routed = self._route(frame, request)
        # An error is raised, which changes it: each request has its own.
        if routed.error is None:
            if len(self._kept) >= KEPT:
                self._kept.clear()
            self._kept[shape] = routed
        return routed

    def _route(self, frame: GoalFrame, request: GoalRequest) -> Routed:
        lookup = self.capabilities.lookup(frame.required_capabilities)
        unknown = tuple(name for name in lookup.unknown if name != DELEGATE)
        routed = Routed(
            frame,
            request,
            unknown=unknown,
            warnings=_warnings(frame, request),
            policy_revision=self._policy.revision,
        )
        if unknown:
            error = UnknownCapabilityError(unknown, self.available_capabilities())
            return replace(routed, error=error)
        if request.guidance is not None and request.guidance.alone:
            return _assembled(routed)
        return self._compose(routed, lookup.capabilities)

    def _compose(self, routed: Routed, required: tuple[Capability, ...]) -> Routed:
        frame, request = routed.frame, routed.request
        goals = frame.goals()
        parts: list[RoutedPart] = []
        left_out: dict[str, str] = {}
        error: WeftError | None = None
        for goal in goals:
            part = part_of(self.capabilities, frame, goal, goals, required)
            left_out.update(part.eligible.left_out)
            earlier = tuple(routed_part.goal.value for routed_part in parts)
            done, error = self._routed(frame, request, part, earlier, left_out)
            parts.append(done)
            if error is not None:
                break
        for name in frozenset().union(*(used_by(part, self.capabilities) for part in parts)):
            left_out.pop(name, None)
        routed = replace(routed, parts=tuple(parts), left_out=left_out, error=error)
        return routed if error is not None else _assembled(routed)

    def _routed(
        self,
        frame: GoalFrame,
        request: GoalRequest,
        part: GoalPart,
        earlier: tuple[str, ...],
        left_out: dict[str, str],
    ) -> tuple[RoutedPart, WeftError | None]:
        handed = part.goal is request.handed
        protocol = request.protocol if part.goal is frame.primary_goal else None
        protocol = A2A_DELEGATE.id if handed else protocol
        needy = frame.requires_tools and not handed
        try:
            if part.refused or (needy and not part.eligible.capabilities):
                raise NoCapabilityError(part.goal, [_unserved(part)])
            offered = offered_to(self.capabilities, part, request)
            chosen = select(
                self._protocols,
                part.goal,
                frame.complexity,
                offered,
                advice=_advice(request, part.goal, protocol),
            )
        except NoMatchingProtocolError as error:
            return RoutedPart(part.goal, part.risk, rejected=error.rejected), error
        except WeftError as error:
            return RoutedPart(part.goal, part.risk), error
        return self._decided(frame, request, part, chosen, (earlier, left_out))

    def _decided(
        self,
        frame: GoalFrame,
        request: GoalRequest,
        part: GoalPart,
        chosen: Selection,
        context: tuple[tuple[str, ...], dict[str, str]],
    ) -> tuple[RoutedPart, WeftError | None]:
        earlier, left_out = context
        verdict = self._policy.check(
            chosen.protocol.id, part.risk, approval_required=_asks_approval(frame, part.goal)
        )
        done = RoutedPart(part.goal, part.risk, chosen, rejected=chosen.rejected, verdict=verdict)
        if not verdict.allow:
            denied = PolicyDeniedError(
                verdict.reason, protocol_id=chosen.protocol.id, runners_up=chosen.runners_up
            )
            return done, denied
        view = view_of(self.capabilities, frame, request, part, earlier, left_out)
        built = modify(frame, view, chosen.protocol, risk=part.risk, verdict=verdict)
        notes = (*built.modifiers, *notes_on(self.capabilities, built.node, view))
        return replace(done, node=built.node, modifiers=notes), None


def _reworded(routed: Routed, request: GoalRequest) -> Routed:
    """Return what was decided for a request of the same shape, as decided for `request`."""
    if routed.plan is None:
        return replace(routed, request=request)
    goal = request.goal
    plan = routed.plan.model_copy(update={"goal": goal})
    return replace(routed, request=request, plan=plan, plan_json={**routed.plan_json, "goal": goal})


def _assembled(routed: Routed) -> Routed:
    steps = list(_steps(routed))
    root = steps[0] if len(steps) == 1 else Sequence(id="goals", steps=tuple(steps), sections=True)
    protocols = [part.selection.protocol.id for part in routed.parts if part.selection]
    plan = Plan(
        id=routed.request.plan_id,
        goal=routed.request.goal,
        frame=routed.frame.to_json(),
        protocol=next(
            (
                name
                for name, part in zip(protocols, routed.parts, strict=True)
                if part.goal is routed.frame.primary_goal
            ),
            protocols[0] if protocols else GUIDE,
        ),
        root=root,
    )
    return replace(routed, plan=plan, plan_json=plan.checked_json())


def _steps(routed: Routed) -> Iterator[Node]:
    """Yield what is said at once, then one part after the other; several are named for their goals."""
    guidance = routed.request.guidance
    nodes = [(part.goal, part.node) for part in routed.parts if part.node is not None]
    if guidance is not None:
        yield _guiding(guidance)
    for goal, node in nodes:
        if guidance is None and len(nodes) == 1:
            yield node
        else:
            yield node.model_copy(update={"title": goal.value.replace("_", " ").capitalize()})


def _guiding(guidance: Guidance) -> Call:
    """Return the step that says it; the words travel as data, where nothing expands them."""
    title = None if guidance.alone else "Not done"
    said: JsonObject = {"text": guidance.text}
    if guidance.refuses:
        said["code"] = NoCapabilityError.code
    return Call(id=GUIDE, role=GUIDE, arguments=said, retries=0, title=title)


def _advice(request: GoalRequest, goal: TaskType, protocol: str | None) -> Advice:
    tallies = None if request.tallies is None else request.tallies.get(goal, {})
    return Advice(protocol, request.picks.get(goal), tallies)


def _asks_approval(frame: GoalFrame, goal: TaskType) -> bool:
    """In a frame that reads and acts, approval is asked before the first act."""
    if not frame.approval_required:
        return False
    goals = frame.goals()
    acting = [task_type for task_type in goals if task_type.acts]
    return goal is acting[0] if acting and len(acting) < len(goals) else True


def _unserved(part: GoalPart) -> Rejected:
    why = "the goal requires tools, and none is eligible"
    if part.refused:
        why = f"{', '.join(part.refused)}: {EFFECTS_UNSAID}"
    return Rejected("*", "capabilities", why)


def _warnings(frame: GoalFrame, request: GoalRequest) -> tuple[str, ...]:
    return ("memory_unavailable",) if frame.requires_memory and not request.thread else ()

"""The whole way in one process: words to frame, frame to plan, plan to result."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import ValidationError

from weft.core import Authority, Interrupt, JsonObject, JsonValue, Result, RunId, Usage
from weft.core.errors import RunFailedError
from weft.loop import Peer, role_agents
from weft.models import Model
from weft.plan import Approver, Interpreter, Plan, StepPatience
from weft.report import Report
from weft.routing.capabilities import CapabilityIndex
from weft.routing.compiler import CognitiveCompiler
from weft.routing.explain import RoutingExplanation, explanation_of
from weft.routing.extract import Extraction, extract
from weft.routing.frame import GoalFrame
from weft.routing.local_peers import LocalPeers
from weft.routing.routed import GoalRequest
from weft.runs import LocalJournal
from weft.tools import Tool, ToolRegistry

Frame = GoalFrame | JsonObject
"""A whole frame, or the fields that the caller knows; the rules read the others."""


NOBODY_RETURNS = StepPatience(restart_seconds=0)
"""Who is not in this process now will not be there in a moment."""


@dataclass(frozen=True, slots=True)
class RunnableResult:
    """What a request came to: the protocol that was chosen, and what it made."""

    protocol_id: str
    frame: GoalFrame
    raw: Result

    @property
    def status(self) -> Literal["completed", "interrupted"]:
        return "interrupted" if self.raw.status == "interrupted" else "completed"

    @property
    def text(self) -> str:
        return self.raw.text

    @property
    def parsed(self) -> JsonValue:
        """The first value in the answer."""
        return self.raw.data

    @property
    def report(self) -> Report | None:
        """What several branches say together, where the protocol joins them."""
        try:
            return Report.model_validate(self.raw.data)
        except ValidationError:
            return None

    @property
    def interrupts(self) -> tuple[Interrupt, ...]:
        return self.raw.interrupts

    @property
    def usage(self) -> Usage:
        return self.raw.usage

    @property
    def partial(self) -> bool:
        return self.raw.partial


class Router:
    """Routes requests over tools and agents of this process; serves any number of them at once.

    Nothing is kept: a mesh has durable runs for that. What it is given stays its owner's to close.
    """

    def __init__(
        self,
        model: Model,
        *,
        tools: Iterable[Tool] = (),
        roles: Mapping[str, Peer] | None = None,
        compiler: CognitiveCompiler | None = None,
        on_frame: Callable[[Extraction], None] | None = None,
        on_approval: Approver | None = None,
    ) -> None:
        """`compiler` knows the tools; without one each is a capability of its own name.

        `roles` are played by whom it names, all but `test` else by the model alone.

        `on_frame` sees every frame before anything is done for it. Without `on_approval` what
        needs an approval is refused, since nobody could give one.
        """
        kept = ToolRegistry(tools).snapshot()
        specs = [tool.spec for tool in kept]
        self.compiler = compiler or CognitiveCompiler(CapabilityIndex(tools=specs))
        peers = {**role_agents(model), **(roles or {})}
        self._peers = LocalPeers(model, kept, peers, self.compiler.capabilities)
        self._on_frame = on_frame
        self._on_approval = on_approval

    def extract(self, user_input: str, *, frame: Frame | None = None) -> Extraction:
        """Return what is wanted; fields of `frame` are taken as they are.

        Raises:
            FrameExtractionError: No frame can be made of it.
        """
        given = frame.model_dump(mode="json") if isinstance(frame, GoalFrame) else frame
        extraction = extract(user_input, self.compiler.capabilities, given=given)
        if self._on_frame is not None:
            self._on_frame(extraction)
        return extraction

    def compile(self, frame: GoalFrame, request: GoalRequest | None = None) -> Plan:
        """Return the plan for `frame`; see `CognitiveCompiler.compile` for what it raises."""
        return self.compiler.compile(frame, request)

    def explain(self, user_input: str, *, frame: Frame | None = None) -> RoutingExplanation:
        """Say what `dispatch` would do, and why; denials and dead ends are explained, too.

        Raises:
            FrameExtractionError: No frame can be made of it.
        """
        extraction = self.extract(user_input, frame=frame)
        routed = self.compiler.route(extraction.frame, GoalRequest(goal=user_input, thread=False))
        return explanation_of(routed, self.compiler.capabilities, extraction)

    async def dispatch(
        self,
        user_input: str,
        *,
        run_id: RunId | None = None,
        frame: Frame | None = None,
        protocol: str | None = None,
        authority: Authority | None = None,
    ) -> RunnableResult:
        """Do what is asked and return what came of it; a run that waits for somebody is no failure.

        Raises:
            FrameExtractionError: No frame can be made of it.
            UnknownCapabilityError: The frame requires what nobody offers.
            UnknownProtocolError: `protocol` does not exist.
            NoMatchingProtocolError: No protocol fits, or nothing can do the work.
            PolicyDeniedError: Policy forbids it.
            RunFailedError: It was begun and not completed; `result` is how far it came.
        """
        wanted = self.extract(user_input, frame=frame).frame
        request = GoalRequest(goal=user_input, protocol=protocol, thread=False)
        plan = self.compile(wanted, request)
        journal = LocalJournal(run_id=run_id)
        interpreter = Interpreter(
            self._peers, journal, approvals=self._on_approval or False, pace=NOBODY_RETURNS
        )
        outcome = await interpreter.run(plan, authority)
        result = outcome.result
        if result.status not in ("completed", "interrupted"):
            raise RunFailedError(_why(result), result=result)
        return RunnableResult(plan.protocol or "", wanted, result)


def _why(result: Result) -> str:
    return "; ".join(f"{why.code}: {why.message}" for why in result.reasons) or result.status

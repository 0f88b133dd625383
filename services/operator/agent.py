"""The operator as a peer: it proposes, or carries out to the letter what was approved.

A proposal may be a language model's; what a person approved is carried out by rules, whoever
proposed it, since there is nothing left to decide.
"""

from collections.abc import AsyncIterator, Callable, Generator
from dataclasses import dataclass, field, replace

from services.operator.actions import ACTIONS, DryRun
from services.operator.approvals import approved_by_gate
from services.operator.by_rules import ByRules
from services.operator.tools import (
    NO_ACTION,
    REFUSED,
    SAID_DONE,
    SUGGEST,
    UNKNOWN_EFFECT,
    Hands,
)
from weft.core import APPROVAL, ROUTER, SUSPECTS, JsonObject, JsonValue, Reason, Result, parts_of
from weft.events import Event
from weft.loop import Agent, ModelPatience, PeerRun, Task
from weft.models import Model

__all__ = ["PROPOSE", "Operator"]

PROPOSE = "operations.propose"
"""The skill that changes nothing."""
_ITERATIONS = 8
_FENCE = "```"
_NO_ACTION = "no_capability"
_CODES = {
    NO_ACTION: _NO_ACTION,
    REFUSED: "approval_refused",
    UNKNOWN_EFFECT: "effect_unknown",
    "(nothing was done)": "effect_not_done",
}
"""Why nothing is known to be done, by the words of the tools that say so."""


@dataclass(frozen=True, slots=True)
class Operator:
    """A peer over one target; `model` chooses, or rules where it has none."""

    name: str
    model: Model
    hands: Hands
    prompt: str
    patience: ModelPatience = field(default_factory=ModelPatience)

    def start(self, task: Task) -> PeerRun:
        return self._worked(task, Agent.start)

    def replay(self, task: Task) -> PeerRun:
        return self._worked(task, Agent.replay)

    def _worked(self, task: Task, way: Callable[[Agent, Task], PeerRun]) -> PeerRun:
        if task.authority.act[-1:] != (ROUTER,):
            # Its own gates are the mesh's; what any other member says of an approval is its word.
            metadata = {name: value for name, value in task.metadata.items() if name != APPROVAL}
            task = replace(task, metadata=metadata)
        approved = approved_by_gate(task.metadata)
        if task.capability == PROPOSE:
            return _Proposing(way(self._chooser(proposes=True), _told(task)), task)
        if approved is not None:
            return _Acting(way(self._doer(approved), replace(task, grants=())), task)
        return _Acting(way(self._chooser(proposes=False), _told(task)), task)

    def _chooser(self, *, proposes: bool) -> Agent:
        """Return an agent that looks, and proposes; or that acts once a person answered it."""
        more = [] if proposes else [self.hands.asking(), *self.hands.acting()]
        return Agent(
            ByRules() if self.model.capabilities.by_rules else self.model,
            [*self.hands.looking(), *more],
            self.prompt,
            name=self.name,
            opening_tools=[SUGGEST],
            max_iterations=_ITERATIONS,
            **self.patience,
        )

    def _doer(self, approved: DryRun) -> Agent:
        return Agent(ByRules(approved.action), self.hands.acting(), name=self.name)


def _told(task: Task) -> Task:
    """Return the task with what its tools are about: the request apart from what was found."""
    request, findings = _parted(task.prompt)
    about: JsonObject = {
        "request": request,
        "findings": findings,
        SUSPECTS: task.metadata.get(SUSPECTS) or [],
    }
    return replace(task, metadata={**task.metadata, **about}, grants=())


def _parted(prompt: str) -> tuple[str, str]:
    """Return the words of a prompt, and what stands between its fences: that is data."""
    words: list[str] = []
    data: list[str] = []
    fence = ""
    for line in prompt.splitlines():
        if not fence and line.startswith(_FENCE):
            fence = line[: len(line) - len(line.lstrip("`"))]
        elif fence and line == fence:
            fence = ""
        else:
            (data if fence else words).append(line)
    return "\n".join(words), "\n".join(data)


class _Mapped:
    """An agent's run, whose result is told as the operator's own."""

    def __init__(self, run: PeerRun, task: Task) -> None:
        self._run = run
        self._task = task

    async def __aiter__(self) -> AsyncIterator[Event]:
        async for event in self._run:
            yield event

    def __await__(self) -> Generator[object, None, Result]:
        return self._result().__await__()

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        return await self._run.cancel(reason, grace_s=grace_s)

    async def _result(self) -> Result:
        result = await self._run
        return self._mapped(result) if result.status == "completed" else result

    def _mapped(self, result: Result) -> Result:
        raise NotImplementedError


class _Proposing(_Mapped):
    def _mapped(self, result: Result) -> Result:
        """Return the last dry run as the proposal, or a failure where there is none."""
        proposals = [data for data in _recorded(result) if "undo" in data]
        if not proposals:
            refused = any("refusal" in data for data in _recorded(result))
            return _failed(result, _NO_ACTION if refused else "peer_failed", _why_not(result))
        proposal = DryRun.model_validate(proposals[-1])
        text = proposal.words()
        if result.generated_by == "model" and result.text:
            text += f"\nThe operator's language model says: {result.text}"
        claims = [claim for claim in result.claims if claim.predicate == proposal.action.kind]
        return result.model_copy(
            update={"parts": parts_of(text, proposal.to_json()), "claims": tuple(claims[-1:])}
        )


class _Acting(_Mapped):
    def _mapped(self, result: Result) -> Result:
        """Return what was done; where nothing was, that is a failure."""
        done = [data for data in _recorded(result) if "after" in data]
        if done:
            text = "\n".join(str(data.get("text")) for data in done)
            return result.model_copy(update={"parts": parts_of(text, done[-1])})
        if result.text.startswith(SAID_DONE):
            return result.model_copy(update={"partial": True})
        words = "\n".join([_why_not(result), *(reason.message for reason in result.reasons)])
        code = next((code for sign, code in _CODES.items() if sign in words), _unsaid(result))
        return _failed(result, code, words)


def _unsaid(result: Result) -> str:
    """Return the code of an end of which the tools say nothing: whether an action was begun."""
    failures = [reason.message for reason in result.reasons if reason.code == "tool_failed"]
    only_looked = failures and not any(words.startswith(tuple(ACTIONS)) for words in failures)
    return "peer_failed" if only_looked else "effect_unknown"


def _why_not(result: Result) -> str:
    """Return why nothing fits, as the tools say it; a model's words go with it."""
    refusals = [str(data["refusal"]) for data in _recorded(result) if "refusal" in data]
    if not refusals:
        # The target could not be looked at: the tool's own words, not what was made of them.
        failures = [reason.message for reason in result.reasons if reason.code == "tool_failed"]
        return "; ".join(failures) or result.text
    if result.generated_by != "model":
        return result.text
    return f"{refusals[-1]}\nThe operator's language model says: {result.text}"


def _recorded(result: Result) -> list[JsonObject]:
    return [artifact.data for artifact in result.artifacts if isinstance(artifact.data, dict)]


def _failed(result: Result, code: str, message: str) -> Result:
    reason = Reason(code=code, message=message or "the operator did nothing, and does not say why")
    reasons = (reason, *(each for each in result.reasons if each.code != "tool_failed"))
    return result.model_copy(update={"status": "failed", "reasons": reasons})

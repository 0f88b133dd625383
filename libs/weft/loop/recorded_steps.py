"""The steps of a loop that is walked again: what was said and brought, held against what would be now."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass, replace
from typing import NoReturn

from weft.core import ToolCall, dumps
from weft.core.errors import InputError
from weft.loop.differing import in_a_line
from weft.loop.replaying import MODEL_CALL, NOTHING, TOOL_CALL, ReplayJournal, calls_in
from weft.loop.request_digest import ASKED, RequestDigest
from weft.loop.state import AgentState
from weft.loop.steps import OpenQuestion, Steps, executions_in, results_place, think_place
from weft.loop.think import ThinkOptions
from weft.models import (
    Capabilities,
    Model,
    ModelChunk,
    ModelError,
    ModelRequest,
    ModelResponse,
)
from weft.models.chunks import split
from weft.tools import ToolExecution, ToolRegistry
from weft.tools.calling import validated

_PARTS = {
    "model": "the model that is asked",
    "instructions": "the instructions that the model is given",
    "tools": "the tools that the model is offered",
    "form": "the form that the answer must have",
    "conversation": "the conversation that the model is shown",
}
_UNKEPT = "it was done before replies were kept with what was asked for them"


class RecordedSteps(Steps):
    """Gives the loop what was recorded, in place of what models and tools would say now."""

    def __init__(self, journal: ReplayJournal, tools: ToolRegistry) -> None:
        super().__init__(journal)
        self._replay = journal
        self._tools = tools

    def asked(
        self, place: str, ask: ThinkOptions, digest: RequestDigest | None, state: AgentState
    ) -> ThinkOptions:
        """Return `ask` of whoever says again what was said then; rules are asked as they are now."""
        stored = self._replay.record_of.steps.get((place,))
        then = None if stored is None else ModelResponse.model_validate(stored)
        ask = replace(ask, stream=False)
        self._replay.replies.add(place)
        if digest is None:
            if then is not None and then.generated_by == "model":
                self._differ(place, "who replies", f"the model {then.model}", ask.model.name)
            return ask
        if then is None or then.generated_by == "rules":
            return replace(ask, model=self._silent(place, ask.model, then))
        kept = (stored or {}).get(ASKED)
        if not isinstance(kept, dict):
            self._replay.give_up(_UNKEPT)
        self._compare(place, RequestDigest.model_validate(kept), digest, _Shown(ask, state))
        return replace(ask, model=_Recorded(ask.model, then))

    def question(self, iteration: int) -> OpenQuestion:
        """Return what all calls of a reply came to, as far as they would be made like that now."""
        place = results_place(iteration)
        stored = self._replay.record_of.steps.get((place,))
        reply = self._replay.record_of.steps.get((think_place(iteration),))
        if stored is None or reply is None:
            self._replay.give_up(f"what the calls of {think_place(iteration)} brought is not kept")
        executions = {execution.tool_call_id: execution for execution in executions_in(stored)}
        results = {
            call.id: self._as_now(place, call, executions[call.id])
            for call in calls_in(reply)
            if call.id in executions
        }
        self._replay.calls += len(results)
        return OpenQuestion(results)

    def _as_now(self, place: str, call: ToolCall, then: ToolExecution) -> ToolExecution:
        """Return the recorded result, unless the call would not come to its tool any more, or does now."""
        refusal = self._refusal(call)
        if refusal is not None and then.error != refusal:
            self._differ_in_call(place, call, then.error or "it was made", refusal)
        if refusal is None and then.outcome == "error" and then.duration_ms == 0:
            self._differ_in_call(place, call, then.error or "it was refused", "it is made")
        return then

    def _refusal(self, call: ToolCall) -> str | None:
        tool = self._tools.get(call.name)
        if tool is None:
            return self._tools.unknown(call.name)
        try:
            validated(tool, call)
        except InputError as error:
            return str(error)
        return None

    def _silent(self, place: str, model: Model, then: ModelResponse | None) -> Model:
        """Return a model that gives no answer, as it gave none then."""
        record, why = self._replay.record_of, self._replay.replaced
        if why is not None:
            return _Recorded(model, None, why)
        if then is not None or record.result.generated_by == "rules":
            self._differ(place, "who replies", "rules", f"the model {model.name}")
        if not any(ASKED in outcome for outcome in record.steps.values()):
            self._replay.give_up(_UNKEPT)
        return self._differ(place, "what is done", NOTHING, f"the model {model.name} is asked")

    def _compare(
        self, place: str, then: RequestDigest, now: RequestDigest, shown: "_Shown"
    ) -> None:
        for name, words in _PARTS.items():
            before, after = getattr(then, name), getattr(now, name)
            if before == after:
                continue
            if name != "model":
                before, after = f"something else ({before})", in_a_line(shown.part(name))
            self._differ(place, words, before, after)

    def _differ(self, place: str, what: str, recorded: str, replayed: str) -> NoReturn:
        self._replay.differ(place, MODEL_CALL, what, recorded, replayed)

    def _differ_in_call(self, place: str, call: ToolCall, recorded: str, replayed: str) -> NoReturn:
        what = f"the call of {call.name}"
        self._replay.differ(place, TOOL_CALL, what, in_a_line(recorded), in_a_line(replayed))


@dataclass(frozen=True, slots=True)
class _Recorded:
    """Says what was said, in place of a model; without a reply, that there is none."""

    model: Model
    reply: ModelResponse | None
    why: str = ""

    @property
    def name(self) -> str:
        return self.model.name

    @property
    def capabilities(self) -> Capabilities:
        return self.model.capabilities

    async def complete(self, request: ModelRequest) -> ModelResponse:
        del request
        if self.reply is None:
            raise ModelError(self.why)
        return self.reply

    async def stream(self, request: ModelRequest) -> AsyncGenerator[ModelChunk, None]:
        for chunk in split(await self.complete(request)):
            yield chunk

    async def aclose(self) -> None:
        """Hold nothing open."""


@dataclass(frozen=True, slots=True)
class _Shown:
    """What a model would be asked now, in words."""

    ask: ThinkOptions
    state: AgentState

    def part(self, name: str) -> str:
        match name:
            case "instructions":
                return self.state.messages[0].content
            case "tools":
                return ", ".join(spec.name for spec in self.ask.tools) or "no tools"
            case "form":
                schema = self.ask.output_schema
                return "words" if schema is None else dumps(schema).decode()
            case _:
                return (*self.state.messages[-1:], *self.ask.guidance)[-1].content

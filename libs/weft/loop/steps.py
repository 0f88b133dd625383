"""The durable steps of a run: each reply before its tools start, their results before the next.

What a language model says is kept in any case: nobody pays for it twice, and a replay has it. What rules
say is kept where tools are called; the rest they say again.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from weft.core import JsonObject, JsonValue, Path, Usage
from weft.loop.request_digest import ASKED, RequestDigest
from weft.loop.state import AgentState
from weft.loop.think import ThinkOptions
from weft.models import ModelResponse
from weft.runs import Journal
from weft.tools import ToolExecution
from weft.tools.rendering import as_text

CLOSING = "closing"
"""Where the last word of a run stands that a condition ended without one."""


def think_place(iteration: int) -> str:
    """Return where the reply of an iteration stands."""
    return f"think#{iteration}"


def repair_place(number: int) -> str:
    """Return where the answer stands that was sent back for the `number`th time."""
    return f"repair#{number}"


def results_place(iteration: int) -> str:
    """Return where stands what the calls of an iteration brought."""
    return f"execute#{iteration}"


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A reply whose calls ended in a question: what is known, and who asks."""

    results: Mapping[str, ToolExecution] = field(default_factory=dict)
    asking: frozenset[str] = frozenset()
    spent: Mapping[str, Usage] = field(default_factory=dict)
    """By agents behind the calls whose results are known."""


class Steps:
    """Reads and writes one agent's steps in its run's journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._earlier = dict(journal.steps)
        """What earlier owners of the run recorded: this one need not read what it writes."""

    def was_replied(self, iteration: int) -> bool:
        """Tell whether an earlier owner of the run recorded the reply."""
        return (think_place(iteration),) in self._earlier

    def reply(self, place: str) -> ModelResponse | None:
        """Return the reply that an earlier owner of the run got at `place`."""
        stored = self._earlier.get((place,))
        return None if stored is None else ModelResponse.model_validate(stored)

    def asked(
        self, place: str, ask: ThinkOptions, digest: RequestDigest | None, state: AgentState
    ) -> ThinkOptions:
        """Return `ask` as it is made at `place` in `state`; None for `digest` where rules reply."""
        del place, digest, state
        return ask

    async def keep_reply(
        self, place: str, response: ModelResponse, digest: RequestDigest | None
    ) -> ModelResponse:
        """Make the reply durable and return the stored one."""
        outcome = response.to_json()
        if digest is not None:
            outcome[ASKED] = digest.to_json()
        stored = await self._journal.record((place,), outcome)
        return response if stored == outcome else ModelResponse.model_validate(stored)

    def results(self, iteration: int) -> tuple[ToolExecution, ...] | None:
        stored = self._earlier.get((results_place(iteration),))
        return None if stored is None else executions_in(stored)

    def spent(self, iteration: int) -> Mapping[str, Usage]:
        """Return what agents behind the calls of a reply spent, by call."""
        return _spent(self._earlier.get((results_place(iteration),)) or {})

    async def keep_results(
        self, iteration: int, executions: Sequence[ToolExecution], spent: Mapping[str, Usage]
    ) -> tuple[ToolExecution, ...]:
        """Make the results durable and return the stored ones."""
        outcome = _outcome(executions, spent)
        stored = await self._journal.record((results_place(iteration),), outcome)
        return tuple(executions) if stored == outcome else executions_in(stored)

    def question(self, iteration: int) -> OpenQuestion:
        """Return what the calls of a reply came to before each question so far."""
        results: dict[str, ToolExecution] = {}
        spent: dict[str, Usage] = {}
        asking: frozenset[str] = frozenset()
        for stored in self._questions(iteration):
            results |= {execution.tool_call_id: execution for execution in executions_in(stored)}
            spent |= _spent(stored)
            named = stored.get("asking")
            asking = frozenset(map(str, named)) if isinstance(named, list) else frozenset()
        return OpenQuestion(results, asking, spent)

    async def keep_asked(
        self,
        iteration: int,
        executions: Sequence[ToolExecution],
        asking: Sequence[str],
        spent: Mapping[str, Usage],
    ) -> None:
        """Make durable what is known while the other calls wait for an answer.

        Who asks says what he spent once he has ended, from the beginning.
        """
        place = (f"asked#{iteration}", str(len(self._questions(iteration)) + 1))
        ended = {call: usage for call, usage in spent.items() if call not in asking}
        await self._journal.record(place, {**_outcome(executions, ended), "asking": [*asking]})

    async def begin_again(self, iteration: int) -> None:
        """Make durable that the calls which asked are now made with their answers."""
        await self._journal.record(self._again(iteration), {})

    def was_begun_again(self, iteration: int) -> bool:
        """Tell whether an earlier owner of the run made the calls which asked once more."""
        return self._again(iteration) in self._earlier

    def _again(self, iteration: int) -> Path:
        return (f"answered#{iteration}", str(len(self._questions(iteration))))

    def _questions(self, iteration: int) -> list[JsonObject]:
        questions: list[JsonObject] = []
        while (
            stored := self._earlier.get((f"asked#{iteration}", str(len(questions) + 1)))
        ) is not None:
            questions.append(stored)
        return questions


def answers_in(steps: Mapping[Path, JsonObject]) -> JsonObject:
    """Return the answers that a run's store recorded, by interrupt id."""
    return {path[1]: steps[path].get("answer") for path in steps if path[:-1] == ("interrupt",)}


def _outcome(executions: Sequence[ToolExecution], spent: Mapping[str, Usage]) -> JsonObject:
    outcome: JsonObject = {"results": [_plain(execution) for execution in executions]}
    if spent:
        outcome["spent"] = {call: usage.to_json() for call, usage in spent.items()}
    return outcome


def _spent(stored: JsonObject) -> dict[str, Usage]:
    listed = stored.get("spent")
    entries = listed.items() if isinstance(listed, dict) else ()
    return {call: Usage.model_validate(usage) for call, usage in entries}


def _plain(execution: ToolExecution) -> JsonValue:
    """Return JSON without copying the result, which is JSON already and may be large.

    Text that only spells out the structured result is left out: it is spelled out again when read.
    """
    plain = {**execution.__dict__, "blocks": [part.to_json() for part in execution.blocks]}
    structured = execution.structured
    if structured is not None and execution.content == as_text(structured):
        del plain["content"]
    return plain


def executions_in(stored: JsonObject) -> tuple[ToolExecution, ...]:
    """Return the results that a step holds."""
    results = stored.get("results")
    return tuple(map(_execution, results)) if isinstance(results, list) else ()


def _execution(stored: JsonValue) -> ToolExecution:
    if isinstance(stored, dict) and "content" not in stored:
        stored = {**stored, "content": as_text(stored.get("structured"))}
    return ToolExecution.model_validate(stored)

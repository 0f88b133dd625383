"""The durable steps of a run: each reply before its tools start, their results before the next."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from weft.core import JsonObject, JsonValue, Path
from weft.models import ModelResponse
from weft.runs import Journal
from weft.tools import ToolExecution
from weft.tools.rendering import as_text


@dataclass(frozen=True, slots=True)
class OpenQuestion:
    """A reply whose calls ended in a question: what is known, and who asks."""

    results: Mapping[str, ToolExecution] = field(default_factory=dict)
    asking: frozenset[str] = frozenset()


class Steps:
    """Reads and writes one agent's steps in its run's journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._earlier = dict(journal.steps)
        """What earlier owners of the run recorded: this one need not read what it writes."""

    def was_replied(self, iteration: int) -> bool:
        """Tell whether an earlier owner of the run recorded the reply."""
        return (f"think#{iteration}",) in self._earlier

    def reply(self, iteration: int) -> ModelResponse | None:
        return self._reply_at(f"think#{iteration}")

    async def keep_reply(self, iteration: int, response: ModelResponse) -> ModelResponse:
        """Make the reply durable and return the stored one."""
        return await self._keep_at(f"think#{iteration}", response)

    def repair(self, number: int) -> ModelResponse | None:
        """Return the reply that an earlier owner got when it sent an answer back."""
        return self._reply_at(f"repair#{number}")

    async def keep_repair(self, number: int, response: ModelResponse) -> None:
        """Make durable a repaired answer that is no better than the one before it."""
        await self._keep_at(f"repair#{number}", response)

    def results(self, iteration: int) -> tuple[ToolExecution, ...] | None:
        stored = self._earlier.get((f"execute#{iteration}",))
        return None if stored is None else _executions(stored)

    async def keep_results(
        self, iteration: int, executions: Sequence[ToolExecution]
    ) -> tuple[ToolExecution, ...]:
        """Make the results durable and return the stored ones."""
        outcome: JsonObject = {"results": [_plain(execution) for execution in executions]}
        stored = await self._journal.record((f"execute#{iteration}",), outcome)
        return tuple(executions) if stored == outcome else _executions(stored)

    def question(self, iteration: int) -> OpenQuestion:
        """Return what the calls of a reply came to before each question so far."""
        results: dict[str, ToolExecution] = {}
        asking: frozenset[str] = frozenset()
        for stored in self._questions(iteration):
            results |= {execution.tool_call_id: execution for execution in _executions(stored)}
            named = stored.get("asking")
            asking = frozenset(map(str, named)) if isinstance(named, list) else frozenset()
        return OpenQuestion(results, asking)

    async def keep_asked(
        self, iteration: int, executions: Sequence[ToolExecution], asking: Sequence[str]
    ) -> None:
        """Make durable what is known while the other calls wait for an answer."""
        place = (f"asked#{iteration}", str(len(self._questions(iteration)) + 1))
        outcome: JsonObject = {
            "results": [_plain(execution) for execution in executions],
            "asking": list(asking),
        }
        await self._journal.record(place, outcome)

    async def begin_again(self, iteration: int) -> None:
        """Make durable that the calls which asked are now made with their answers."""
        await self._journal.record(self._again(iteration), {})

    def was_begun_again(self, iteration: int) -> bool:
        """Tell whether an earlier owner of the run made the calls which asked once more."""
        return self._again(iteration) in self._earlier

    def _reply_at(self, place: str) -> ModelResponse | None:
        stored = self._earlier.get((place,))
        return None if stored is None else ModelResponse.model_validate(stored)

    async def _keep_at(self, place: str, response: ModelResponse) -> ModelResponse:
        outcome = response.to_json()
        stored = await self._journal.record((place,), outcome)
        return response if stored == outcome else ModelResponse.model_validate(stored)

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


def _plain(execution: ToolExecution) -> JsonValue:
    """Return JSON without copying the result, which is JSON already and may be large.

    Text that only spells out the structured result is left out: it is spelled out again when read.
    """
    plain = {**execution.__dict__, "blocks": [part.to_json() for part in execution.blocks]}
    structured = execution.structured
    if structured is not None and execution.content == as_text(structured):
        del plain["content"]
    return plain


def _executions(stored: JsonObject) -> tuple[ToolExecution, ...]:
    results = stored.get("results")
    return tuple(map(_execution, results)) if isinstance(results, list) else ()


def _execution(stored: JsonValue) -> ToolExecution:
    if isinstance(stored, dict) and "content" not in stored:
        stored = {**stored, "content": as_text(stored.get("structured"))}
    return ToolExecution.model_validate(stored)

"""An agent's loop walked again over what is recorded of it: by the loop's own code, calling nothing.

What a language model said and what tools brought is taken as it was. Everything else is made anew, by the
code, prompts, tools and rules of now: what the model would be asked, what rules reply, which calls are
made and with which arguments, when the loop stops, and what it answers. The walk ends at the first
difference.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NoReturn

from weft.core import JsonObject, JsonValue, Path, Record, Result, RunId, ToolCall, dumps
from weft.core.errors import CanceledError
from weft.events import Event
from weft.loop.differing import Difference, difference_in, first_difference, in_a_line
from weft.loop.invocation import Setup
from weft.loop.model_in_use import why_replaced
from weft.loop.peer import Peer, Replayable, Task
from weft.loop.steps import CLOSING, executions_in
from weft.models import (
    MODEL_ERRORS,
    ModelResponse,
    NoApplicableToolError,
    StandIn,
)
from weft.runs import LocalJournal

MODEL_CALL, TOOL_CALL, END = "agent.model.completed", "agent.tool.completed", "agent.terminate"
NOT_BY_ITSELF = frozenset(
    {
        "budget_exhausted",
        "deadline",
        "deadline_exceeded",
        "internal",
        "owner_lost",
        "poison",
        "store_unavailable",
        "time_budget",
        *(error.code for error in MODEL_ERRORS if error is not NoApplicableToolError),
    }
)
"""Why something failed that would not fail so again, or not for what it was given."""
NOT_HELD = frozenset({"usage"})
"""What it took is no part of what came of it."""
_ONLY_IN_WORDS = frozenset(Result.model_fields) - {"status", "parts", "claims", "stop_reason"}
NOTHING = "nothing"
MESSAGE = "message"
"""The member of a step that is a reply."""


class LoopReplay(Record):
    """What came of walking one agent's loop again."""

    turns: int = 0
    """How many replies were walked."""
    calls: int = 0
    """How many tool calls were."""
    difference: Difference | None = None
    not_compared: str = ""
    """Why it was not walked to its end or its first difference; empty where it was."""


@dataclass(frozen=True, slots=True)
class LoopRecord:
    """What is written down of one agent's work."""

    run_id: RunId
    steps: Mapping[Path, JsonObject]
    result: Result
    root_id: str = ""
    thread_id: str = ""
    whole: bool = True
    """False where the result is what others made of the agent's own: then less of it is compared."""

    @property
    def unfit(self) -> str:
        """Return why there is nothing to hold a replay against; empty where there is."""
        result = self.result
        if result.status not in {"completed", "failed"}:
            return f"it is {result.status}, and did not end by itself"
        if result.stop_reason is None:
            why = result.reasons[0].message if result.reasons else "there is none"
            return f"no agent's loop stands behind its answer: {why}"
        ends = {reason.code for reason in result.reasons[:1]} if not result.ok else set()
        if by := (ends | {result.stop_reason}) & NOT_BY_ITSELF:
            return f"it ended by {min(by)}, which what it was given does not bring about"
        return ""


async def replayed_loop(
    peer: Peer, record: LoopRecord, task_of: Callable[["ReplayJournal"], Task]
) -> LoopReplay:
    """Return how `peer` would do now what is recorded; `task_of` makes its task over a journal."""
    if record.unfit:
        return LoopReplay(not_compared=record.unfit)
    if not isinstance(peer, Replayable):
        return LoopReplay(not_compared=f"{peer.name} is no agent that can be walked again")
    journal = ReplayJournal(record)
    return journal.came_to(await peer.replay(task_of(journal)))


def replay_view(
    run_id: str,
    loops: Sequence[tuple[Path, str, LoopReplay]],
    difference: Difference | None = None,
) -> JsonObject:
    """Return what a reader is told of loops by their places and agents, and of what was made of them.

    `same` is null where nothing differs and not all was compared.
    """
    agents: list[JsonValue] = []
    differences: list[Difference] = []
    for path, agent, loop in loops:
        placed = None if loop.difference is None else loop.difference.below(path)
        differences += [] if placed is None else [placed]
        shown = loop.model_copy(update={"difference": placed})
        agents.append({**shown.to_json(), "path": [*path], "agent": agent})
    # What an agent does otherwise comes before what is made of its outcome.
    first = next(iter(differences), difference)
    gaps = any(loop.not_compared for _, _, loop in loops)
    return {
        "run_id": run_id,
        "same": False if first is not None else None if gaps else True,
        "difference": None if first is None else first.to_json(),
        "agents": agents,
    }


class ReplayJournal(LocalJournal):
    """Holds what is written down against what is recorded; it keeps nothing and tells nobody."""

    def __init__(self, record: LoopRecord) -> None:
        super().__init__(run_id=record.run_id, thread_id=record.thread_id)
        self.root_id = record.root_id or record.run_id
        self.record_of = record
        self.difference: Difference | None = None
        self.gap = ""
        """Why the walk could not go on."""
        self.seen: set[str] = set()
        """Steps that came out the same."""
        self.replies: set[str] = set()
        """Where somebody replied."""
        self.calls = 0

    @property
    def replaced(self) -> str | None:
        """Why rules went on in place of a model; None where nobody had to."""
        return why_replaced(self.record_of.result.reasons)

    def argument(self, name: str) -> JsonValue:
        """Return what the first call brought along as `name`; None where none did."""
        for outcome in self.record_of.steps.values():
            for call in calls_in(outcome):
                if name in call.arguments:
                    return call.arguments[name]
        return None

    def restaged(self, setup: Setup) -> Setup:
        """Return the setup without what it remembers of models for the work that goes on here."""
        stand_in = setup.config.stand_in
        fresh = None if stand_in is None else StandIn(stand_in.model)
        return replace(setup, config=replace(setup.config, stand_in=fresh))

    def differ(self, place: str, event: str, what: str, recorded: str, replayed: str) -> NoReturn:
        """End the walk at its first difference."""
        self.difference = self.difference or Difference(
            path=(place,), event=event, what=what, recorded=recorded, replayed=replayed
        )
        raise CanceledError("the replay is over: it came out otherwise")

    def give_up(self, why: str) -> NoReturn:
        """End the walk where nothing is recorded to go on with."""
        self.gap = self.gap or why
        raise CanceledError("the replay is over: it cannot go on")

    async def record(
        self, path: Path, outcome: JsonObject, events: Sequence[Event] = ()
    ) -> JsonObject:
        del events
        place = path[0]
        stored = self.record_of.steps.get(path)
        made = _made(outcome)
        event = _event_of(outcome)
        if stored is None:
            self.differ(place, event, "what is done", NOTHING, _in_words(made))
        kept = _made(stored)
        if kept != made:
            self.differ(place, event, "what is done", *first_difference(kept, made))
        self.seen.add(place)
        if event == MODEL_CALL:
            self.replies.add(place)
        return stored

    def came_to(self, result: Result) -> LoopReplay:
        """Return what the walk came to, which ended with `result`."""
        difference = self.difference
        if difference is None and not self.gap:
            difference = self._left_out() or self._ended_otherwise(result)
        return LoopReplay(
            turns=len(self.replies), calls=self.calls, difference=difference, not_compared=self.gap
        )

    def _ended_otherwise(self, result: Result) -> Difference | None:
        but = NOT_HELD if self.record_of.whole else _ONLY_IN_WORDS
        return difference_in(self.record_of.result, result, event=END, but=but)

    def _left_out(self) -> Difference | None:
        """Return the first step that was made then and is not made now."""
        for path, outcome in self.record_of.steps.items():
            if len(path) == 1 and path[0] not in self.seen and _is_of_loop(path[0]):
                return Difference(
                    path=path,
                    event=_event_of(outcome),
                    what="what is done",
                    recorded=_in_words(_made(outcome)),
                    replayed=NOTHING,
                )
        return None


def calls_in(outcome: JsonObject) -> tuple[ToolCall, ...]:
    """Return the calls of a stored reply."""
    if MESSAGE not in outcome:
        return ()
    return ModelResponse.model_validate(outcome).message.tool_calls


def _made(outcome: JsonObject) -> JsonObject:
    """Return what a step says, without what it took and when that was."""
    if MESSAGE in outcome:
        message = ModelResponse.model_validate(outcome).message
        calls: list[JsonValue] = [
            {"name": call.name, "arguments": call.arguments} for call in message.tool_calls
        ]
        return {"calls": calls, "text": message.content}
    results: list[JsonValue] = [
        {"call": execution.name, "result": execution.content}
        for execution in executions_in(outcome)
    ]
    return {"results": results}


def _in_words(made: JsonObject) -> str:
    """Return in a line what a step does."""
    calls, results = made.get("calls"), made.get("results")
    listed = calls if isinstance(calls, list) and calls else results
    if isinstance(listed, list):
        return in_a_line("; ".join(dumps(entry).decode() for entry in listed))
    return in_a_line(made.get("text"))


def _event_of(outcome: JsonObject) -> str:
    return MODEL_CALL if MESSAGE in outcome else TOOL_CALL


def _is_of_loop(place: str) -> bool:
    return place == CLOSING or place.partition("#")[0] in {"think", "execute", "repair"}

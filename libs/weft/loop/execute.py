"""The tools' turn: the calls of one reply, at once or in order, folded in call order."""

import asyncio
import math
import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

import anyio

from weft.core import Interrupt, JsonObject, JsonValue, Message, Part, ToolCall, Usage
from weft.core.errors import WeftError
from weft.core.storable import storable_json
from weft.loop.call_events import call_asks, call_ended, call_started
from weft.loop.state import AgentState
from weft.loop.think import Tell
from weft.runs import Journal
from weft.tools import ToolContext, ToolExecution, ToolOutcome, ToolRegistry
from weft.tools.background import INTERRUPT_GRACE, EffectHost, Underway
from weft.tools.calling import CallLimits, call_by_name, failed_call
from weft.tools.interrupts import InterruptRaised

CANCELED = "canceled before it ended"
ITSELF = "CancelledError: the tool cancelled the task it ran in"
CUT = "the reply was cut at its length limit inside the calls; nothing was called"
NOT_STARTED = "not called: another call of this reply stopped the run first"

_REPORTED: Mapping[str, str] = {
    "ok": "done",
    "not_done": "not_started",
    "refused": "not_started",
    "error": "unknown",
    "timeout": "unknown",
}
"""Of a call that failed nobody can tell whether its body took effect."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hands:
    """What calls are made with."""

    tools: ToolRegistry
    journal: Journal
    host: EffectHost | None
    """Where effects go on after their call was given up; None without idempotent tools."""
    context: ToolContext
    spend: Callable[[str, Usage], None]
    """Takes what agents behind a call spent, by the call's id."""
    limits: CallLimits
    width: int
    """How many calls run at once."""
    report: dict[str, JsonObject]
    """What became of each call so far, by its id."""


@dataclass(frozen=True, slots=True)
class Executed:
    """What became of a reply's calls."""

    state: AgentState
    executions: tuple[ToolExecution, ...]
    """In call order; calls that wait for an answer are not among them."""
    interrupt: Interrupt | None = None
    asking: tuple[str, ...] = ()
    """The calls to be made again once there are answers."""


async def execute(
    state: AgentState,
    calls: Sequence[ToolCall],
    hands: Hands,
    tell: Tell,
    results: dict[str, ToolExecution],
) -> Executed:
    """Make the calls that `results` does not know yet, and add theirs to it as they end.

    Raises:
        WeftError: The run cannot go on: an effect cannot be recorded, or the claim is lost.
    """
    batch = _Batch(hands, tell, results)
    todo = [call for call in calls if call.id not in results]
    if todo:
        await batch.make_all(todo)
    if batch.failure is not None:
        raise batch.failure
    executions = tuple(results[call.id] for call in calls if call.id in results)
    if batch.interrupt is not None:
        return Executed(state, executions, batch.interrupt, tuple(batch.asking))
    return Executed(with_results(state, executions), executions)


def spending(calls: Sequence[ToolCall], tools: ToolRegistry) -> int:
    """Return how many of the calls may hand a part of the budget on; what only reads does not."""
    called = [tools.get(call.name) for call in calls]
    return sum(1 for tool in called if tool and (tool.resumes or not tool.only_reads))


def reported(
    calls: Mapping[str, JsonObject], tools: ToolRegistry, *, durable: bool
) -> Iterator[JsonObject]:
    """Yield what became of calls; a durable journal itself knows those of its ledger.

    Calls that only read are none of them: nothing outside can be in doubt. Calls with steps of
    their own are told by these.
    """
    for effect in calls.values():
        tool = None if "path" in effect else tools.get(str(effect["tool"]))
        if tool is None or not (tool.only_reads or tool.resumes or (durable and tool.idempotent)):
            yield effect


def with_results(state: AgentState, executions: Sequence[ToolExecution]) -> AgentState:
    """Return the state with the results of a reply, in call order."""
    messages = [
        Message(
            role="tool",
            content=execution.content,
            tool_call_id=execution.tool_call_id,
            name=execution.name,
            parts=_parts(execution),
        )
        for execution in executions
    ]
    return state.with_messages(*messages).with_tool_execution(*executions)


def _parts(execution: ToolExecution) -> tuple[Part, ...]:
    """Return what goes with the text: the whole of a shortened result, for whoever reads data."""
    if not execution.shortened or execution.structured is None:
        return execution.blocks
    return (*execution.blocks, Part(data=execution.structured))


def unstarted(
    calls: Sequence[ToolCall], why: str, *, outcome: ToolOutcome = "error"
) -> dict[str, ToolExecution]:
    """Return error results for calls that are not made."""
    return {call.id: failed_call(call, why, outcome=outcome) for call in calls}


def canceled(
    state: AgentState, calls: Sequence[ToolCall], results: Mapping[str, ToolExecution]
) -> AgentState:
    """Return the state with the results that were there when the run was stopped."""
    ended = [
        results.get(call.id) or failed_call(call, CANCELED, outcome="canceled") for call in calls
    ]
    return with_results(state, ended)


class _Noted(EffectHost):
    """Remembers whether its one call began an effect on the run's own host."""

    def __init__(self, host: EffectHost) -> None:
        super().__init__()
        self._host = host
        self.begun = False

    def start(self, work: Callable[[], Awaitable[None]]) -> Underway:
        self.begun = True
        return self._host.start(work)


@dataclass(slots=True)
class _Running:
    scope: anyio.CancelScope
    host: _Noted | None

    def stop(self) -> None:
        """End the call now, or soon if its effect has begun."""
        if self.host is not None and self.host.begun:
            self.scope.deadline = anyio.current_time() + INTERRUPT_GRACE
        else:
            self.scope.cancel()


@dataclass(slots=True)
class _Batch:
    """The calls of one reply while they run."""

    hands: Hands
    tell: Tell
    results: dict[str, ToolExecution]
    interrupt: Interrupt | None = None
    asking: list[str] = field(default_factory=list)
    failure: WeftError | None = None
    _running: dict[str, _Running] = field(default_factory=dict)
    _heard: set[str] = field(default_factory=set)
    """Calls of which an agent behind them said what became of its work."""

    async def make_all(self, calls: Sequence[ToolCall]) -> None:
        """Make the calls, each in a task of its own, as many at once as there is room for."""
        # Also a single call: a body that cancels its own task must not cancel the run's.
        room = anyio.Semaphore(self.hands.width)
        async with anyio.create_task_group() as group:
            for call in calls:
                group.start_soon(self._in_turn, call, room)

    async def _in_turn(self, call: ToolCall, room: anyio.Semaphore) -> None:
        async with room:
            await self._make(call)

    async def _make(self, call: ToolCall) -> None:
        """Make one call and keep its result, unless the run stopped already."""
        if self.interrupt is not None or self.failure is not None:
            self.results[call.id] = failed_call(call, NOT_STARTED, outcome="canceled")
            self._report(call, "not_started")
            return
        span_id = secrets.token_hex(8)
        self._report(call, "unknown")
        self.tell(call_started(call, span_id))
        ended = failed_call(call, CANCELED, outcome="canceled")
        try:
            ended = await self._called(call, span_id) or ended
        finally:
            self._tell_end(call, span_id, ended)
        if call.id not in self.asking:
            self.results[call.id] = ended

    async def _called(self, call: ToolCall, span_id: str) -> ToolExecution | None:
        """Return the call's result; None if it was stopped, or asks."""
        hands = self.hands
        host = None if hands.host is None else _Noted(hands.host)
        running = self._running[call.id] = _Running(anyio.CancelScope(), host)
        try:
            with running.scope:
                return await call_by_name(
                    hands.tools,
                    call,
                    _placed(hands, call, span_id, self.hear),
                    journal=hands.journal,
                    host=host,
                    limits=hands.limits,
                )
        except InterruptRaised as raised:
            self.asking.append(call.id)
            self.interrupt = self.interrupt or _storable(raised.interrupt)
            self._stop_others(call)
        except WeftError as error:
            self.failure = self.failure or error
            self._stop_others(call)
        except asyncio.CancelledError:
            if not _canceled_itself():
                raise
            return failed_call(call, ITSELF)
        finally:
            del self._running[call.id]
        return None

    def _stop_others(self, call: ToolCall) -> None:
        for call_id, running in self._running.items():
            if call_id != call.id:
                running.stop()

    def _tell_end(self, call: ToolCall, span_id: str, ended: ToolExecution) -> None:
        asks = call.id in self.asking
        if ended.outcome != "canceled" or call.id not in self._heard:
            self._report(call, "not_started" if asks else ended.outcome)
        self.tell(call_asks(call, span_id) if asks else call_ended(ended, span_id))

    def hear(self, call: ToolCall, said: JsonValue) -> None:
        """Keep what an agent behind the call says of its end, and of what it had others do."""
        self._heard.add(call.id)
        report = said if isinstance(said, dict) else {}
        self._report(call, str(report.get("outcome") or "unknown"))
        listed = [report.get(name) for name in ("outcomes", "effects")]
        parts = [part for some in listed if isinstance(some, list) for part in some]
        for number, part in enumerate(part for part in parts if isinstance(part, dict)):
            path = part.get("path")
            below: list[JsonValue] = [call.id, *(path if isinstance(path, list) else [])]
            self.hands.report[f"{call.id}/{number}"] = {**part, "path": below}

    def _report(self, call: ToolCall, outcome: str) -> None:
        """Keep current what a cancelled run says of this call."""
        outcome = _REPORTED.get(outcome, outcome)
        self.hands.report[call.id] = {"id": call.id, "tool": call.name, "outcome": outcome}


def _canceled_itself() -> bool:
    """Tell whether this call's task was cancelled by nobody who may, and take that back if so.

    Whoever stops a call or a run does it by a scope around the task.
    """
    task = asyncio.current_task()
    if task is None or anyio.current_effective_deadline() == -math.inf:
        return False
    while task.cancelling():
        task.uncancel()
    return True


def _storable(interrupt: Interrupt) -> Interrupt:
    return Interrupt.model_validate(storable_json(interrupt.to_json()))


def _placed(
    hands: Hands, call: ToolCall, span_id: str, hear: Callable[[ToolCall, JsonValue], None]
) -> ToolContext:
    """Return the run's context for one call; `replace` would cost three times as much."""
    context = hands.context
    return ToolContext(
        run_id=context.run_id,
        thread_id=context.thread_id,
        agent_id=context.agent_id,
        iteration=context.iteration,
        tool_call_id=call.id,
        tool_name=call.name,
        span_id=span_id,
        authority=context.authority,
        metadata=context.metadata,
        messages=context.messages,
        confidence=context.confidence,
        path=context.path,
        place=context.place,
        journal=context.journal,
        answers=context.answers,
        clock=context.clock,
        emit=context.emit,
        spend=partial(hands.spend, call.id),
        report=partial(hear, call),
    )

"""The only loop: think, execute, reflect, terminate, for fresh and for recovered runs.

It owns the clock, the counters and cancellation. Phases take a frozen state and return the next.
"""

import logging
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import partial

import anyio.lowlevel

from weft.core import NO_USAGE, JsonObject, Message, ToolCall, Usage
from weft.core.contained import contained
from weft.core.errors import WeftError
from weft.events import ErrorData
from weft.loop.citing import cited_answer, told_findings
from weft.loop.event_sink import Outlet
from weft.loop.events import ModelRetried, ModelRetryData
from weft.loop.execute import (
    CUT,
    Executed,
    Hands,
    canceled,
    execute,
    reported,
    spending,
    unstarted,
    with_results,
)
from weft.loop.final_answer import final_message, last_words
from weft.loop.forming import NO_TOOLS_NOW, not_by_rules, not_of_form, read_in, sent_back
from weft.loop.given import GivenArguments
from weft.loop.invocation import Invocation, Setup
from weft.loop.limits import AgentLimits
from weft.loop.model_in_use import ModelInUse
from weft.loop.opening import FIRST, opening_reply
from weft.loop.output import ParsedOutput
from weft.loop.reflect import Memory, reflect
from weft.loop.request_digest import RequestDigest, RunDigests
from weft.loop.result import OUTPUT_INVALID, AgentResult
from weft.loop.start import UNKNOWN_OUTCOME, blank_state, first_state
from weft.loop.state import AgentState
from weft.loop.steps import CLOSING, OpenQuestion, Steps, repair_place, think_place
from weft.loop.stopping import Stopping
from weft.loop.terminate import (
    LIMITS,
    OUT_OF_RESOURCES,
    Moment,
    Stop,
    ends_run,
    failed,
    interrupt_event,
    reminder,
    terminal_event,
    terminate,
)
from weft.loop.think import (
    ANSWER_NOW,
    ThinkOptions,
    Thought,
    tell_thought,
    think,
    with_reply,
)
from weft.loop.time_limits import Wakeup
from weft.models import NO_TOKENS, GeneratedBy, ModelError, ModelResponse, schema_in_words
from weft.termination import TimeLimit
from weft.tools import ToolContext, ToolExecution
from weft.tools.background import EffectHost
from weft.tools.builtin import ask_user
from weft.tools.calling import CallLimits
from weft.tools.rendering import ResultLimit

logger = logging.getLogger(__name__)

EMPTY_ANSWER = ErrorData(code="empty_answer", message="the model replied with nothing, twice")
INTERNAL = ErrorData(code="internal", message="the agent failed because of a bug; see its log")


@dataclass(frozen=True, slots=True)
class Calling:
    """The calls of a reply, while they are under way."""

    thought: Thought
    results: dict[str, ToolExecution]
    """What is known of them so far, by call."""


class Driver:
    """One run of an agent, from its prompt or its last durable step to its end."""

    def __init__(
        self,
        setup: Setup,
        invocation: Invocation,
        outlet: Outlet,
        stopping: Stopping,
        steps: Steps | None = None,
    ) -> None:
        """`steps` are those of a run that is walked again; None are the ones of its journal."""
        self._setup = setup
        self._invocation = invocation
        self._outlet = outlet
        self._clock = setup.clock
        self._began = setup.clock.monotonic()
        self._stopping = stopping
        self._generated_by: GeneratedBy = setup.model.capabilities.generated_by
        self._model = ModelInUse(setup.model, setup.config, invocation.metadata)
        self._steps = steps or Steps(invocation.journal)
        self._digests = RunDigests()
        self._limits = AgentLimits.of(setup.config, invocation, setup.clock)
        self._memory = Memory(
            setup.config.tool_loop_threshold,
            with_reflexion=setup.config.reflexion_config is not None,
        )
        self._state = blank_state(setup, invocation)
        self._given = GivenArguments.of(setup.tools, self._state.metadata)
        self._output: ParsedOutput | None = None
        self._calling: Calling | None = None
        idempotent = any(tool.idempotent for tool in setup.tools)
        self._host = EffectHost() if idempotent else None
        self._children: dict[str, Usage] = {}  # what agents behind calls spent
        self._calls: dict[str, JsonObject] = {}
        self._wakeup = Wakeup(setup.stop_when, self._timed, stopping.give_up)

    @property
    def run_id(self) -> str:
        return self._invocation.run_id

    @property
    def thread_id(self) -> str:
        return self._invocation.thread_id

    @property
    def report(self) -> JsonObject:
        """What became of each tool call so far."""
        held, tools = self._invocation.journal.held, self._setup.tools
        return {"effects": [*reported(self._calls, tools, durable=held is not None)]}

    @property
    def spent(self) -> Usage:
        """What the run took so far, agents behind its calls included."""
        return self._state.usage + sum(self._children.values(), NO_USAGE)

    async def run(self) -> AgentResult:
        """Drive the run to its end; a failure is a result."""
        try:
            with self._stopping.working() as anything_to_do:
                if anything_to_do:
                    async with self._host or nullcontext():
                        self._stopping.decide(await self._decided())
        finally:
            self._wakeup.disarm()
            self._invocation.journal.report = self.report
            self._invocation.journal.spent = self.spent
        return self._ended()

    async def _decided(self) -> Stop:
        """Go on until there is a reason to stop; what goes wrong is one."""
        try:
            with contained():
                self._state = await first_state(
                    self._state, self._setup, self._invocation, given=self._given
                )
                self._wakeup.arm(self._moment())
                stop = None
                while stop is None:
                    stop = await self._iteration()
                return stop
        except WeftError as error:
            if isinstance(error, ModelError) and error.usage != NO_TOKENS:
                self._state = self._state.with_token_usage(error.usage)
            stop = failed(error)
            if stop.error is not None:
                fields = {"run_id": self.run_id, "code": error.code, "error": str(error)}
                logger.warning("agent.failed", extra={**fields, "model": self._setup.model.name})
            return stop
        except Exception:
            # The edge of a run: a model's or a plug-in's bug ends this run only.
            logger.exception("agent.failed", extra={"run_id": self.run_id})
            return Stop("error", INTERNAL.message, error=INTERNAL)

    async def _iteration(self) -> Stop | None:
        """Think, execute, reflect; return why the run stops, if it does."""
        config = self._setup.config
        # A tool that shields itself may end after the cancel; no model call follows it.
        await anyio.lowlevel.checkpoint_if_cancelled()
        # What was replied is spent already, and the run went on, whatever is left by now.
        replied = self._steps.was_replied(self._state.iteration + 1)
        if not replied and (stop := await self._exhausted()):
            return stop
        thought = await self._think(self._state.next_iteration())
        self._state = thought.state
        if thought.empty:
            return Stop("error", EMPTY_ANSWER.message, error=EMPTY_ANSWER)
        executed = await self._execute(thought)
        if executed.interrupt is not None:
            question = executed.interrupt
            return Stop("interrupted", question.message, interrupts=(question,))
        state = executed.state.with_child_usage(self._taken_usage())
        reflected = reflect(state, executed.executions, self._memory, self._outlet.tell)
        self._state = reflected.state.but(updated_at=self._clock.now())
        moment = self._moment(thought.reply, loops_on=reflected.loops_on)
        self._wakeup.arm(moment)
        went_on = self._steps.was_replied(self._state.iteration + 1)
        stop = None if went_on else await terminate(self._setup.stop_when, moment)
        if stop is not None:
            return await self._formed(await self._closed(stop, thought.reply), thought)
        if config.completion_mode == "explicit" and not thought.reply.tool_calls:
            names = [tool.name for tool in self._setup.tools if ends_run(tool, config)]
            self._state = self._state.with_message(reminder(names))
        return None

    async def _exhausted(self) -> Stop | None:
        """Return why no model call may start."""
        seconds = self._setup.config.time_budget_seconds
        limits = LIMITS if seconds is None else LIMITS | TimeLimit(seconds)
        return await terminate(limits, self._moment())

    async def _think(self, state: AgentState) -> Thought:
        opening = self._opening(state)
        place = think_place(state.iteration)
        if opening is None or self._steps.reply(place) is not None:
            return await self._replied(state, self._ask(), place)
        thought = with_reply(state, opening)
        tell_thought(thought, self._outlet.tell)
        self._generated_by = thought.response.generated_by
        return await self._kept(thought, state, self._ask(), place, None)

    async def _replied(self, state: AgentState, ask: ThinkOptions, place: str) -> Thought:
        """Return the reply that an earlier owner of the run got at `place`, or a new one."""
        stored = self._steps.reply(place)
        if stored is None:
            thought = await self._asked(state, ask, place)
        else:
            thought = with_reply(state, stored, ask.check)
        self._generated_by = thought.response.generated_by
        return thought

    async def _asked(self, state: AgentState, ask: ThinkOptions, place: str) -> Thought:
        """Ask the model, or, once it gives no answer, who stands in for it."""
        tell = self._outlet.tell
        while True:
            now = self._model.asked(ask, tell)
            by_rules = now.model.capabilities.by_rules
            digest = None if by_rules else self._digests.of(now, state)
            try:
                now = self._steps.asked(place, now, digest, state)
                thought = await think(state, now, tell)
            except ModelError as error:
                state = self._model.gave_up(error, state, tell)
            else:
                self._model.answered()
                return await self._kept(thought, state, ask, place, digest)

    async def _kept(
        self,
        thought: Thought,
        state: AgentState,
        ask: ThinkOptions,
        place: str,
        digest: RequestDigest | None,
    ) -> Thought:
        """Make the reply durable where it must not be lost, and return the stored one."""
        explicit = self._setup.config.completion_mode == "explicit"
        again = not thought.reply.tool_calls and thought.response.generated_by == "rules"
        if thought.empty or (again and not explicit):
            return thought
        kept = await self._steps.keep_reply(place, thought.raw, digest)
        return thought if kept is thought.raw else with_reply(state, kept, ask.check)

    def _opening(self, state: AgentState) -> ModelResponse | None:
        """Return the calls that are made before the model is asked, in the first turn only."""
        names = self._setup.config.opening_tools
        if state.iteration != FIRST or not names:
            return None
        return opening_reply(names, self._setup.tools, self._given, run_id=self.run_id)

    async def _execute(self, thought: Thought) -> Executed:
        calls, state = thought.reply.tool_calls, thought.state
        if not calls:
            return Executed(state, ())
        stored = self._steps.results(state.iteration)
        if stored is not None:
            self._children |= self._steps.spent(state.iteration)
            return Executed(with_results(state, stored), stored)
        question = self._steps.question(state.iteration)
        self._children |= question.spent
        self._calling = calling = Calling(thought, self._known(thought, question))
        again = [call for call in calls if call.id in question.asking - calling.results.keys()]
        if any(map(self._only_once, again)):
            await self._steps.begin_again(state.iteration)
        hands = self._hands(calls)
        executed = await execute(state, calls, hands, self._outlet.tell, calling.results)
        if executed.interrupt is not None:
            so_far = executed.executions, executed.asking, self._children
            await self._steps.keep_asked(state.iteration, *so_far)
            self._calling = None
            return executed
        kept = await self._steps.keep_results(state.iteration, executed.executions, self._children)
        self._calling = None
        if kept is not executed.executions:
            return Executed(with_results(state, kept), kept)
        return executed

    def _known(self, thought: Thought, question: OpenQuestion) -> dict[str, ToolExecution]:
        """Return the results of calls that must not be made (again)."""
        calls, iteration = thought.reply.tool_calls, thought.state.iteration
        if thought.cut:
            return unstarted(calls, CUT)
        if not self._steps.was_replied(iteration):
            return dict(question.results)
        redone = frozenset() if self._steps.was_begun_again(iteration) else question.asking
        lost = [call for call in calls if call.id not in redone and self._only_once(call)]
        return {**unstarted(lost, UNKNOWN_OUTCOME, outcome="unknown"), **question.results}

    def _only_once(self, call: ToolCall) -> bool:
        """Tell whether making the call a second time might do something a second time."""
        tool = self._setup.tools.get(call.name)
        if tool is None or tool.idempotent or tool.only_reads or tool.resumes:
            return False
        return tool.fn is not ask_user.fn

    async def _closed(self, stop: Stop, reply: Message) -> Stop:
        """Ask for a last word where the run would end without one, and there is something left."""
        if self._invocation.form is None:
            self._stopping.decide(stop)
        if reply.content.strip() or stop.reason in OUT_OF_RESOURCES | {"error"}:
            return stop
        if final_message(stop, self._state, self._setup.tools) or await self._exhausted():
            return stop
        ask = self._ask()
        ask = replace(ask, tools=(), guidance=(*ask.guidance, ANSWER_NOW), insist=False)
        try:
            self._state = (await self._replied(self._state, ask, CLOSING)).state
        except WeftError as error:
            logger.warning("agent.closing_call_failed", extra={"code": error.code})
        return stop

    async def _formed(self, stop: Stop, thought: Thought) -> Stop:
        """Return the stop once the answer is of the form it must have, else that it is not."""
        form = self._invocation.form
        if form is None or not stop.success:
            return stop
        retries, number = self._setup.config.output_schema_retries, 0
        text = final_message(stop, self._state, self._setup.tools)
        while isinstance(fault := read_in(form, text), str):
            if self._generated_by == "rules":
                return not_by_rules(fault, instead=self._model.replaced is not None)
            if number == retries:
                return not_of_form(fault, replies=number + 1)
            if over := await self._exhausted():
                return over
            number += 1
            self._state = self._state.with_message(sent_back(fault, thought.response))
            thought = await self._repaired(number)
            self._state, text = thought.state, thought.reply.content
        self._output = fault
        return stop

    async def _repaired(self, number: int) -> Thought:
        """Return the answer that went back to its model for the `number`th time."""
        place = repair_place(number)
        if self._steps.reply(place) is None:
            retry = ModelRetryData(
                attempt=number + 1,
                max_retries=self._setup.config.output_schema_retries,
                reason=OUTPUT_INVALID,
                model=self._setup.model.name,
            )
            self._outlet.tell(ModelRetried(data=retry))
        thought = await self._replied(self._state, replace(self._ask(), tools=()), place)
        if not thought.reply.tool_calls:
            return thought
        # Nobody offered any; a call without its result would spoil the conversation.
        results = unstarted(thought.reply.tool_calls, NO_TOOLS_NOW)
        return replace(thought, state=with_results(thought.state, tuple(results.values())))

    def _ask(self) -> ThinkOptions:
        config, left = self._setup.config, self._limits.left(self._state)
        caps = [cap for cap in (config.max_tokens, left.tokens) if cap is not None]
        model, executions = self._setup.model, self._state.tool_executions
        form = self._invocation.form
        cites = config.cites_findings and form is None
        guidance = told_findings(executions) if cites else ()
        if form is not None and not model.capabilities.structured:
            guidance = (schema_in_words(form.schema),)
        return ThinkOptions(
            model=model,
            clock=self._clock,
            tools=self._setup.specs,
            given=self._given,
            temperature=config.temperature,
            max_tokens=min(caps, default=None),
            deadline=self._limits.deadline_for_calls(),
            retry=config.model_retry,
            stream=self._outlet.heard and model.capabilities.stream,
            metadata=self._state.metadata,
            output_schema=None if form is None else form.schema,
            guidance=guidance,
            check=partial(cited_answer, executions=executions) if cites else None,
        )

    def _hands(self, calls: Sequence[ToolCall]) -> Hands:
        config, invocation, state = self._setup.config, self._invocation, self._state
        context = ToolContext(
            run_id=invocation.run_id,
            thread_id=invocation.thread_id,
            agent_id=self._setup.agent_id,
            iteration=state.iteration,
            authority=self._limits.for_calls(state, over=spending(calls, self._setup.tools)),
            metadata=state.metadata,
            messages=state.messages,
            confidence=state.confidence,
            place=invocation.journal.path,
            journal=invocation.journal,
            answers=invocation.answers,
            clock=self._clock,
            emit=self._outlet.tell,
        )
        limit = ResultLimit(
            config.max_tool_result_length,
            config.tool_result_head_fraction,
            config.tool_result_store,
        )
        return Hands(
            tools=self._setup.tools,
            journal=invocation.journal,
            host=self._host,
            spend=self._spend,
            context=context,
            limits=CallLimits(config.tool_timeout, limit),
            report=self._calls,
            width=1 if config.tool_execution == "sequential" else config.max_concurrency,
        )

    def _taken_usage(self) -> Usage:
        spent, self._children = sum(self._children.values(), NO_USAGE), {}
        return spent

    def _spend(self, call_id: str, usage: Usage) -> None:
        self._children[call_id] = self._children.get(call_id, NO_USAGE) + usage

    def _moment(self, reply: Message | None = None, *, loops_on: bool = False) -> Moment:
        """Return what the conditions see now."""
        state = self._state
        return Moment(
            iteration=state.iteration,
            seconds=self._clock.monotonic() - self._began,
            remaining_seconds=self._limits.until_deadline(self._clock),
            tokens=state.total_tokens_used,
            cost_usd=state.cost_usd_used or 0.0,
            confidence=state.confidence,
            last_text="" if reply is None else reply.content,
            last_had_calls=None if reply is None else bool(reply.tool_calls),
            calls=self._memory.calls,
            remaining_budget=self._limits.left(state),
            loops_on=loops_on,
        )

    def _timed(self, moment: Moment) -> Moment:
        """Return `moment` with the time of now."""
        seconds = self._clock.monotonic() - self._began
        return replace(
            moment, seconds=seconds, remaining_seconds=self._limits.until_deadline(self._clock)
        )

    def _ended(self) -> AgentResult:
        """Return the result, having told the last event."""
        stop = self._stopping.stop
        if (calling := self._calling) is not None:
            calls = calling.thought.reply.tool_calls
            self._state = canceled(calling.thought.state, calls, calling.results)
        self._state = self._state.with_child_usage(self._taken_usage())
        if stop.error is not None:
            self._state = self._state.with_error(stop.error.message)
        output = self._output if stop.success else None
        message = (
            last_words(stop, self._state, self._setup.tools) if output is None else output.text
        )
        if stop.interrupts:
            self._outlet.tell(interrupt_event(stop.interrupts[0]))
        else:
            self._outlet.tell(terminal_event(self._state, stop, message))
        completed_at = self._clock.now()
        return AgentResult(
            message=message,
            state=self._state.but(updated_at=completed_at),
            stop=stop,
            run_id=self.run_id,
            thread_id=self.thread_id or None,
            generated_by=self._generated_by,
            output=output,
            replaced=self._model.replaced,
            started_at=self._state.started_at,
            completed_at=completed_at,
            duration_ms=(self._clock.monotonic() - self._began) * 1000,
        )

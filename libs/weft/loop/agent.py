"""The agent: a model, tools and instructions, ready to run any number of times at once."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial

from typing_extensions import Unpack

from weft.checkpoint import Claimed, get_checkpointer, memory_checkpointer
from weft.core import (
    LOCAL,
    Authority,
    Budget,
    Deadline,
    JsonObject,
    JsonValue,
    Result,
    RunId,
    ToolSpec,
    TraceContext,
    name_digest,
    new_run_id,
    parts_of,
)
from weft.core.errors import ConfigError, InputError, WeftError
from weft.core.storable import storable_json
from weft.events import Envelope, Event
from weft.loop.config import AgentConfig, AgentOptions, SystemPrompt, configured
from weft.loop.driver import INTERNAL, Driver
from weft.loop.event_sink import BusOutlet, Outlet, TypedOutlet, Unheard
from weft.loop.handles import AgentRun, RunControl, TaskRun
from weft.loop.invocation import Invocation, Setup
from weft.loop.opening import checked_openings
from weft.loop.output import OutputForm, output_form
from weft.loop.peer import Task
from weft.loop.recorded_steps import RecordedSteps
from weft.loop.replaying import ReplayJournal
from weft.loop.result import AgentResult, as_peer_result
from weft.loop.run_options import RunOptions, checked, kept
from weft.loop.steps import answers_in
from weft.loop.stream import LoopEvent
from weft.loop.subagent import agent_tool
from weft.loop.sync import SyncLoop
from weft.loop.terminate import stop_condition
from weft.loop.threads import Threads
from weft.loop.views import EFFECTS
from weft.models import Model
from weft.models.registry import get_model
from weft.runs import AgentRequest, LocalJournal
from weft.termination import Condition
from weft.tools import Tool, ToolRegistry
from weft.tools.builtin import ask_user, task_complete

logger = logging.getLogger(__name__)


class Agent:
    """Answers prompts with a model and tools; as a peer it takes tasks.

    It holds no state of its runs, so one agent serves any number of them at once. `aclose` closes
    the model and the checkpointer if the agent opened them itself.

    Raises:
        ConfigError: An option is unknown, out of range, or hidden by `config`.
    """

    def __init__(
        self,
        model: Model | str | None = None,
        tools: Iterable[Tool] | None = None,
        system_prompt: SystemPrompt | None = None,
        *,
        config: AgentConfig | None = None,
        **options: Unpack[AgentOptions],
    ) -> None:
        named = {"model": model, "tools": tools, "system_prompt": system_prompt}
        given = {name: value for name, value in named.items() if value is not None}
        self._config = configured(config, {**options, **given})
        self._tools = ToolRegistry(self._config.tools)
        if self._config.completion_mode == "explicit":
            self._tools.add_all(
                tool for tool in (ask_user, task_complete) if tool.name not in self._tools
            )
        schema = self._config.output_schema
        self._form = None if schema is None else output_form(schema)
        checked_openings(self._config.opening_tools, self._tools)
        self._specs, self._stop_when = self._described()
        self._opened = self._config.model is None or isinstance(self._config.model, str)
        self._model = _model(self._config)
        kept = self._config.checkpointer
        self._checkpointer = get_checkpointer(kept) if isinstance(kept, str) else kept
        self._threads: Threads | None = None
        self._active: set[RunControl] = set()
        self._sync = SyncLoop(self._config.name)

    @property
    def name(self) -> str:
        return self._config.name

    @property
    def model(self) -> Model:
        return self._model

    @property
    def tools(self) -> tuple[Tool, ...]:
        return tuple(self._tools)

    @property
    def system_prompt(self) -> SystemPrompt:
        return self._config.system_prompt

    @property
    def config(self) -> AgentConfig:
        return self._config

    @property
    def is_cancelled(self) -> bool:
        """Tell whether a run in progress was asked to stop."""
        return any(control.canceled for control in tuple(self._active))

    def run(self, prompt: str, **options: Unpack[RunOptions]) -> AgentRun:
        """Return a run that starts when it is first iterated or awaited.

        Raises:
            InputError: The prompt, thread id or metadata cannot be used.
        """
        checked(prompt, options)
        prompt, options = kept(prompt, options)
        control = RunControl(
            run_id=options.get("run_id") or new_run_id(), thread_id=options.get("thread_id")
        )
        return AgentRun(control, partial(self._answer, prompt, options, control))

    async def arun(self, prompt: str, **options: Unpack[RunOptions]) -> AgentResult:
        """Return the result.

        Raises:
            InputError: The prompt, thread id or metadata cannot be used.
            RunFailedError: The run failed; the error has its result.
        """
        return await self.run(prompt, **options)

    def run_sync(self, prompt: str, **options: Unpack[RunOptions]) -> AgentResult:
        """Return the result, blocking this thread. See `arun`."""
        return self._sync.run(lambda: self.arun(prompt, **options))

    invoke = run_sync

    def start(self, task: Task) -> TaskRun:
        """Return a run of `task`; it starts when it is first iterated or awaited."""
        # The same attempt gets the same id, so that its questions keep theirs.
        own = RunId(name_digest(task.message_id))
        run_id = own if task.journal is None else task.journal.run_id
        control = RunControl(run_id=run_id, thread_id=task.thread_id)
        return TaskRun(control, partial(self._perform, task, control))

    def replay(self, task: Task) -> TaskRun:
        """Return a walk of `task` over its journal, a `ReplayJournal`: no model or tool is called."""
        return self.start(task)

    def cancel(self, *, run_id: str | None = None, thread_id: str | None = None) -> int:
        """Stop the matching runs in progress, all without arguments; return their number."""
        controls = [
            control
            for control in tuple(self._active)
            if run_id in (None, control.run_id) and thread_id in (None, control.thread_id)
        ]
        for control in controls:
            control.cancel()
        return len(controls)

    def as_tool(self, name: str | None = None, description: str | None = None) -> Tool:
        """Return a tool with which another agent hands tasks to this one."""
        words = description or f"Hand a task to the agent {self.name!r} and get its answer."
        return agent_tool(self, name or self.name, words)

    def add_tool(self, tool: Tool) -> None:
        """Add a tool for runs that start from now on.

        Raises:
            TypeError: It is no `Tool`.
            DuplicateToolError: The name is taken.
        """
        self.add_tools([tool])

    def add_tools(self, tools: Sequence[Tool]) -> None:
        """Add all of `tools` or none. See `add_tool`."""
        self._tools.add_all(tools)
        self._specs, self._stop_when = self._described()

    async def aclose(self) -> None:
        """Cancel what runs, and close what this agent opened itself."""
        self.cancel()
        await self._sync.aclose()
        if self._opened:
            await self._model.aclose()
        if self._checkpointer is not None and self._checkpointer is not self._config.checkpointer:
            await self._checkpointer.aclose()

    def resume(
        self,
        response: JsonValue = None,
        *,
        interrupt_id: str | None = None,
        thread_id: str | None = None,
        run_id: str | None = None,
    ) -> AgentRun:
        """Return a run that goes on: with `response` as an answer, or after a crash without one.

        Awaiting it raises `InterruptAnsweredError`, `InterruptNotFoundError` or
        `NothingToResumeError` where there is nothing to answer or to go on with.
        """
        control = RunControl(run_id=run_id or "", thread_id=thread_id)
        claim = partial(
            self._durable().resume,
            storable_json(response),
            interrupt_id=interrupt_id,
            thread_id=thread_id,
            run_id=run_id,
        )
        return AgentRun(control, partial(self._kept, claim, control))

    async def _answer(
        self,
        prompt: str,
        options: RunOptions,
        control: RunControl,
        hear: Callable[[LoopEvent], None] | None,
    ) -> AgentResult:
        run_id, thread_id = RunId(control.run_id), control.thread_id
        seconds = options.get("deadline")
        authority = Authority(
            options.get("principal") or LOCAL,
            options.get("budget") or Budget(),
            trace=TraceContext.begun(),
        )
        metadata = options.get("metadata") or {}
        if self._checkpointer is None and thread_id is None and not len(self._tools):
            outlet = self._outlet(hear, run_id, "")
            invocation = Invocation(
                parts=parts_of(prompt),
                journal=LocalJournal(run_id=run_id, tell=outlet.tell),
                authority=authority.narrowed(
                    deadline=None if seconds is None else Deadline.after(seconds)
                ),
                metadata=metadata,
                form=self._form,
            )
            return await self._driven(invocation, control, outlet)
        if seconds is not None:
            # A duration: what is stored outlives the clock of this process.
            authority = authority.narrowed(budget=Budget(seconds=max(seconds, 0.0)))
        request = AgentRequest(prompt=prompt, metadata=metadata, kept=thread_id is not None)
        claim = partial(
            self._durable().accept,
            request,
            run_id=run_id,
            thread_id=thread_id or run_id,
            authority=authority,
        )
        return await self._kept(claim, control, hear)

    async def _kept(
        self,
        claim: Callable[[], Awaitable[Claimed]],
        control: RunControl,
        hear: Callable[[LoopEvent], None] | None,
    ) -> AgentResult:
        """Drive a run that a database holds, from its claim to its end."""
        threads = self._durable()
        claimed = await claim()
        control.run_id, run = claimed.held.run_id, claimed.run
        outlet = self._outlet(hear, run.run_id, run.thread_id)

        def sink(envelopes: Sequence[Envelope]) -> None:
            for envelope in envelopes:
                if envelope.type in EFFECTS:
                    outlet.tell(envelope.event())

        async with threads.opened(claimed, stop=control.cancel, sink=sink) as current:
            request, journal = current.request, current.owned.journal
            if current.owned.canceling is not None:
                control.cancel("it was cancelled")
            invocation = Invocation(
                parts=parts_of(request.prompt),
                journal=journal,
                history=current.history,
                authority=run.authority(),
                metadata=request.metadata,
                answers=answers_in(journal.steps),
                form=self._form,
            )
            try:
                result = await self._driven(invocation, control, outlet)
            except asyncio.CancelledError:
                await threads.abandon(current)
                raise
            await threads.end(current, result)
        return result if request.kept else replace(result, thread_id=None)

    def _outlet(
        self, hear: Callable[[LoopEvent], None] | None, run_id: str, thread_id: str
    ) -> Outlet:
        if hear is None:
            return Unheard()
        return TypedOutlet(hear, run_id=run_id, thread_id=thread_id, agent=self.name)

    def _durable(self) -> Threads:
        """Return where runs are kept: the configured database, else one of this process."""
        if self._threads is None:
            if self._checkpointer is None:
                self._checkpointer = memory_checkpointer()
            self._threads = Threads(self._checkpointer, self.name)
        return self._threads

    async def _perform(
        self, task: Task, control: RunControl, hear: Callable[[Event], None] | None
    ) -> Result:
        outlet: Outlet = Unheard()
        if task.journal is not None:
            outlet = BusOutlet(task.journal.emit, self.name)
        elif hear is not None:
            outlet = BusOutlet(hear, self.name)
        journal = task.journal or _local_journal(task, control, outlet)
        invocation = Invocation(
            parts=task.parts,
            journal=journal,
            history=task.history,
            authority=task.authority,
            metadata=_told(task),
            answers={**answers_in(journal.steps), **task.answers},
            form=self._form,
            grants=task.grants,
        )
        try:
            if task.output_schema is not None:
                invocation = replace(invocation, form=_form_of(task.output_schema))
            result = await self._driven(invocation, control, outlet)
        except WeftError as error:
            return Result.failed(error.code, str(error), retryable=error.retryable)
        except Exception:
            # The edge of a peer: its caller gets a result whatever breaks, and the log the trace.
            logger.exception("agent.failed", extra={"run_id": control.run_id})
            return Result.failed(INTERNAL.code, INTERNAL.message)
        if (lost := result.stop.lost_to(journal)) is not None:
            # Whoever brought the journal must hear that the run is not theirs to end.
            raise lost
        return as_peer_result(result)

    def _described(self) -> tuple[tuple[ToolSpec, ...], Condition]:
        """Return what follows from the tools: what models are told, and when runs stop."""
        return self._tools.specs, stop_condition(self._config, self._tools)

    def _setup(self, grants: Sequence[Tool]) -> Setup:
        """Return what one run works with; a tool of the agent's own comes before a granted one."""
        tools, specs, stop_when = self._tools.snapshot(), self._specs, self._stop_when
        if grants:
            tools.add_all(grant for grant in grants if grant.name not in tools)
            specs, stop_when = tools.specs, stop_condition(self._config, tools)
        return Setup(
            config=self._config, model=self._model, tools=tools, specs=specs, stop_when=stop_when
        )

    async def _driven(
        self, invocation: Invocation, control: RunControl, outlet: Outlet
    ) -> AgentResult:
        setup, steps, journal = self._setup(invocation.grants), None, invocation.journal
        if isinstance(journal, ReplayJournal):
            setup, steps = journal.restaged(setup), RecordedSteps(journal, setup.tools)
        driver = Driver(setup, invocation, outlet, control.stopping, steps)
        control.attach(driver)
        self._active.add(control)
        try:
            return await driver.run()
        finally:
            self._active.discard(control)


def _told(task: Task) -> JsonObject:
    """Return what a model is told beside the prompt; the role is the caller's plan, not its data."""
    role: JsonObject = {} if task.role is None else {"role": task.role}
    return {**task.metadata, **task.arguments, **role}


def _form_of(schema: JsonObject) -> OutputForm:
    """Return the form that a task asks for.

    Raises:
        InputError: What it brings is no JSON schema.
    """
    try:
        return output_form(schema)
    except ConfigError as error:
        raise InputError(str(error), field="output_schema") from error


def _local_journal(task: Task, control: RunControl, outlet: Outlet) -> LocalJournal:
    run_id, thread_id = RunId(control.run_id), task.thread_id or ""
    journal = LocalJournal(run_id=run_id, thread_id=thread_id, tell=outlet.tell)
    journal.root_id = task.authority.root_id or run_id
    return journal


def _model(config: AgentConfig) -> Model:
    """Return the model that the config names or holds.

    Raises:
        ConfigError: There is no such model, or a cost limit for one of unknown price.
    """
    chosen = config.model
    model = chosen if not (chosen is None or isinstance(chosen, str)) else None
    if model is None:
        name = chosen if isinstance(chosen, str) else None
        model = get_model(name, **config.model_kwargs)
    if config.max_cost_usd is not None and model.capabilities.prices is None:
        raise ConfigError(
            f"max_cost_usd needs a model of known price; {model.name!r} has none: pass prices="
        )
    return model

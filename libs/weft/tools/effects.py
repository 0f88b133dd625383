"""Effects that happen at most once: intent before the body, outcome before anybody hears of it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import anyio

from weft.checkpoint.effects import EffectOutcome, Intent
from weft.core import Interrupt, JsonValue
from weft.core.contained import EscapedError, contained, described
from weft.core.errors import (
    EffectSettledError,
    EffectUnrecordedError,
    InputError,
    StoreUnavailableError,
)
from weft.runs import Journal
from weft.tools.background import EffectHost
from weft.tools.body import called, run_body
from weft.tools.context import ToolContext
from weft.tools.definition import UNKNOWN, Reconciled, Tool, runs_on_the_loop
from weft.tools.effect_key import effect_call
from weft.tools.events import EffectData, EffectIntended, EffectSettled, Settlement
from weft.tools.interrupts import InterruptRaised, choice, interrupt_id
from weft.tools.not_done import proves_nothing_happened
from weft.tools.rendering import as_json
from weft.tools.result import ToolOutcome
from weft.tools.schema import Arguments

logger = logging.getLogger(__name__)

OPTIONS = ("done", "not_done", "abandon")
"""What a person may say of an effect whose outcome nobody knows."""
_RESPONSE: dict[str, JsonValue] = {
    "type": "object",
    "properties": {
        "outcome": {"enum": [*OPTIONS]},
        "value": {"description": "what the tool would have returned, if it is done"},
    },
    "required": ["outcome"],
    "additionalProperties": False,
}
ABANDONED = "abandoned; whether it took effect is unknown"
UNREADABLE = f"the answer is none of {', '.join(OPTIONS)}; whether it took effect is unknown"
_FIRST_PAUSE, _LONGEST_PAUSE = 0.02, 0.25
_RECORDING_PATIENCE = 30.0
_DOUBT_PATIENCE = 2.0


@dataclass(frozen=True, slots=True)
class Performed:
    """What became of an effect, as far as its caller waited for it."""

    outcome: ToolOutcome
    value: JsonValue = None
    message: str = ""
    """Why there is no value to show."""
    replayed: bool = False
    recorded_at: float | None = None
    """Set where another run recorded the result: seconds since the Unix epoch."""


class Effect:
    """One call of an idempotent tool on its way through the ledger.

    Raises:
        EffectKeyError: No key can be formed; no body runs.
    """

    def __init__(
        self, tool: Tool, arguments: Arguments, context: ToolContext, *, journal: Journal
    ) -> None:
        self._tool = tool
        self._arguments = arguments
        self._call = effect_call(tool, arguments, context, journal)
        self._context = replace(context, idempotency_key=self._call.key)
        self._journal = journal
        self._given_up = False
        self._intent: Intent | None = None
        self._performed: Performed | None = None

    async def perform(self, host: EffectHost, *, timeout_s: float) -> Performed:
        """Return the recorded result, or have the body run if it may.

        A body that has begun goes on in `host` when this call is cancelled or its time is over.

        Raises:
            InterruptRaised: Only a person can say what became of an earlier start.
            StoreUnavailableError: The intent cannot be stored; no body ran.
            EffectUnrecordedError: The body ran, the outcome cannot be stored.
            FencedError: The run has another owner.
            CanceledError: The run is being cancelled; no body ran.
        """
        with anyio.move_on_after(timeout_s):
            return await self._resolved(host)
        message = f"timed out after {timeout_s:g} s"
        if self._intent is not None and self._intent.state == "granted":
            message += "; the effect goes on, and its outcome will be recorded"
        return Performed("timeout", message=message)

    async def _resolved(self, host: EffectHost) -> Performed:
        pause = _FIRST_PAUSE
        while True:
            earlier = await self._journal.find_effect(self._call.key)
            if earlier is not None and (standing := self._standing(earlier)) is not None:
                return standing
            intent = await self._attempt(host, _next_attempt(earlier))
            if self._performed is not None:
                return self._performed
            if intent.state == "in_progress":
                await anyio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE)
            if intent.state == "unknown" and (end := await self._clear_up(intent)) is not None:
                return end

    def _standing(self, earlier: Intent) -> Performed | None:
        """Return the recorded result, if there is one."""
        outcome = earlier.outcome
        if earlier.state != "settled" or outcome is None or outcome.kind != "done":
            return None
        foreign = earlier.run_id not in (None, self._journal.run_id)
        return Performed(
            "error" if outcome.message else "ok",
            outcome.value,
            outcome.message,
            replayed=True,
            recorded_at=earlier.recorded_at if foreign else None,
        )

    async def _attempt(self, host: EffectHost, attempt: int) -> Intent:
        """Write the intent and, if it is granted, run the body: all beyond the caller's end."""
        underway = host.start(partial(self._intend_and_run, attempt))
        try:
            await underway.result()
        except anyio.get_cancelled_exc_class():
            self._given_up = True
            raise
        if self._intent is None:
            raise EffectUnrecordedError(self._tool.name, self._call.key)
        return self._intent

    async def _intend_and_run(self, attempt: int) -> None:
        context = self._context
        intended = EffectIntended(
            path=context.path, agent=context.agent_id or None, data=self._data(attempt)
        )
        self._intent = await self._journal.intend(
            self._call, again=self._tool.passes_key, events=(intended,)
        )
        if self._intent.state != "granted":
            return
        attempt = self._intent.attempt
        if self._given_up:
            unstarted = EffectOutcome("not_done", message="given up before it began")
            await self._settle(attempt, unstarted)
            return
        try:
            with contained():
                value = await run_body(
                    self._tool, self._arguments, replace(self._context, attempt=attempt)
                )
        except anyio.get_cancelled_exc_class():
            with anyio.move_on_after(_DOUBT_PATIENCE, shield=True):
                await self._doubt(attempt)
            raise
        except Exception as error:  # a body may raise anything; the ledger learns what is known
            self._performed = await self._failed(attempt, error)
            if isinstance(error, InterruptRaised):
                raise
        else:
            self._performed = await self._returned(attempt, value)

    async def _returned(self, attempt: int, value: object) -> Performed:
        """Record that the effect happened, even if what it returned cannot be told."""
        try:
            outcome = EffectOutcome("done", as_json(value))
        except InputError as error:
            outcome = EffectOutcome("done", None, message=str(error))
        await self._settle(attempt, outcome)
        kind: ToolOutcome = "error" if outcome.message else "ok"
        return Performed(kind, outcome.value, outcome.message)

    async def _failed(self, attempt: int, error: Exception) -> Performed:
        logger.warning(
            "tool.effect_failed",
            exc_info=error,
            extra={"tool": self._tool.name, "attempt": attempt},
        )
        message = described(error)
        raised = error.raised if isinstance(error, EscapedError) else error
        if proves_nothing_happened(raised, self._tool.not_done_on):
            await self._settle(attempt, EffectOutcome("not_done", message=type(raised).__name__))
            return Performed("not_done", message=f"{message} (nothing was done)")
        await self._doubt(attempt)
        return Performed("unknown", message=f"{message} (whether it took effect is unknown)")

    async def _clear_up(self, intent: Intent) -> Performed | None:
        """Find out what became of an earlier start, or return why that was given up."""
        reconciled = await self._reconciled()
        settled_by: str | None = None
        if reconciled.kind == "unknown":
            question_id = interrupt_id("effect_unknown", self._call.key, str(intent.attempt))
            answer = choice(self._context, question_id)
            if answer is None:
                raise InterruptRaised(self._question(question_id))
            settled_by = self._context.principal.subject
            match answer.option:
                case "done" | "not_done" as kind:
                    reconciled = Reconciled(kind, answer.value)
                case "abandon":
                    return Performed("unknown", message=ABANDONED)
                case _:
                    # A store takes no such answer; whatever let it through, nobody chose anything.
                    return Performed("unknown", message=UNREADABLE)
        outcome = EffectOutcome(
            "done" if reconciled.kind == "done" else "not_done",
            reconciled.value,
            settled_by=settled_by,
        )
        try:
            await self._settle(intent.attempt, outcome)
        except EffectSettledError:  # somebody else found out first: their word stands
            logger.info("tool.effect_settled_elsewhere", extra={"tool": self._tool.name})
        return None

    async def _reconciled(self) -> Reconciled:
        reconcile = self._tool.reconcile
        if reconcile is None:
            return UNKNOWN
        asking = partial(reconcile, self._call.key, dict(self._arguments.json))
        try:
            with contained():
                answer = await called(asking, is_async=runs_on_the_loop(reconcile))
                return _reconciliation(answer)
        except Exception:  # the tool's own code; not knowing is the safe reading
            logger.exception("tool.reconcile_failed", extra={"tool": self._tool.name})
            return UNKNOWN

    def _question(self, question_id: str) -> Interrupt:
        return Interrupt(
            id=question_id,
            reason="effect_unknown",
            message=f"It is unknown whether an earlier start of {self._tool.name!r} took effect.",
            path=self._context.path,
            agent=self._context.agent_id or None,
            tool_call_id=self._context.tool_call_id or None,
            response_schema=_RESPONSE,
            options=OPTIONS,
            metadata={
                "tool": self._tool.name,
                "key": self._call.key,
                "arguments": self._arguments.json,
            },
        )

    async def _settle(self, attempt: int, outcome: EffectOutcome) -> None:
        """Record the outcome, as long as there is time.

        Raises:
            EffectUnrecordedError: The store stayed away.
        """
        events = self._settled(attempt, outcome.kind)
        deadline = self._context.deadline
        left = deadline.remaining(self._context.clock) if deadline else _RECORDING_PATIENCE
        give_up_at = anyio.current_time() + left
        pause = _FIRST_PAUSE
        while True:
            try:
                await self._journal.settle(self._call.key, attempt, outcome, events=events)
            except StoreUnavailableError as error:
                if anyio.current_time() + pause > give_up_at:
                    raise EffectUnrecordedError(self._tool.name, self._call.key) from error
            else:
                return
            await anyio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE)

    async def _doubt(self, attempt: int) -> None:
        await self._journal.doubt(self._call.key, attempt)
        self._journal.emit(*self._settled(attempt, "unknown"))

    def _settled(
        self, attempt: int, outcome: Literal["done", "not_done", "unknown"]
    ) -> Sequence[EffectSettled]:
        data = Settlement(**dict(self._data(attempt)), outcome=outcome)
        context = self._context
        return (EffectSettled(path=context.path, agent=context.agent_id or None, data=data),)

    def _data(self, attempt: int) -> EffectData:
        return EffectData(tool_name=self._tool.name, key=self._call.key, attempt=attempt)


def _reconciliation(answer: object) -> Reconciled:
    if not isinstance(answer, Reconciled):
        raise TypeError(f"reconcile returned {type(answer).__name__}, not a Reconciled")
    return replace(answer, value=as_json(answer.value))


def _next_attempt(earlier: Intent | None) -> int:
    """Return which start of the body comes next, should it be granted."""
    if earlier is None:
        return 1
    return earlier.attempt if earlier.state == "in_progress" else earlier.attempt + 1

"""The operations of A2A over runs: what every binding serves, and nothing of any binding.

A task is a run of this agent's own store: task id = run id, context id = thread id.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from weft.a2a.replays import Replays
from weft.a2a.server import views
from weft.a2a.server.conversation import conversation, entry_of, history, request_of
from weft.a2a.wire import extensions
from weft.a2a.wire.cards import Card
from weft.a2a.wire.models import (
    CancelTaskRequest,
    GetTaskRequest,
    SendMessageRequest,
    WireMessage,
    body_hash,
)
from weft.a2a.wire.parts import fits, media_of
from weft.checkpoint import Inbound, NewRun, OnBusy, Run
from weft.core import (
    DECLINED,
    Authority,
    Budget,
    Interrupt,
    JsonObject,
    JsonValue,
    Part,
    RunId,
    new_id,
    new_run_id,
    text_of,
)
from weft.core.errors import IdempotencyKeyReusedError, InputError, NotFoundError
from weft.core.protocol_errors import (
    MediaTypeError,
    PushNotSupportedError,
    TaskNotCancelableError,
    UnsupportedOperationError,
)
from weft.events import Envelope
from weft.identity import Caller
from weft.runs import A2A_SEND, Runs, new_run


@dataclass(frozen=True, slots=True)
class TaskLimits:
    """What one request, and one caller, may ask for at most."""

    block_s: float = 600.0
    task_s: float = 3600.0
    calls_per_s: float = 1000.0
    """Per caller, like the two below; a router's callers count one by one."""
    burst: float = 2000.0
    streams: int = 512


@dataclass(frozen=True, slots=True)
class CallContext:
    """Who sends a request, with which extensions in force, and what it has seen of a stream."""

    caller: Caller
    extensions: frozenset[str] = frozenset()
    cursor: str | None = None
    """The number of the last event that its sender has, as it said it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a message: the task it made or reached."""

    run: Run
    after: int
    """The number of the last event that lies before this message."""
    first: tuple[Envelope, ...] = ()
    """The first events behind `after`, where they are known."""


class Tasks:
    """Serves one agent's tasks to callers that are told apart by tenant and subject."""

    def __init__(
        self,
        runs: Runs,
        *,
        card: Card,
        limits: TaskLimits | None = None,
        replays: Replays | None = None,
    ) -> None:
        self.runs = runs
        self.replays = replays
        self.agent = card.name
        self._card = card
        self._limits = limits or TaskLimits()

    async def accept(self, ask: CallContext, request: SendMessageRequest) -> Sent:
        """Make the message a durable task, or hand it to the one it names.

        Raises:
            NotFoundError: It names a task that is absent or another's.
            InputError: It contradicts itself or an earlier message of the same id.
            MediaTypeError: The agent takes no such part, or gives no such answer.
            UnsupportedOperationError: The task it names takes no message now.
        """
        message = request.message
        if request.configuration.task_push_notification_config is not None:
            raise PushNotSupportedError
        self._check_media(request)
        if message.task_id:
            return await self._follow_up(ask, message)
        new = self._new(ask, request)
        # Whom no time is left nobody takes at once: as a queued run it expires, and is told so.
        left = new.authority.remaining()
        own = left is None or left > 0
        accepted = await self.runs.submit(new, on_busy=_order(ask, message), own=own)
        if accepted.run.pruned:
            # The message made it long ago, and is not carried out again.
            raise absent()
        # What this process owns it tells itself: nothing can come between these and what follows.
        first = accepted.events if accepted.claimed is not None else ()
        return Sent(accepted.run, 0, first)

    async def send(self, ask: CallContext, request: SendMessageRequest) -> JsonObject:
        """Return the task once it ended or waits, or at once if so asked."""
        sent = await self.accept(ask, request)
        run = sent.run
        if not (request.configuration.return_immediately or _settled(run)):
            run = await self._ended(ask, sent)
        return await self._shown(ask, run, length=request.configuration.history_length)

    async def _ended(self, ask: CallContext, sent: Sent) -> Run:
        """Return the task's run once it ended or waits, or as it is when no more is waited."""
        principal, run_id, seconds = ask.caller.principal, sent.run.run_id, self._limits.block_s
        if not sent.first:
            return await self.runs.wait(principal, run_id, seconds=seconds)
        # It is carried out here, and nothing of it was told yet: the store need not be asked.
        with self.runs.hub.listen(run_id) as listener:
            return await self.runs.settled(principal, run_id, listener, seconds=seconds)

    async def get(self, ask: CallContext, request: GetTaskRequest) -> JsonObject:
        run = await self.read(ask, request.id)
        return await self._shown(ask, run, length=request.history_length)

    async def read(self, ask: CallContext, task_id: str) -> Run:
        """Return the task's run; the one guard of everything that names a task.

        Raises:
            NotFoundError: It is absent, another's, or pruned, in equal words.
        """
        try:
            run = await self.runs.read(ask.caller.principal, RunId(task_id))
        except NotFoundError as error:
            raise absent() from error
        if run.pruned:
            raise absent()
        return run

    async def cancel(self, ask: CallContext, request: CancelTaskRequest) -> JsonObject:
        """Stop the task and return it as it then is.

        Raises:
            NotFoundError: It is absent or another's.
            TaskNotCancelableError: It had ended before.
        """
        run = await self.read(ask, request.id)
        if run.terminal:
            raise TaskNotCancelableError(run.run_id)
        metadata = request.metadata or {}
        grace = metadata.get("graceSeconds")
        run = await self.runs.cancel(
            ask.caller.principal,
            run.run_id,
            reason=str(metadata.get("reason") or "canceled by the caller")[:240],
            grace_s=min(float(grace), 60.0) if isinstance(grace, int | float) else 5.0,
        )
        if run.terminal and run.status != "canceled":
            raise TaskNotCancelableError(run.run_id)
        return await self._shown(ask, run, length=0)

    async def history(self, ask: CallContext, run: Run, length: int | None) -> list[JsonObject]:
        """Return the last `length` messages of the task, all where None."""
        if length == 0:
            return []
        messages = await conversation(self.runs.checkpointer.runs, ask.caller.principal, run)
        return history(run, messages, length)

    async def question(self, ask: CallContext, run: Run, seq: int) -> JsonObject | None:
        """Return what the task asked when it told event `seq`, though it was answered since."""
        question_id = views.question_id(run, seq)
        messages = await self.history(ask, run, None)
        return next(
            (message for message in messages if message.get("messageId") == question_id), None
        )

    async def events(self, ask: CallContext, run: Run, *, after: int) -> tuple[Envelope, ...]:
        """Return events of the task behind number `after`; () at the end of its log."""
        store = self.runs.checkpointer.runs
        return await store.events(ask.caller.principal, run.run_id, after=after)

    async def snapshot(self, ask: CallContext, run: Run, length: int | None) -> JsonObject:
        """Return the task as it is now, with the last `length` of its messages."""
        return views.task_of(run, ask.extensions, history=await self.history(ask, run, length))

    async def _shown(self, ask: CallContext, run: Run, *, length: int | None) -> JsonObject:
        report = None
        if run.status == "canceled" and extensions.CANCELLATION in ask.extensions:
            report = await self.report(ask, run)
        messages = await self.history(ask, run, length)
        return views.task_of(run, ask.extensions, history=messages, report=report)

    async def report(self, ask: CallContext, run: Run) -> JsonObject | None:
        """Return what the run's cancellation came to, from its last event."""
        events = await self.runs.checkpointer.runs.events(
            ask.caller.principal, run.run_id, after=run.last_seq - 1
        )
        return views.report_in(events[-1]) if events else None

    def _check_media(self, request: SendMessageRequest) -> None:
        skill = (request.message.metadata or {}).get("skillId")
        named = skill if isinstance(skill, str) else None
        takes = self._card.takes(named)
        for part in request.message.content:
            if not fits(media_of(part), takes):
                raise MediaTypeError(f"parts of type {media_of(part)[:80]!r} are not taken here")
        accepted, gives = request.configuration.accepted_output_modes, self._card.gives(named)
        if (
            accepted
            and not any(fits(one, gives) for one in accepted)
            and not any(fits(one, accepted) for one in gives)
        ):
            raise MediaTypeError(f"answers are given as {', '.join(dict.fromkeys(gives))} only")

    async def _follow_up(self, ask: CallContext, message: WireMessage) -> Sent:
        run = await self.read(ask, message.task_id or "")
        sent = Inbound(
            # An id that is not unique by form may be used twice for two messages.
            message.message_id if message.unique else f"{message.message_id}:{new_id()}",
            body_hash(message),
            entry_of(run, message, left=self._authority(ask, message).budget),
        )
        # Read after the run: what was taken before it was read is found.
        if message.unique and await self._has(ask, run, sent):
            return Sent(run, run.last_seq)
        if message.context_id and message.context_id != run.thread_id:
            raise InputError("the task belongs to another context", field="message.contextId")
        if run.terminal:
            raise UnsupportedOperationError("the task has ended: send a message without taskId")
        if run.status != "interrupted":
            raise UnsupportedOperationError("the task is at work and takes no message now")
        resumed = await self.runs.resume(
            ask.caller.principal, run.run_id, _answers(run, message), message=sent
        )
        return Sent(resumed, run.last_seq)

    async def _has(self, ask: CallContext, run: Run, sent: Inbound) -> bool:
        """Tell whether the task was given this message before, whatever it has come to since.

        Raises:
            IdempotencyKeyReusedError: The id came with another message.
        """
        store, principal = self.runs.checkpointer.runs, ask.caller.principal
        earlier = await store.received(principal, A2A_SEND, sent.key)
        if earlier is not None and (earlier.run_id, earlier.body_hash) != (
            run.run_id,
            sent.body_hash,
        ):
            raise IdempotencyKeyReusedError(sent.key)
        return earlier is not None

    def _authority(self, ask: CallContext, message: WireMessage) -> Authority:
        limits = message.metadata or {}
        return _limited(ask.caller.authority, limits if extensions.BUDGET in ask.extensions else {})

    def _new(self, ask: CallContext, request: SendMessageRequest) -> NewRun:
        message = request.message
        authority = self._authority(ask, message)
        run_id = new_run_id()
        return new_run(
            request_of(message),
            authority,
            run_id=run_id,
            thread_id=message.context_id,
            timeout_s=self._limits.task_s,
            # An id that is not unique by form may be used twice for two messages.
            key=message.message_id if message.unique else f"{message.message_id}:{run_id}",
            body_hash=body_hash(message),
            agent=self.agent,
            service=self.agent,
        )


def absent() -> NotFoundError:
    """Return the one error for what is absent and what is another's; it repeats no id."""
    return NotFoundError("task", "")


def _order(ask: CallContext, message: WireMessage) -> OnBusy:
    """Return how the new task stands to the others of its context, none of which holds it up.

    A context holds many tasks; those of one thread of the mesh work one after another.
    """
    return "overtake" if ask.caller.authority.root_id and message.context_id else "alongside"


def _settled(run: Run) -> bool:
    return run.terminal or run.status == "interrupted"


def _limited(authority: Authority, limits: Mapping[str, JsonValue]) -> Authority:
    """Return the smallest of token and message; a value that is no limit is refused."""
    if not limits:
        return authority
    wished = Budget(
        tokens=_whole(limits, "tokens"),
        cost_usd=_number(limits, "costUsd"),
        seconds=_number(limits, "seconds"),
        hops=_whole(limits, "depth"),
    )
    return authority.narrowed(budget=wished).begun()


def _number(limits: Mapping[str, JsonValue], name: str) -> float | None:
    value = limits.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or value < 0:
        raise InputError("a limit is a number of at least 0", field=f"message.metadata.{name}")
    return float(value)


def _whole(limits: Mapping[str, JsonValue], name: str) -> int | None:
    value = _number(limits, name)
    return None if value is None else int(value)


def _answers(run: Run, message: WireMessage) -> dict[str, JsonValue]:
    """Return what the message answers: the named questions, or the only open one."""
    responses = next(filter(None, map(_responses, message.content)), None)
    if responses is not None:
        if len(message.content) > 1:
            raise InputError(
                "a message with `responses` holds nothing beside them", field="message.parts"
            )
        return {str(response.get("interruptId")): _answer(response) for response in responses}
    if len(run.interrupts) != 1:
        raise InputError(
            "the task asks several questions: answer each by its id in a `responses` data part",
            field="message.parts",
        )
    return {run.interrupts[0].id: _said(run.interrupts[0], message)}


def _responses(part: Part) -> list[JsonObject]:
    listed = part.data.get("responses") if isinstance(part.data, dict) else None
    responses = listed if isinstance(listed, list) else []
    return [response for response in responses if isinstance(response, dict)]


def _said(question: Interrupt, message: WireMessage) -> JsonValue:
    """Return the words or the value where no more was said, else all parts."""
    parts = message.content
    closed = question.options or question.response_schema or question.reason == "approval"
    plain = closed or not any(part.filename or part.metadata for part in parts)
    kinds = {part.kind for part in parts}
    if plain and kinds == {"text"}:
        return text_of(parts)
    if plain and kinds == {"data"} and len(parts) == 1:
        return parts[0].data
    return {"parts": [part.to_json() for part in parts]}


def _answer(response: JsonObject) -> JsonValue:
    """Return what a response says; inside, an answer is what was said and nothing around it."""
    status = response.get("status") or "resolved"
    if status not in ("resolved", "canceled"):
        raise InputError(
            "the status of a response is 'resolved' or 'canceled'", field="message.parts"
        )
    return DECLINED if status == "canceled" else response.get("payload")

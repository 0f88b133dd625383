"""One task at a remote agent: sent once, followed through broken connections, told as events."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Generator
from contextlib import aclosing
from dataclasses import replace
from typing import Protocol

import anyio

from weft.a2a.client.patience import Patience
from weft.a2a.client.picture import Picture
from weft.a2a.client.transport import OpenReply
from weft.a2a.wire.cards import PeerCard
from weft.a2a.wire.messages import answer_of, context_of, message_of
from weft.core import Authority, Deadline, JsonObject, JsonValue, Result, Usage
from weft.core.errors import DeadlineExceededError, WeftError
from weft.core.protocol_errors import (
    AnswerLostError,
    InvalidPeerAnswerError,
    PeerRefusedError,
    PeerUnavailableError,
)
from weft.events import Event
from weft.loop import Task

CANCEL_SECONDS = 3.0
FIRST_POLL_SECONDS = 0.2
LAST_POLL_SECONDS = 5.0
_UNSUPPORTED = -32004
_NOT_CANCELABLE = -32002
_PASSED_ON = frozenset({"deadline_exceeded", "depth_exceeded", "budget_exhausted"})


class Calls(Protocol):
    """How a peer is called: `weft.a2a.client.client.A2AClient`."""

    card: PeerCard

    def until(self, authority: Authority) -> float:
        """Return when a call made with `authority` is over, as a time of the running loop."""
        ...

    async def call(
        self,
        method: str,
        params: JsonObject,
        authority: Authority,
        *,
        until: float,
        last_event_id: int | None = None,
    ) -> OpenReply:
        """Send one call."""
        ...


class RemoteRun:
    """A `PeerRun`: iterate over its events, await its result, or cancel it."""

    def __init__(self, client: Calls, task: Task, picture: Picture | None = None) -> None:
        self._client = client
        self._task = task
        self._picture = picture or Picture()
        self._result: Result | None = None
        self._iterator: AsyncGenerator[Event, None] | None = None
        self._until = 0.0
        self._patience: Patience
        """From the first call on."""
        self._perhaps_taken = bool(task.answers)
        """Whether the peer may know the task already, so that nobody may say it never did."""

    def __aiter__(self) -> AsyncIterator[Event]:
        return self._once()

    def __await__(self) -> Generator[object, None, Result]:
        return self._finish().__await__()

    async def cancel(self, reason: str = "", *, grace_s: float = 5.0) -> JsonValue:
        """Ask the peer to stop and return what it says became of the work."""
        if self._iterator is None:
            return {"outcome": "not_started"}
        try:
            async with asyncio.timeout(grace_s + CANCEL_SECONDS):
                return await self._cancel(reason, grace_s)
        except (WeftError, TimeoutError):
            return {"outcome": "unknown", "taskId": self._picture.task_id}

    async def _cancel(self, reason: str, grace_s: float) -> JsonObject:
        task_id = self._picture.task_id or await self._under_way()
        if task_id is None:
            return {"outcome": "unknown"}
        params: JsonObject = {"id": task_id, **self._stopping(reason, grace_s)}
        until = asyncio.get_running_loop().time() + grace_s + CANCEL_SECONDS
        # Stopping has time of its own: the task may be stopped because its time is over.
        authority = self._task.authority
        budget = authority.budget.model_copy(update={"seconds": None})
        timed = replace(authority, deadline=Deadline.after(grace_s + CANCEL_SECONDS), budget=budget)
        try:
            task = await self._result_of("CancelTask", params, until, authority=timed)
        except PeerRefusedError as error:
            ended = error.rpc_code == _NOT_CANCELABLE
            return {"outcome": "done" if ended else "unknown", "taskId": task_id}
        await self._grace(task_id, grace_s, until, timed, shown=task)
        outcome = "canceled" if self._picture.state == "TASK_STATE_CANCELED" else "unknown"
        report: JsonObject = {
            "outcome": outcome, "taskId": task_id, "outcomes": self._picture.outcomes
        }  # fmt: skip
        if (usage := self._picture.usage) is not None:
            report["usage"] = usage
        return report

    async def _grace(
        self, task_id: str, grace_s: float, until: float, authority: Authority, *, shown: JsonObject
    ) -> None:
        """Wait for the task's end for as long as its calls in flight have, and take in what is shown."""
        over = asyncio.get_running_loop().time() + grace_s
        self._picture.show({"task": shown})
        while not self._picture.settled and asyncio.get_running_loop().time() < over:
            await asyncio.sleep(FIRST_POLL_SECONDS)
            task = await self._result_of("GetTask", {"id": task_id}, until, authority=authority)
            self._picture.show({"task": task})

    async def _under_way(self) -> str | None:
        """Return the id of the task whose message is being sent, if the peer can be asked for it.

        A member of the mesh is sent the same again, and tells the id whichever comes first.
        """
        return await self._find()

    def _stopping(self, reason: str, grace_s: float) -> JsonObject:
        """Return what else a peer is told that shall stop."""
        metadata: JsonObject = {
            "reason": reason,
            "graceSeconds": grace_s,
            "requestedBy": self._task.authority.principal.subject,
            "rootRunId": self._task.authority.root_id,
        }
        return {"metadata": metadata}

    def _once(self) -> AsyncGenerator[Event, None]:
        if self._iterator is None:
            self._iterator = self._events()
        return self._iterator

    async def _finish(self) -> Result:
        try:
            async with aclosing(self._once()) as events:
                async for _ in events:
                    continue
        except asyncio.CancelledError:
            with anyio.move_on_after(CANCEL_SECONDS, shield=True):
                await self.cancel("the caller was cancelled")
            raise
        return self._result or Result.failed("peer_failed", "the call was given up")

    async def _events(self) -> AsyncGenerator[Event, None]:
        try:
            self._until = self._client.until(self._task.authority)
            self._patience = Patience(self._until)
            async for event in self._followed():
                yield event
            self._result = await self._concluded()
        except WeftError as error:
            self._result = await self._ended_by(error)

    async def _concluded(self) -> Result:
        """Return the outcome, once the task ended or waits."""
        return self._picture.result()

    async def _ended_by(self, error: WeftError) -> Result:
        if isinstance(error, PeerRefusedError | InvalidPeerAnswerError):
            return _failed(error)
        result = Result.failed(error.code, str(error), retryable=error.retryable)
        taken = self._perhaps_taken or self._picture.task_id is not None
        return result.spent_before(Usage(unknown=True)) if taken else result

    async def _noted(self) -> None:
        """Hear that the peer showed something."""

    async def _followed(self) -> AsyncGenerator[Event, None]:
        """Yield events until the task ended or waits, whatever connections break on the way."""
        answer = await self._begin()
        while answer is not None:
            try:
                while (frames := await answer.frames(self._until)) is not None:
                    self._patience.alive()
                    before = self._picture.seen
                    for frame in frames:
                        shown = self._picture.show(frame.result, frame.number, size=frame.size)
                        for event in shown:
                            yield event
                    await self._noted()
                    if self._picture.seen != before:
                        # A stream that only repeats what is known is no progress, however often it
                        # opens.
                        self._patience.progressed()
                    if self._picture.settled:
                        return
            except AnswerLostError:
                """The log goes on without us: ask for the rest of it."""
            finally:
                answer.close()
            answer = await self._again()
        await self._poll()

    async def _poll(self) -> None:
        """Ask a peer that does not stream until its task ended or waits."""
        delay = FIRST_POLL_SECONDS
        while not self._picture.settled and (task_id := self._picture.task_id) is not None:
            await self._sleep(delay)
            delay = min(delay * 2, LAST_POLL_SECONDS)
            try:
                await self._get(task_id)
            except PeerUnavailableError:
                await self._patience.pause()

    async def _get(self, task_id: str) -> None:
        task = await self._result_of("GetTask", {"id": task_id}, self._until)
        self._patience.alive()
        self._picture.show({"task": task})
        await self._noted()

    async def _begin(self) -> OpenReply | None:
        """Send the message; a peer that may have taken it is sent it again until it answers.

        Raises:
            PeerUnavailableError: It was certainly not taken.
            AnswerLostError: Nobody can tell whether it was.
        """
        while True:
            try:
                return await self._send()
            except AnswerLostError:
                self._perhaps_taken = True
            except PeerUnavailableError:
                if not self._perhaps_taken:
                    raise
            await self._patience.pause()

    async def _send(self) -> OpenReply | None:
        """Return the stream of the task, or None if the whole answer came at once."""
        if self._task.answers:
            message = answer_of(self._task, await self._find())
        else:
            message = self._message()
        method = "SendStreamingMessage" if self._client.card.streaming else "SendMessage"
        # What a member of the mesh answers stands in its artifacts, and what was said is known.
        params: JsonObject = {"message": message, "configuration": {"historyLength": 0}}
        return await self._open(method, params)

    async def _open(
        self, method: str, params: JsonObject, *, last_event_id: int | None = None
    ) -> OpenReply | None:
        answer = await self._client.call(
            method, params, self._task.authority, until=self._until, last_event_id=last_event_id
        )
        if answer.streamed:
            return answer
        try:
            self._picture.show(await answer.result(self._until))
        finally:
            answer.close()
        await self._noted()
        return None

    async def _again(self) -> OpenReply | None:
        """Return a new stream of the same task, or None once it is known to be over.

        Raises:
            AnswerLostError: The peer was not heard for too long.
        """
        task_id = self._picture.task_id
        if task_id is None:
            self._perhaps_taken = True
            await self._patience.pause()
            return await self._begin()
        while not self._picture.settled:
            try:
                if (answer := await self._asked_again(task_id)) is not None:
                    return answer
            except PeerUnavailableError as error:
                if self._patience.exhausted:
                    raise AnswerLostError(
                        "the peer cannot be reached any more; whether it ends the task is unknown"
                    ) from error
        return None

    async def _asked_again(self, task_id: str) -> OpenReply | None:
        """Return a stream of the task, or None where the peer told how it stands."""
        if self._patience.exhausted:
            # Streams that bring nothing say nothing of the task; the peer may.
            await self._get(task_id)
            return None
        await self._patience.pause()
        try:
            return await self._open(
                "SubscribeToTask", {"id": task_id}, last_event_id=self._picture.seen
            )
        except PeerRefusedError as error:
            if error.rpc_code != _UNSUPPORTED:
                raise
        await self._get(task_id)
        return None

    async def _sleep(self, seconds: float) -> None:
        if asyncio.get_running_loop().time() + seconds >= self._until:
            raise DeadlineExceededError("the time is over before the peer's task ended")
        await asyncio.sleep(seconds)

    async def _find(self) -> str:
        """Return the id of the task that this task's message made, or makes now."""
        params: JsonObject = {
            "message": self._message(),
            "configuration": {"returnImmediately": True, "historyLength": 0},
        }
        result = await self._result_of("SendMessage", params, self._until)
        task = result.get("task")
        task_id = task.get("id") if isinstance(task, dict) else None
        if not isinstance(task_id, str):
            raise InvalidPeerAnswerError("the peer made no task of the message")
        return task_id

    async def _result_of(
        self,
        method: str,
        params: JsonObject,
        until: float,
        *,
        authority: Authority | None = None,
    ) -> JsonObject:
        authority = authority or self._task.authority
        answer = await self._client.call(method, params, authority, until=until)
        try:
            return await answer.result(until)
        finally:
            answer.close()

    def _message(self) -> JsonObject:
        return message_of(self._task, context_id=context_of(self._task))


def _failed(error: PeerRefusedError | InvalidPeerAnswerError) -> Result:
    code = error.peer_code if isinstance(error, PeerRefusedError) else ""
    return Result.failed(code if code in _PASSED_ON else "peer_failed", str(error))

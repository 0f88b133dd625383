"""One task at an agent outside the mesh: sent once, found again after a crash, and never believed too much.

Such an agent need not know a message that it was sent before, keep a caller's context ids, stream,
or say what it spent; its words are data, and its questions are asked in plain words.
"""

import asyncio

from weft.a2a.client.bindings import MAX_FOREIGN
from weft.a2a.client.picture import Picture
from weft.a2a.client.remote import Calls, RemoteRun
from weft.a2a.client.trail import RemoteTask, Trail, context_in
from weft.a2a.client.transport import OpenReply
from weft.a2a.wire.extensions import BUDGET, CANCELLATION
from weft.a2a.wire.models import WAITING
from weft.a2a.wire.plain_messages import plain_answer_of, plain_message_of
from weft.core import Interrupt, JsonObject, Result, Usage, name_digest
from weft.core.errors import DeadlineExceededError, WeftError
from weft.core.protocol_errors import (
    AnswerLostError,
    CredentialMissingError,
    InvalidPeerAnswerError,
    PeerRefusedError,
)
from weft.loop import Task

__all__ = ["ForeignRun"]

STALE_SECONDS = 10.0
"""For so long a task that got its answer may still show the question."""


class ForeignRun(RemoteRun):
    """A `PeerRun` of an agent that nobody here vouches for."""

    def __init__(self, client: Calls, task: Task) -> None:
        card = client.card
        counts = BUDGET in card.extensions
        super().__init__(client, task, Picture(plain=True, counts=counts, most=MAX_FOREIGN))
        self._agent = card.service
        self._said = False
        """Whether anything was sent that may have cost something."""
        self._believe_at = 0.0
        """When a question that still stands is one that is asked once more."""
        own = {self._credential_question(number) for number in range(len(task.answers))}
        self._credentials_given = len(own & task.answers.keys())
        # Who was refused for want of a credential did not get the message.
        self._trail = Trail(task, self._agent, tries=self._credentials_given)
        self._remote = self._trail.remote
        self._answers = sorted(task.answers.keys() - own)
        """The agent's own questions that have an answer."""

    async def _begin(self) -> OpenReply | None:
        # No token tells such an agent how deep it stands, so it is counted before it is called.
        self._task.authority.crossed(self._agent)
        remote = self._remote
        if remote is not None and remote.task_id is not None:
            self._picture.adopt(remote.task_id, remote.context_id)
            return await self._gone_on(remote.task_id)
        if remote is not None or await self._trail.sending():
            raise AnswerLostError(
                f"{self._agent} was sent this before, and which task it became is not known"
            )
        context = context_in(self._task.history, self._agent)
        limited = BUDGET in self._client.card.extensions
        return await self._say(plain_message_of(self._task, context_id=context, limited=limited))

    async def _gone_on(self, task_id: str) -> OpenReply | None:
        """Follow a task that was begun before, with the answer to its question where there is one."""
        await self._get(task_id)
        sent = self._trail.answered
        unsent = [question for question in self._answers if question not in sent]
        before = len(sent) if unsent else len(sent) - 1
        # One that was about to be sent when its sender died is sent again if it is still wanted.
        current = self._question_id(before)
        if self._picture.state in WAITING and current in self._answers:
            return await self._answer(task_id, current)
        return None if self._picture.settled else await self._again()

    async def _answer(self, task_id: str, question: str) -> OpenReply | None:
        picture = self._picture
        await self._trail.answering(question)
        picture.old_question = picture.question
        self._believe_at = asyncio.get_running_loop().time() + STALE_SECONDS
        context = picture.context_id
        return await self._say(plain_answer_of(self._task, task_id, question, context_id=context))

    async def _say(self, message: JsonObject) -> OpenReply | None:
        self._said = True
        configuration: JsonObject = {"acceptedOutputModes": ["text/plain", "application/json"]}
        params: JsonObject = {"message": message, "configuration": configuration}
        if self._client.card.streaming:
            return await self._open("SendStreamingMessage", params)
        configuration["returnImmediately"] = True
        return await self._open("SendMessage", params)

    async def _noted(self) -> None:
        picture = self._picture
        if asyncio.get_running_loop().time() >= self._believe_at:
            picture.old_question = None
        if self._remote is None and (picture.task_id or picture.context_id):
            self._remote = RemoteTask(picture.task_id, picture.context_id)
            await self._trail.begun(self._remote)

    async def _again(self) -> OpenReply | None:
        if self._picture.task_id is None:
            raise AnswerLostError(
                f"the answer of {self._agent} broke off before it named a task; "
                "whether it does this is unknown"
            )
        return await super()._again() if self._client.card.streaming else None

    async def _asked_again(self, task_id: str) -> OpenReply | None:
        try:
            return await super()._asked_again(task_id)
        except (PeerRefusedError, InvalidPeerAnswerError):
            # Whoever cannot be subscribed to says how the task is.
            await self._get(task_id)
            return None

    async def _under_way(self) -> str | None:
        """Return None: sent the same again, such an agent might do it twice."""
        return None

    def _stopping(self, reason: str, grace_s: float) -> JsonObject:
        if CANCELLATION not in self._client.card.extensions:
            return {}
        return {"metadata": {"reason": reason, "graceSeconds": grace_s}}

    async def _concluded(self) -> Result:
        picture = self._picture
        if picture.task_id is not None and picture.empty and picture.state not in WAITING:
            # What it said may stand in the task alone, and not on the way to its end.
            await self._get(picture.task_id)
        result = picture.result()
        if result.status != "interrupted":
            return result
        question = result.interrupts[0]
        own = {"id": self._question_id(len(self._trail.answered)), "agent": self._agent}
        return result.model_copy(update={"interrupts": (question.model_copy(update=own),)})

    async def _ended_by(self, error: WeftError) -> Result:
        if not isinstance(error, CredentialMissingError):
            if isinstance(error, DeadlineExceededError) and self._picture.task_id is not None:
                # It was told no deadline, or need not keep one.
                await self.cancel("the time is over")
            result = await super()._ended_by(error)
            return result.model_copy(update={"usage": Usage(unknown=self._said)})
        question = Interrupt(
            id=self._credential_question(self._credentials_given),
            reason="credentials",
            message=f"{error}. Put it there, then answer this with nothing: --payload null",
            agent=self._agent,
        )
        return Result(status="interrupted", interrupts=(question,))

    def _question_id(self, sent: int) -> str:
        """Return our own name for the present question, `sent` answers after the first."""
        picture = self._picture
        return name_digest(f"{self._task.message_id}\n{picture.task_id}\n{picture.words}\n{sent}")

    def _credential_question(self, number: int) -> str:
        return name_digest(f"{self._task.message_id}\ncredential\n{number}")

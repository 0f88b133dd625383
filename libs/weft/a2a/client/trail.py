"""What is written down of a task at an agent outside the mesh: such an agent may do a message twice.

So it is durable before a message leaves that it does, then which task it became, then which answers
it got. Whoever goes on after a crash finds the task instead of sending it again.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from weft.core import JsonObject, Message, Path, name_digest
from weft.core.messages import PEER_CONTEXTS
from weft.loop import Task
from weft.runs import Journal

__all__ = ["RemoteTask", "Trail", "context_in", "contexts_in", "kept_contexts"]

_MARK, _TASK, _ANSWER = "@", "task", "+"


@dataclass(frozen=True, slots=True)
class RemoteTask:
    """A task as its agent knows it; one that only spoke made none."""

    task_id: str | None
    context_id: str | None


class Trail:
    """The steps of one attempt below its call, in the journal of the run that makes it."""

    def __init__(self, task: Task, agent: str, *, tries: int = 0) -> None:
        """`tries` were certainly not taken, and are over."""
        self._journal: Journal | None = task.journal
        self._agent = agent
        # What a person wants tried once more after its outcome stayed unknown is another message.
        lost = 0 if task.journal is None else _attempts(task.journal.steps)
        self._place: Path = (_MARK + name_digest(f"{task.message_id}\n{lost}\n{tries}"),)

    @property
    def remote(self) -> RemoteTask | None:
        """The task that the message became, once that is known."""
        return _remote(self._steps.get((*self._place, _TASK)))

    @property
    def answered(self) -> frozenset[str]:
        """The questions of which an answer was about to be sent."""
        return frozenset(
            path[-1].removeprefix(_ANSWER)
            for path in self._steps
            if path[:-1] == self._place and path[-1].startswith(_ANSWER)
        )

    async def sending(self) -> bool:
        """Write down that the message is about to leave; return whether another owner did before.

        That one may have sent it.
        """
        if self._journal is None:
            return False
        epoch = 0 if self._journal.held is None else self._journal.held.epoch
        stored = await self._journal.record(self._place, {"agent": self._agent, "epoch": epoch})
        return stored.get("epoch") != epoch

    async def begun(self, remote: RemoteTask) -> None:
        """Write down which task it became."""
        if self._journal is not None:
            made: JsonObject = {
                "agent": self._agent,
                "task": remote.task_id,
                "context": remote.context_id,
            }
            await self._journal.record((*self._place, _TASK), made)

    async def answering(self, question: str) -> None:
        """Write down that the answer to `question` is about to be sent."""
        if self._journal is not None:
            await self._journal.record((*self._place, _ANSWER + question), {"agent": self._agent})

    @property
    def _steps(self) -> Mapping[Path, JsonObject]:
        return {} if self._journal is None else self._journal.steps


def contexts_in(steps: Mapping[Path, JsonObject]) -> dict[str, str]:
    """Return the conversations that a run's steps tell of, by the agent's name."""
    return {
        str(step["agent"]): context
        for path, step in steps.items()
        if len(path) > 1 and path[-1] == _TASK and path[-2].startswith(_MARK)
        if isinstance(context := step.get("context"), str)
    }


def kept_contexts(history: Iterable[Message]) -> dict[str, str]:
    """Return the conversations that a thread's turns tell of, of each agent the latest."""
    contexts: dict[str, str] = {}
    for message in history:
        listed = message.metadata.get(PEER_CONTEXTS)
        if isinstance(listed, dict):
            contexts |= {name: value for name, value in listed.items() if isinstance(value, str)}
    return contexts


def context_in(history: Iterable[Message], agent: str) -> str | None:
    """Return the conversation that a thread has with `agent`."""
    return kept_contexts(history).get(agent)


def _attempts(steps: Mapping[Path, JsonObject]) -> int:
    return sum(1 for path in steps if len(path) == 1 and path[0].startswith("~"))


def _remote(step: JsonObject | None) -> RemoteTask | None:
    if step is None:
        return None
    task, context = step.get("task"), step.get("context")
    return RemoteTask(
        task if isinstance(task, str) else None, context if isinstance(context, str) else None
    )

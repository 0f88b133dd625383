"""What a thread says to a run that was asked of it, and what the run adds."""

from collections.abc import Mapping

from weft.checkpoint import Run, Thread, ThreadKey, Turn
from weft.core import Message, Result
from weft.core.messages import PEER_CONTEXTS
from weft.runs.requests import RoutedRequest

HISTORY = 40
"""Messages of a thread that are handed on."""


def thread_of(run: Run) -> ThreadKey:
    """Return the run's thread."""
    return ThreadKey(run.tenant, run.subject, run.thread_id)


def history_of(thread: Thread | None) -> tuple[Message, ...]:
    """Return the thread's last messages."""
    entries = thread.entries[-HISTORY:] if thread is not None else ()
    return tuple(Message.model_validate_json(entry) for entry in entries)


def turn_of(
    run: Run, result: Result, thread: Thread | None, contexts: Mapping[str, str] | None = None
) -> Turn | None:
    """Return what was asked and answered, to stand behind `thread`; nothing of a failure.

    `contexts` are the conversations that the thread has with agents outside the mesh, by their names.
    """
    if not result.ok:
        return None
    answer = Message.assistant(result.text)
    if contexts:
        answer = answer.model_copy(update={"metadata": {PEER_CONTEXTS: {**contexts}}})
    said = (Message.user(RoutedRequest.of(run).input), answer)
    entries = tuple(message.model_dump_json(exclude_defaults=True).encode() for message in said)
    return Turn(thread_of(run), entries, expected=thread.version if thread is not None else 0)


def history_before(run: Run, result: Result, thread: Thread | None) -> tuple[Message, ...] | None:
    """Return what was handed on to a run that has ended; None where its place is not to be found."""
    if thread is None or not thread.entries:
        return ()
    turn = turn_of(run, result, None)
    entries = thread.entries
    if turn is None:
        return None
    places = [at for at in range(len(entries)) if entries[at : at + 2] == turn.entries]
    if len(places) != 1:
        return None
    return tuple(map(Message.model_validate_json, entries[: places[0]][-HISTORY:]))

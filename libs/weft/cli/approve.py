"""`weft approve`: what waits for a person, the answer to it, and the run that goes on then."""

from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from weft.cli.answer import Answer, OpenInterrupt, question_lines
from weft.cli.ask import tail
from weft.cli.client import Gateway, UnreachableError
from weft.core import JsonObject, JsonValue, loads
from weft.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Said:
    """What the person says: yes or no to an approval, or the whole payload."""

    refuse: bool = False
    comment: str | None = None
    payload: str | None = None

    def to(self, question: OpenInterrupt) -> JsonValue:
        """Return the payload that answers `question`.

        Raises:
            ConfigError: It is none, or the question needs one of its own.
        """
        if self.payload is not None:
            if self.refuse or self.comment is not None:
                raise ConfigError("--payload is the whole answer: leave --no and --comment out")
            try:
                return loads(self.payload)
            except ValueError as error:
                raise ConfigError(
                    "--payload takes JSON; a text is written with quotes in it: '\"yes\"'"
                ) from error
        if question.reason != "approval":
            raise ConfigError(f"this is no approval: answer it with --payload ({question.message})")
        answer: JsonObject = {"approved": not self.refuse}
        return answer if self.comment is None else {**answer, "comment": self.comment}


async def approve(
    gateway: Gateway, *, run_id: str, interrupt: str | None, said: Said
) -> Answer | None:
    """Answer one question of the run and return the run's answer; None if it is another's run.

    Raises:
        ConfigError: The run waits for nothing, or for more than one thing and none was named.
        UnreachableError: The gateway does not answer, or refused.
    """
    waiting = _questions(await gateway.get("runs", run_id, "interrupts"))
    chosen = [question for question in waiting if interrupt in {None, question.id}]
    if not chosen:
        what = f"no open question {interrupt}" if interrupt else "no open question"
        raise ConfigError(f"the run has {what}; `weft runs show {run_id}` tells how it is")
    if len(chosen) > 1:
        listed = "; ".join(f"{question.id}: {question.message}" for question in chosen)
        raise ConfigError(f"several questions are open, name one with --interrupt: {listed}")
    (question,) = chosen
    answer: JsonObject = {"interrupt_id": question.id, "payload": said.to(question)}
    run = await gateway.resume(run_id, [answer])
    if "thread_id" not in run:
        # Of a colleague's run nothing is shown but its questions.
        return None
    return await tail(gateway, run_id, title=run_id)


def inbox(document: JsonObject, *, command: str) -> Iterator[str]:
    """Yield what waits for whoever asks, and how each is answered."""
    listed = document.get("data")
    waiting = listed if isinstance(listed, list) else []
    for entry in waiting:
        run_id = str(entry.get("run_id")) if isinstance(entry, dict) else ""
        for question in _questions({"data": [entry]}):
            yield from question_lines(run_id, question, command=command)
    if not waiting:
        yield "Nothing waits for you."


def _questions(document: JsonObject) -> list[OpenInterrupt]:
    listed = document.get("data")
    try:
        return (
            [OpenInterrupt.model_validate(entry) for entry in listed if isinstance(entry, dict)]
            if isinstance(listed, list)
            else []
        )
    except ValidationError as error:
        raise UnreachableError("what answers there shows questions that cannot be read") from error

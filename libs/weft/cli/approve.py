"""`weft approve`: answers what a run waits for, then watches it go on."""

from dataclasses import dataclass

from weft.cli.answer import Answer, OpenInterrupt
from weft.cli.ask import tail
from weft.cli.client import Gateway
from weft.core import JsonValue, loads
from weft.core.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Said:
    """What the person says: yes or no to an approval, or the whole payload."""

    refuse: bool = False
    payload: str | None = None

    def to(self, question: OpenInterrupt) -> JsonValue:
        """Return the payload that answers `question`.

        Raises:
            ConfigError: It is none, or the question needs one of its own.
        """
        if self.payload is not None:
            try:
                return loads(self.payload)
            except ValueError as error:
                raise ConfigError(
                    "--payload takes JSON; a text is written with quotes in it: '\"yes\"'"
                ) from error
        if question.reason != "approval":
            raise ConfigError(f"this is no approval: answer it with --payload ({question.message})")
        return {"approved": not self.refuse}


async def approve(gateway: Gateway, *, run_id: str, interrupt: str | None, said: Said) -> Answer:
    """Answer one question of the run and return the run's answer.

    Raises:
        ConfigError: The run waits for nothing, or for more than one thing and none was named.
        UnreachableError: The gateway does not answer, or refused.
    """
    waiting = Answer.of(await gateway.run(run_id)).interrupts
    chosen = [each for each in waiting if interrupt in {None, each.id}]
    if not chosen:
        what = f"no open question {interrupt}" if interrupt else "no open question"
        raise ConfigError(f"the run has {what}; `weft runs tail {run_id}` shows it")
    if len(chosen) > 1:
        listed = "; ".join(f"{each.id}: {each.message}" for each in chosen)
        raise ConfigError(f"several questions are open, name one with --interrupt: {listed}")
    (question,) = chosen
    await gateway.resume(run_id, [{"interrupt_id": question.id, "payload": said.to(question)}])
    return await tail(gateway, run_id, title=run_id)

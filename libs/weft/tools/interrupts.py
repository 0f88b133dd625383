"""How a tool asks somebody outside the run: by raising."""

from dataclasses import dataclass

from weft.core import Interrupt, JsonValue, name_digest, option_of
from weft.tools.context import ToolContext


class InterruptRaised(Exception):  # noqa: N818 - control flow, nothing failed
    """Stops the run until `interrupt` is answered; then the call is made again."""

    def __init__(self, interrupt: Interrupt) -> None:
        super().__init__(interrupt.message)
        self.interrupt = interrupt


def interrupt_id(*parts: str) -> str:
    """Return an id that is the same whenever the same thing is asked."""
    return name_digest("\n".join(parts))


@dataclass(frozen=True, slots=True)
class ChosenOption:
    """The option that an answer names, and the `value` that came with it."""

    option: str | None
    """None where the answer names none."""
    value: JsonValue = None


def choice(context: ToolContext, interrupt: str) -> ChosenOption | None:
    """Return what an answer chose; None while there is no answer.

    An answer is the option itself, or an object that names it as `outcome`.
    """
    if interrupt not in context.answers:
        return None
    answer = context.answers[interrupt]
    value = answer.get("value") if isinstance(answer, dict) else None
    return ChosenOption(option_of(answer), value)

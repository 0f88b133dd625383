"""How a tool asks somebody outside the run: by raising."""

from weft.core import Interrupt, JsonObject, name_digest
from weft.tools.context import ToolContext


class InterruptRaised(Exception):  # noqa: N818 - control flow, nothing failed
    """Stops the run until `interrupt` is answered; then the call is made again."""

    def __init__(self, interrupt: Interrupt) -> None:
        super().__init__(interrupt.message)
        self.interrupt = interrupt


def interrupt_id(*parts: str) -> str:
    """Return an id that is the same whenever the same thing is asked."""
    return name_digest("\n".join(parts))


def choice(context: ToolContext, interrupt: str) -> tuple[str, JsonObject] | None:
    """Return the option an answer chose, and the whole answer; None while there is no answer.

    An answer is the option itself, or an object that names it as `outcome`.
    """
    if interrupt not in context.answers:
        return None
    answer = context.answers[interrupt]
    if isinstance(answer, dict):
        return str(answer.get("outcome", "")), answer
    return str(answer), {}

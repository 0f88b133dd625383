"""Who answers in place of a model that does not, and for how long that is remembered."""

from dataclasses import dataclass, field

from weft.core import SYSTEM_CLOCK, Clock
from weft.models.base import Model
from weft.models.errors import (
    ContentFilterError,
    ContextLengthError,
    ModelError,
    NoApplicableToolError,
)

__all__ = ["UNANSWERED"]

UNANSWERED = "model_unanswered"
"""The metadata member of a request that says for which model it is answered, and why."""
REMEMBERED_SECONDS = 30.0
"""So long nobody waits for a model again that gave no answer: a run then would be as slow as the
one before it."""
_OF_THE_PROMPT = (ContextLengthError, ContentFilterError, NoApplicableToolError)
"""What another endpoint would refuse as well, or what is a refusal for good."""


@dataclass(slots=True)
class StandIn:
    """Answers for models that are away; one may serve all agents of a process.

    `model` is asked once a model's own attempts are used up, for the rest of that run.
    """

    model: Model
    clock: Clock = SYSTEM_CLOCK
    _away: dict[str, tuple[float, ModelError]] = field(default_factory=dict)
    """By name: when it was given up last, and why."""

    def replaces(self, error: ModelError) -> bool:
        """Tell whether the rest of a run is better answered by another than by nobody."""
        return not isinstance(error, _OF_THE_PROMPT)

    def gave_up(self, name: str, error: ModelError) -> None:
        self._away[name] = self.clock.monotonic(), error

    def answered(self, name: str) -> None:
        self._away.pop(name, None)

    def away(self, name: str) -> ModelError | None:
        """Return why `name` was given up a moment ago; None if it is worth asking."""
        since, error = self._away.get(name, (0.0, None))
        if error is None or self.clock.monotonic() - since >= REMEMBERED_SECONDS:
            return None
        return error

"""Whom a run asks: its agent's model, or, once that gives no answer, who stands in for it."""

import logging
from collections.abc import Iterable
from dataclasses import replace

from weft.core import JsonObject, Reason
from weft.events import preview
from weft.loop.config import AgentConfig
from weft.loop.events import ModelRetried, ModelRetryData
from weft.loop.state import AgentState
from weft.loop.think import Tell, ThinkOptions
from weft.models import NO_TOKENS, Model, ModelError, NoApplicableToolError, StandIn
from weft.models.stand_in import UNANSWERED

logger = logging.getLogger(__name__)

MODELS_AWAY = "models_away"
"""The metadata member that says of models why they gave no answer to an earlier step of a run."""
MODEL_REPLACED = "model_replaced"
"""The code of a reason: somebody else answered than was meant to."""
_IN_ITS_PLACE = " did not answer, so rules went on in its place: "
EARLIER = "it gave no answer to an earlier step of this run"


class ModelInUse:
    """Decides whom one run asks. Without a stand-in, the errors of its model are the run's."""

    def __init__(self, model: Model, config: AgentConfig, metadata: JsonObject) -> None:
        self._own = model
        self._stand_in: StandIn | None = config.stand_in
        self._metadata = metadata
        self._why: str | None = None
        self._error: ModelError | None = None

    @property
    def replaced(self) -> Reason | None:
        """Why another model answers than was meant to; None while none does."""
        if self._why is None:
            return None
        message = f"{self._own.name}{_IN_ITS_PLACE}{self._why}"
        return Reason(code=MODEL_REPLACED, message=message)

    def asked(self, ask: ThinkOptions, tell: Tell) -> ThinkOptions:
        """Return `ask` as it is made now: of the model, or of who stands in for it."""
        stand_in = self._stand_in
        if stand_in is None:
            return ask
        if self._why is None:
            self._look_around(stand_in, tell)
        if self._why is None:
            return ask
        unanswered = f"{self._own.name} did not answer ({self._why})"
        return replace(ask, model=stand_in.model, metadata={**ask.metadata, UNANSWERED: unanswered})

    def gave_up(self, error: ModelError, state: AgentState, tell: Tell) -> AgentState:
        """Let somebody else be asked from now on; return the state with what was spent in vain.

        Raises:
            ModelError: Nobody stands in, or whoever does cannot help.
        """
        stand_in = self._stand_in
        if self._why is not None and isinstance(error, NoApplicableToolError) and self._error:
            # Rules cannot help: what there is to mend is the model.
            self._why = None
            raise self._error from None
        if stand_in is None or self._why is not None or not stand_in.replaces(error):
            raise error
        stand_in.gave_up(self._own.name, error)
        self._replace(stand_in, str(error), error, tell)
        return state if error.usage == NO_TOKENS else state.with_token_usage(error.usage)

    def answered(self) -> None:
        """Remember that the model itself is there."""
        if self._stand_in is not None and self._why is None:
            self._stand_in.answered(self._own.name)

    def _look_around(self, stand_in: StandIn, tell: Tell) -> None:
        """Ask nobody who was found silent just now, by this process or by this run."""
        error = stand_in.away(self._own.name)
        named = self._metadata.get(MODELS_AWAY)
        if error is not None:
            self._replace(stand_in, str(error), error, tell)
        elif isinstance(named, dict) and self._own.name in named:
            why = f"{EARLIER}: {named[self._own.name]}"
            self._replace(stand_in, why, None, tell)

    def _replace(self, stand_in: StandIn, why: str, error: ModelError | None, tell: Tell) -> None:
        self._why, self._error = why, error
        code = MODEL_REPLACED if error is None else error.code
        name, instead = self._own.name, stand_in.model.name
        logger.warning(
            "model.replaced", extra={"model": name, "by": instead, "code": code, "why": why}
        )
        data = ModelRetryData(
            attempt=1,
            reason=code,
            status_code=None if error is None else error.status,
            model=name,
            instead=instead,
            why=preview(why),
        )
        tell(ModelRetried(data=data))


def why_replaced(reasons: Iterable[Reason]) -> str | None:
    """Return why rules went on in place of a model, as the reasons of its run say it."""
    replaced = (reason.message for reason in reasons if reason.code == MODEL_REPLACED)
    return next((message.partition(_IN_ITS_PLACE)[2] for message in replaced), None)

"""How long a service's agents wait for a language model, and who answers where it does not."""

from typing import TypedDict

from weft.models import ModelRetryConfig, StandIn, get_model
from weft.service.settings import ModelSettings

__all__ = ["ModelPatience", "patience_of"]


class ModelPatience(TypedDict, total=False):
    """The options of an agent that say how it waits for its model."""

    model_retry: ModelRetryConfig
    stand_in: StandIn


def patience_of(settings: ModelSettings) -> ModelPatience:
    """Return what the agents of one process share: one budget of waiting, and rules behind it.

    The library's own agents fail without a model; a service of the mesh says so and goes on.
    """
    seconds = settings.model_patience_seconds
    return {
        "model_retry": ModelRetryConfig(total_budget_seconds=seconds, silence_seconds=seconds),
        "stand_in": StandIn(get_model("offline:")),
    }

"""How long a service's agents wait for a language model, and who answers where it does not."""

from weft.loop import ModelPatience
from weft.models import ModelRetryConfig, StandIn, get_model
from weft.service.settings import ModelSettings

__all__ = ["patience_of"]


def patience_of(settings: ModelSettings) -> ModelPatience:
    """Return what the agents of one process share: one budget of waiting, and rules behind it.

    The library's own agents fail without a model; a service of the mesh says so and goes on.
    """
    seconds = settings.model_patience_seconds
    return {
        "model_retry": ModelRetryConfig(total_budget_seconds=seconds, silence_seconds=seconds),
        "stand_in": StandIn(get_model("offline:")),
    }

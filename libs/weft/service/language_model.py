"""The language model of a process: opened by its settings, and loaded before anybody waits for it."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

from weft.core.supervision import guarded
from weft.models import Model, get_model, prepared
from weft.service.settings import ModelSettings

__all__ = ["opened_model"]


@asynccontextmanager
async def opened_model(settings: ModelSettings) -> AsyncIterator[Model]:
    """Yield the model that the settings name; its provider's SDK loads in the background meanwhile.

    What cannot be loaded is logged here and told to whoever asks the model first.

    Raises what `get_model` raises.
    """
    async with aclosing(get_model(settings.model)) as model:
        loading = asyncio.create_task(_load(model), name="model loading")
        try:
            yield model
        finally:
            loading.cancel()
            await asyncio.wait({loading})


async def _load(model: Model) -> None:
    with guarded("model loading"):
        await prepared(model)

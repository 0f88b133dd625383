"""A process's model is loaded before anybody waits for it, and what goes wrong then ends nothing."""

import logging

import anyio
import pytest

from weft.core.errors import ConfigError
from weft.models.registry import ModelProvider, add_provider
from weft.service import ModelSettings, opened_model
from weft.testing import ScriptedModel


class LoadingModel(ScriptedModel):
    """Has something to load."""

    def __init__(self, rest: str) -> None:
        super().__init__(["hello"])
        self.broken = rest == "broken"
        self.loaded = anyio.Event()

    async def prepare(self) -> None:
        self.loaded.set()
        if self.broken:
            raise ConfigError("its certificates cannot be read")


add_provider("loading", ModelProvider(open=LoadingModel))


@pytest.mark.parametrize("how", ["whole", "broken"])
async def test_a_model_is_loaded_though_nobody_asked_it_yet(
    how: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened_model(ModelSettings(model=f"loading:{how}")) as model:
        assert isinstance(model, LoadingModel)
        with anyio.fail_after(5):
            await model.loaded.wait()
        await anyio.wait_all_tasks_blocked()
        assert not model.closed

    logged = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert len(logged) == (how == "broken")
    assert model.closed

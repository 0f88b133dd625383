"""A service's place in the mesh."""

from pathlib import Path

import anyio
import pytest

from weft.core.errors import ConfigError
from weft.service.mesh import member
from weft.service.settings import ServiceSettings


@pytest.mark.parametrize("name", ["router", "gateway"])
async def test_a_specialist_does_not_take_a_name_whose_key_speaks_for_everybody(
    tmp_path: Path, name: str
) -> None:
    with pytest.raises(ConfigError, match="own name"):
        async with member(name, ServiceSettings(home=tmp_path)):
            raise AssertionError("it was let in")

    assert await anyio.Path(tmp_path / "trust").exists() is False

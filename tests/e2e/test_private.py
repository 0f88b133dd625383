"""What a mesh keeps on its machine is its owner's alone."""

import os
import stat
from pathlib import Path

import pytest

from tests.e2e.mesh import mesh_running

pytestmark = pytest.mark.timeout(120)


def loose(home: Path) -> dict[str, str]:
    """Return what others could read or enter below `home`, with its mode."""
    return {
        str(path.relative_to(home)): stat.filemode(path.lstat().st_mode)
        for path in home.rglob("*")
        if path.lstat().st_mode & 0o077 and not stat.S_ISSOCK(path.lstat().st_mode)
    }


@pytest.mark.requirement("CLI-1")
def test_a_home_that_others_can_enter_shows_them_nothing(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o755)
    home.chmod(0o755)
    before = os.umask(0o022)
    try:
        with mesh_running(home) as mesh:
            with mesh.client() as client:
                said = client.post("/invoke", json={"prompt": "Diagnose the checkout slowdown"})
            assert said.json()["status"] == "completed", said.text
            assert loose(home) == {}
            key = mesh.key
        assert loose(home) == {}
        with mesh_running(home) as again:
            assert again.key == key
    finally:
        os.umask(before)

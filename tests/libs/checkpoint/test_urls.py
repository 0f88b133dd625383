import subprocess
import sys
from contextlib import aclosing
from pathlib import Path

import pytest

from weft.checkpoint import get_checkpointer
from weft.core.errors import ConfigError


@pytest.mark.parametrize("slashes", ["", "//"])
async def test_a_url_names_a_sqlite_file(tmp_path: Path, slashes: str) -> None:
    async with aclosing(get_checkpointer(f"sqlite:{slashes}{tmp_path / 'db'}")) as them:
        await them.ping()

        assert them.runs.durability == "strong"
        assert (tmp_path / "db").is_file()


async def test_a_url_names_this_processs_memory() -> None:
    async with aclosing(get_checkpointer("memory:")) as them:
        assert them.runs.durability == "none"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqllite:x", "did you mean 'sqlite:'"),
        ("mongodb://x", "known: memory:, postgres:, postgresql:, sqlite:"),
        ("weft.db", "'sqlite:weft.db'"),
        ("sqlite:", "'sqlite:weft.db'"),
        ("sqlite::memory:", "'memory:'"),
    ],
)
def test_a_url_that_names_nothing_says_what_would(url: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        get_checkpointer(url)

    assert told in str(caught.value)


def test_a_backend_is_imported_when_it_is_first_asked_for() -> None:
    code = (
        "import sys, weft.checkpoint as c; assert 'sqlite3' not in sys.modules\n"
        "c.memory_checkpointer(); assert 'sqlite3' not in sys.modules\n"
        "c.sqlite_checkpointer; assert 'sqlite3' in sys.modules\n"
        "assert not hasattr(c, 'mongodb_checkpointer')"
    )

    subprocess.run([sys.executable, "-c", code], check=True, timeout=15)

"""`weft agent new`: a specialist to begin with, which runs, and passes its own test."""

import keyword
import re
from pathlib import Path
from string import Template

from weft.core.errors import ConfigError

NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
TAKEN = frozenset({"router", "gateway"})
"""The mesh's own names."""

_MAIN = Template('''"""$title: says hello until you teach it more."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

from services.$name.tools import say_hello
from weft import Agent
from weft.a2a import Card, Skill
from weft.service import (
    SpecialistSettings,
    agent_app,
    opened_model,
    patience_of,
    serve,
    settings_from,
)

PROMPT = Path(__file__).parent / "prompts" / "system.md"
CARD = Card(
    name="$name",
    description="Says hello to people.",
    skills=(
        Skill(
            id="$name.hello",
            name="Say hello",
            description="Say hello to somebody by name.",
            # A request finds a skill by its words. `effects:none` says that it changes nothing:
            # questions use no other.
            tags=("domain:$name", "risk:low", "effects:none", "hello"),
            examples=("Say hello to Ada",),
        ),
    ),
)


class Settings(SpecialistSettings, env_prefix="${prefix}_"):
    """Everything this service reads from outside itself."""


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Agent]:
    """Yield the working agent; close what it holds on the way out."""
    async with opened_model(settings) as model:
        yield Agent(
            model,
            [say_hello],
            PROMPT.read_text(encoding="utf-8"),
            name=CARD.name,
            **patience_of(settings),
        )


def main() -> None:
    """Serve until told to stop."""
    settings = settings_from(Settings)
    serve(agent_app(CARD, partial(opened, settings), settings), settings, name=CARD.name)


if __name__ == "__main__":
    main()
''')
_TOOLS = '''"""What the agent can do."""

from weft import tool


@tool(labels={"read"})
def say_hello(name: str = "world") -> str:
    """Say hello to somebody by name."""
    return f"Hello, {name}!"
'''
_PROMPT = "You say hello to people, by name where you are told it.\n"
_TEST = Template('''"""$title keeps to A2A, and does what it says."""

import subprocess
import sys
from pathlib import Path

COMMAND = [sys.executable, "-m", "services.$name.main", "--open"]
WEFT = [sys.executable, "-m", "weft.cli.main"]


def test_it_keeps_to_a2a(tmp_path: Path) -> None:
    home = ["--home", str(tmp_path / "home")]
    with subprocess.Popen([*COMMAND, *home], stdout=subprocess.PIPE, text=True) as service:
        try:
            assert service.stdout is not None
            ready, url = service.stdout.readline().split()
            assert ready == "ready"
            # Each line says what was looked at; a fault says what to do.
            subprocess.run([*WEFT, "agent", "check", url], check=True)
        finally:
            service.terminate()
''')


def make_agent(name: str, root: Path) -> list[Path]:
    """Write the package `services/NAME` and its test below `root`; return the files.

    Raises:
        ConfigError: The name cannot be used, or something of that name is there.
    """
    if NAME.fullmatch(name) is None or keyword.iskeyword(name):
        raise ConfigError(
            f"{name!r} is no name for an agent: take a lower-case letter, then letters, digits and _"
        )
    if name in TAKEN:
        raise ConfigError(f"{name!r} is the mesh's own name: take another one")
    words = {"name": name, "prefix": name.upper(), "title": name.replace("_", " ").capitalize()}
    service = root / "services" / name
    files = {
        service / "__init__.py": "",
        service / "main.py": _MAIN.substitute(words),
        service / "tools.py": _TOOLS,
        service / "prompts" / "system.md": _PROMPT,
        root / "tests" / "services" / f"test_{name}.py": _TEST.substitute(words),
    }
    if present := [path for path in (service, *files) if path.exists()]:
        raise ConfigError(f"{present[0]} is there already: nothing was written")
    for path, text in files.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return list(files)

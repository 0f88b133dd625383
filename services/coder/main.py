"""Coder: writes a patch for a project and runs its tests, on a copy, shut in."""

import asyncio
import math
import os
import platform
import shutil
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
from anyio import CapacityLimiter, to_thread
from pydantic import Field

from services.coder.agent import Coder
from services.coder.project import Project, ProjectError
from services.coder.running import LIMITS, LINUX, Limits, Runner, why_not_shut_in
from services.coder.suites import NoSuiteError, Suite, configured_suite, found_suite
from services.coder.tools import RUN_TESTS
from services.coder.workspace import Workspace
from weft.a2a import Card, Skill
from weft.core.errors import ConfigError
from weft.core.private_files import make_private_directory, resolved
from weft.core.supervision import kept_going
from weft.loop import Peer
from weft.models import get_model
from weft.service import (
    SpecialistSettings,
    agent_app,
    opened_model,
    patience_of,
    serve,
    settings_from,
)

NAME = "coder"
PROMPT = Path(__file__).parent / "prompts" / "code.md"
DAY_SECONDS, LOOK_SECONDS = 86_400.0, 3600.0


class Settings(SpecialistSettings, env_prefix="CODER_"):
    """Everything this service reads from outside itself."""

    project: Path | None = None
    """The directory of sources that it may work on; nothing in it is changed."""
    test_command: str | None = None
    """What tests the project, such as `make check`; None is what its files speak of."""
    test_seconds: float = Field(default=LIMITS["seconds"], gt=0, allow_inf_nan=False)
    """After so long a run of the tests is ended."""
    process_memory: int = Field(default=LIMITS["memory"], ge=1 << 26)
    """Bytes that a run of the tests may take, each process of it and all together."""
    readable_roots: tuple[Path, ...] = ()
    """Directories that the tests need beside the project, the system and their program's own."""
    tests_may_reach_out: bool = False
    """Whether tests may run where this machine cannot shut them in: they then reach the network,
    and whatever this user may read and write."""


@dataclass(frozen=True, slots=True)
class Footing:
    """What the coder stands on here: looked at once, before it is announced."""

    home: Path
    """Where it keeps what it changed."""
    project: Project
    suite: Suite | None
    """None: nothing is known to test the project."""
    shut_in: bool
    refusal: str
    """Why no test may run here; "" where they may."""

    @property
    def tests(self) -> str:
        if self.suite is None:
            return "knows nothing that tests it"
        return f"tests it with `{self.suite.command}`"


def footing_of(settings: Settings) -> Footing:
    """Return what there is; tries whether a command can be shut in, and waits for it.

    Raises:
        ConfigError: There is no project, or a setting cannot be.
    """
    if settings.project is None:
        raise ConfigError(
            "the coder has no project: set CODER_PROJECT to its directory, or start the mesh with "
            "`weft up --code DIR`"
        )
    root = resolved(settings.project)
    if not root.is_dir() or root == Path("/"):
        raise ConfigError(f"{root} is no directory of a project: name one that is there")
    if missing := [str(path) for path in settings.readable_roots if not path.is_dir()]:
        raise ConfigError(f"there is no directory {', '.join(missing)} for tests to read")
    home = resolved(settings.home) / NAME
    make_private_directory(home)
    why = why_not_shut_in(home)
    suite = _suite(settings, Workspace(Project(root), home / "none.json"))
    return Footing(home, Project(root), suite, why is None, _refusal(settings, why))


def card_of(settings: Settings, footing: Footing) -> Card:
    """Return what is offered: code, and the tool that tests it where something does."""
    words = [f"Writes patches for {footing.project.root.name}, on a copy, and {footing.tests}."]
    if get_model(settings.model).capabilities.by_rules:
        words.append("It has no language model now, which writing code takes.")
    if footing.refusal:
        words.append(footing.refusal)
    description = " ".join(words)
    tests = (f"tests:{RUN_TESTS}",) if footing.suite else ()
    skill = Skill(
        id="code.write",
        name="Write code",
        description=description,
        tags=("risk:low", "effects:none", "role:code", *tests),
        examples=("Write a function that parses ISO dates", "Implement retries in the client"),
    )
    return Card(name=NAME, description=description, skills=(skill,))


@asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Peer]:
    """Yield a working coder; close what it holds on the way out.

    Raises:
        ConfigError: There is no project, or a setting cannot be.
    """
    footing = await to_thread.run_sync(footing_of, settings)
    await to_thread.run_sync(_drop_old, footing.home, settings.keep_days)
    dropping = partial(_keep_dropping, footing.home, settings.keep_days)
    text = await anyio.Path(PROMPT).read_text(encoding="utf-8")
    limits: Limits = {
        **LIMITS,
        "seconds": settings.test_seconds,
        "cpu_seconds": math.ceil(settings.process_cpu_seconds),
        "memory": settings.process_memory,
    }
    async with opened_model(settings) as model, kept_going(dropping, name="dropping"):
        yield Coder(
            NAME,
            model,
            footing.project,
            Runner(footing.home, limits, footing.shut_in, CapacityLimiter(settings.processes)),
            text,
            footing.home,
            suite=_configured(settings),
            tests=footing.tests,
            readable=settings.readable_roots,
            refusal=footing.refusal,
            # Rules write no code: where its model is away, the pass fails and says so.
            patience={**patience_of(settings), "stand_in": None},
        )


def main() -> None:
    """Serve until told to stop."""
    settings = settings_from(Settings)
    card = card_of(settings, footing_of(settings))
    serve(agent_app(card, partial(opened, settings), settings), settings, name=NAME)


def _configured(settings: Settings) -> Suite | None:
    if settings.test_command is None:
        return None
    try:
        return configured_suite(settings.test_command)
    except ValueError as error:
        raise ConfigError(f"CODER_TEST_COMMAND cannot be: {error}") from error


def _suite(settings: Settings, untouched: Workspace) -> Suite | None:
    if (suite := _configured(settings)) is not None:
        return suite
    try:
        return found_suite(untouched.project.root, untouched.files(), untouched.words_of)
    except NoSuiteError:
        return None
    except ProjectError as error:
        raise ConfigError(str(error)) from error


def _refusal(settings: Settings, why: str | None) -> str:
    if why is None:
        return ""
    if platform.system() != LINUX:
        return f"The coder runs tests on Linux alone, and this is {platform.system()}."
    if not settings.tests_may_reach_out:
        return (
            f"Tests cannot be shut in on this machine ({why}): they would reach the network, and what "
            "this user may read and write. So nothing is written here either, until the machine "
            "gives user namespaces, or CODER_TESTS_MAY_REACH_OUT=true says that they may."
        )
    if os.geteuid() == 0:
        return (
            f"Tests cannot be shut in on this machine ({why}), and no limit of processes binds root: "
            "start the coder as another user."
        )
    return ""


async def _keep_dropping(home: Path, keep_days: float) -> None:
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        await to_thread.run_sync(_drop_old, home, keep_days)


def _drop_old(home: Path, keep_days: float) -> None:
    """Delete what was changed for runs that nobody goes on with any more."""
    before = time.time() - keep_days * DAY_SECONDS if keep_days else 0.0
    for path in home.iterdir():
        if path.stat().st_mtime < before:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()

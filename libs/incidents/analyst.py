"""A specialist for incidents: one analysis, a model, a prompt, and the data it may look at."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import anyio
from anyio import to_thread
from pydantic import field_validator

from incidents.analysis import Analysis
from incidents.cases import DataRoots
from incidents.data_gate import DataGate
from incidents.live_settings import LiveSettings, live_reader
from weft.a2a import Card
from weft.core.errors import ConfigError
from weft.loop import Agent, Peer
from weft.service import opened_model, patience_of, processes_of

__all__ = ["IncidentSettings", "analyst"]

_ITERATIONS = 6


class IncidentSettings(LiveSettings):
    """What an analyst of incidents reads from outside itself."""

    data_roots: tuple[Path, ...] = ()
    """Directories below which the caller may name data; nothing else is opened."""
    data: Path | None = None
    """What is looked at where the caller names nothing."""

    data_zone: str = "UTC"
    """The zone of times in logs that tell none, by its name, such as `Europe/Berlin`."""

    @field_validator("data_zone")
    @classmethod
    def _known(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (ValueError, OSError) as error:  # a name that is none, or leads out of the zones
            words = f"{name!r} is no time zone: name one like UTC or Europe/Berlin"
            raise ValueError(words) from error
        except ZoneInfoNotFoundError as error:
            words = f"{name!r} is no time zone that this machine knows: name one like Europe/Berlin"
            raise ValueError(words) from error
        return name

    @property
    def roots(self) -> tuple[Path, ...]:
        """The data roots, and what is looked at by default."""
        return (*self.data_roots, *([self.data] if self.data is not None else []))


@asynccontextmanager
async def analyst(
    card: Card, prompt: Path, analysis: Analysis, settings: IncidentSettings
) -> AsyncIterator[Peer]:
    """Yield a working analyst, named as its card and told what stands in the file `prompt`.

    Raises:
        ConfigError: A data root is no directory, or a live system cannot be read as it is set.
    """
    for root in settings.roots:
        if not await anyio.Path(root).is_dir():
            raise ConfigError(f"data root {root} is no directory: set one that is there, or none")
    processes = processes_of(settings)
    text = await anyio.Path(prompt).read_text(encoding="utf-8")
    with TemporaryDirectory(prefix="weft-live-") as spool:
        live = await to_thread.run_sync(live_reader, settings, analysis.live, Path(spool))
        roots = DataRoots(settings.roots, settings.data_zone, spool=Path(spool))
        tool = analysis.tool(roots, processes, live=live is not None)
        async with processes, opened_model(settings) as model:
            agent = Agent(
                model,
                [tool],
                text,
                name=card.name,
                # The evidence is there before anybody speaks: a model explains it, and asks further.
                opening_tools=[tool.name],
                cites_findings=True,
                max_iterations=_ITERATIONS,
                **patience_of(settings),
            )
            yield DataGate(agent, analysis.source, roots, settings.data, live)

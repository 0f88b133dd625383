"""Where a run's events go: to nobody, to a watcher as typed views, or to the mesh."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from weft.core import SYSTEM_CLOCK
from weft.events import Event
from weft.loop.stream import LoopEvent
from weft.loop.views import view_of


class Outlet(Protocol):
    """Hears of everything a run tells, on the event loop, in order."""

    @property
    def heard(self) -> bool:
        """Tell whether anybody watches, so that showing a reply as it grows makes sense."""
        ...

    def tell(self, event: Event) -> None:
        """Take what the loop, its tools, effects and children tell."""
        ...


class Unheard:
    """Nobody watches."""

    heard = False

    def tell(self, event: Event) -> None:
        """Forget it."""


class TypedOutlet:
    """Hands on typed views, placed; whoever reads them numbers them."""

    heard = True

    def __init__(
        self, hear: Callable[[LoopEvent], None], *, run_id: str, thread_id: str, agent: str
    ) -> None:
        self._hear = hear
        self._run_id = run_id
        self._thread_id = thread_id
        self._agent = agent

    def tell(self, event: Event) -> None:
        view = view_of(event)
        if view is None:
            return
        placed = replace(
            view,
            run_id=self._run_id,
            thread_id=self._thread_id,
            agent_name=self._agent,
            timestamp=SYSTEM_CLOCK.now(),
        )
        self._hear(placed)


class BusOutlet:
    """Hands on the events themselves, marked with the agent's name."""

    heard = True

    def __init__(self, hear: Callable[[Event], None], agent: str) -> None:
        self._hear = hear
        self._agent = agent

    def tell(self, event: Event) -> None:
        if event.agent is None:
            event = event.model_copy(update={"agent": self._agent})
        self._hear(event)

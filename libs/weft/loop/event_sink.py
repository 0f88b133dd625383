"""Where a run's events go: to nobody, to a watcher as typed events, or to the mesh."""

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from weft.core import SYSTEM_CLOCK
from weft.events import Event
from weft.loop.mapping import bus_events, typed_event
from weft.loop.stream import LoopEvent


class Outlet(Protocol):
    """Hears of everything a run tells, on the event loop, in order."""

    @property
    def heard(self) -> bool:
        """Tell whether anybody watches, so that showing a reply as it grows makes sense."""
        ...

    def tell(self, event: LoopEvent) -> None:
        """Take what the loop itself tells."""
        ...

    def relay(self, event: Event) -> None:
        """Take what tools, effects and children tell."""
        ...


class Unheard:
    """Nobody watches."""

    heard = False

    def tell(self, event: LoopEvent) -> None:
        """Forget it."""

    def relay(self, event: Event) -> None:
        """Forget it."""


class TypedOutlet:
    """Hands on typed events, placed; whoever reads them numbers them."""

    heard = True

    def __init__(
        self, hear: Callable[[LoopEvent], None], *, run_id: str, thread_id: str, agent: str
    ) -> None:
        self._hear = hear
        self._run_id = run_id
        self._thread_id = thread_id
        self._agent = agent

    def tell(self, event: LoopEvent) -> None:
        placed = replace(
            event,
            run_id=self._run_id,
            thread_id=self._thread_id,
            agent_name=self._agent,
            timestamp=SYSTEM_CLOCK.now(),
        )
        self._hear(placed)

    def relay(self, event: Event) -> None:
        typed = typed_event(event)
        if typed is not None:
            self.tell(typed)


class BusOutlet:
    """Hands on the mesh's events, marked with the agent's name."""

    heard = True

    def __init__(self, hear: Callable[[Event], None], agent: str) -> None:
        self._hear = hear
        self._agent = agent

    def tell(self, event: LoopEvent) -> None:
        for part in bus_events(event):
            self.relay(part)

    def relay(self, event: Event) -> None:
        if event.agent is None:
            event = event.model_copy(update={"agent": self._agent})
        self._hear(event)

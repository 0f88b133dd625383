"""How a request becomes a choice, for a run as for an explanation: rules, and whoever advises them."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from router_service.extraction import Extractor
from router_service.peers import MeshPeers
from router_service.picker import Picker
from router_service.routes import Chosen, Hints, Routes
from weft.catalog import Offers
from weft.core import Authority
from weft.routing import ModelReading
from weft.runs import Journal, RoutedRequest

Choose = Callable[[Offers], Chosen]
Looking = Callable[[Choose], Awaitable[Chosen]]
"""Calls with what the mesh offers, and again while somebody may come."""


@dataclass(frozen=True, slots=True)
class Advisers:
    """Who is asked beside the rules."""

    extractor: Extractor | None = None
    """Reads requests with a model; without one rules read alone."""
    picker: Picker | None = None
    """Chooses with a model where several protocols could do a part; without one rules choose."""

    def reads(self, request: RoutedRequest) -> bool:
        return self.extractor is not None and self.extractor.is_for(request)

    def hears(self, chosen: Chosen) -> bool:
        """Tell whether somebody may choose otherwise than rules did."""
        return chosen.plan is not None and bool(chosen.choices) and self.picker is not None


NOBODY = Advisers()


@dataclass(frozen=True, slots=True)
class Choosing:
    """The choice of one request; the pure router is asked anew with what each adviser says."""

    peers: MeshPeers
    routes: Routes
    advisers: Advisers
    request: RoutedRequest
    authority: Authority
    journal: Journal | None = None
    """Where what models say is kept; an explanation has none."""

    async def choose(self, earlier: tuple[str, ...], looking: Looking) -> tuple[Chosen, Hints]:
        """Return the choice and what was known for it; `earlier` was asked on the thread before."""
        hints = Hints(earlier, await self._read(earlier))
        chosen = await looking(lambda offers: self._chosen(offers, hints))
        if not self.advisers.hears(chosen):
            return chosen, hints
        hints = await self._picked(chosen, hints)
        return self._chosen(self.peers.offers, hints), hints

    def _chosen(self, offers: Offers, hints: Hints) -> Chosen:
        return self.routes.choose(self.request, self.authority.principal, offers, hints)

    async def _read(self, earlier: tuple[str, ...]) -> ModelReading | None:
        """Return what a model reads in the request; None where none is to be asked."""
        extractor = self.advisers.extractor
        if extractor is None or not extractor.is_for(self.request):
            return None
        index = self.routes.index(self.authority.principal, await self.peers.refresh())
        return await extractor.read(
            self.request, index, self.authority, journal=self.journal, earlier=earlier
        )

    async def _picked(self, chosen: Chosen, hints: Hints) -> Hints:
        picker, reading = self.advisers.picker, hints.reading or ModelReading()
        if picker is None:
            return hints
        authority = self.authority.spent(reading.usage, calls=reading.usage.model_calls)
        picked = await picker.pick(
            self.request.input, chosen.choices, authority, journal=self.journal
        )
        usage = reading.usage + picked.usage
        return replace(hints, reading=replace(reading, picks=picked.picks, usage=usage))


def offered_now(offers: Offers) -> Looking:
    """Return what looks once, at `offers`."""

    async def look(choose: Choose) -> Chosen:
        return choose(offers)

    return look

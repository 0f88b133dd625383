"""How a request becomes a choice, for a run as for an explanation: rules, and whoever advises them."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

from router_service.extraction import Extractor
from router_service.peers import MeshPeers
from router_service.picker import Picker
from router_service.routes import Chosen, Hints, Routes
from weft.catalog import Offers
from weft.checkpoint import OutcomeBook
from weft.core import Authority, Tally
from weft.routing import ModelReading, TaskType
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
    book: OutcomeBook | None = None
    """What came of protocols before; without it nothing is kept or heard of that."""

    def reads(self, request: RoutedRequest) -> bool:
        return self.extractor is not None and self.extractor.is_for(request)

    def hears(self, chosen: Chosen) -> bool:
        """Tell whether somebody may choose otherwise than rules did."""
        asks = self.picker is not None or self.book is not None
        return asks and chosen.plan is not None and bool(chosen.choices)


NOBODY = Advisers()
NO_TALLIES: Mapping[TaskType, Mapping[str, Tally]] = MappingProxyType({})


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
        kept = None if self.advisers.book is None else NO_TALLIES
        hints = Hints(earlier, await self._read(earlier), kept)
        chosen = await looking(lambda offers: self._chosen(offers, hints))
        if not self.advisers.hears(chosen):
            return chosen, hints
        learned = replace(hints, tallies=await self._tallies(chosen))
        advised = await self._picked(self._chosen(self.peers.offers, learned), learned)
        return self._chosen(self.peers.offers, advised), advised

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

    async def _tallies(self, chosen: Chosen) -> Mapping[TaskType, Mapping[str, Tally]] | None:
        """Return what came before of those that could do each part; None where that is not kept."""
        book, routed = self.advisers.book, chosen.routed
        if book is None or routed is None:
            return None
        tenant, domain = self.authority.principal.tenant, routed.frame.domain
        return {
            goal: await book.tallies(
                tenant, goal, domain, [one.protocol.id for one in selection.candidates]
            )
            for goal, selection in chosen.choices.items()
        }

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

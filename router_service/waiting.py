"""A request whose peer was there a moment ago waits for it, instead of failing for good."""

import asyncio
import logging
from collections.abc import Callable

from router_service.peers import MeshPeers
from router_service.routes import Chosen
from weft.catalog import Offers
from weft.core import SYSTEM_CLOCK, Clock
from weft.core.edge_errors import UnknownAgentError
from weft.routing.errors import NoMatchingProtocolError, UnknownCapabilityError

log = logging.getLogger(__name__)

WAIT_SECONDS = 10.0
"""A process that was killed is back by then."""
ARRIVAL_SECONDS = 3.0
"""Whoever says that he is there is asked what he offers; a living one has answered by then."""
LOOK_SECONDS = 0.02
SHARE = 0.5
"""Of the run's time, at most, goes by in waiting."""


async def choose_patiently(
    choose: Callable[[Offers], Chosen],
    peers: MeshPeers,
    *,
    remaining_s: float | None,
    clock: Clock = SYSTEM_CLOCK,
) -> Chosen:
    """Return what `choose` makes of the mesh, once the peers it lacks are back or given up.

    A choice among those who happened to answer first would leave the others out unsaid, so whoever
    is just arriving is waited for too.
    """
    seconds = WAIT_SECONDS if remaining_s is None else min(WAIT_SECONDS, remaining_s * SHARE)
    until = clock.monotonic() + seconds
    arrival = min(until, clock.monotonic() + ARRIVAL_SECONDS)
    offers = await _all_arrived(peers, until=arrival, clock=clock)
    chosen = choose(offers)
    while _may_come(chosen, peers) and (left := until - clock.monotonic()) > 0:
        log.info("waits_for_peers", extra={"code": chosen.error.code if chosen.error else "guide"})
        await peers.wait_change(offers, seconds=left)
        offers = await peers.refresh()
        chosen = choose(offers)
    return chosen


async def _all_arrived(peers: MeshPeers, *, until: float, clock: Clock) -> Offers:
    offers = await peers.refresh()
    while peers.arriving and clock.monotonic() < until:
        await asyncio.sleep(LOOK_SECONDS)
        offers = await peers.refresh()
    return offers


def _may_come(chosen: Chosen, peers: MeshPeers) -> bool:
    """Tell whether what the request lacks was there a moment ago."""
    error = chosen.error
    if isinstance(error, UnknownAgentError):
        return peers.may_return(error.name)
    if isinstance(error, NoMatchingProtocolError | UnknownCapabilityError):
        return peers.may_return()
    return chosen.lacking and peers.may_return()

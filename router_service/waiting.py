"""A request whose peer was there a moment ago waits for it, instead of failing for good."""

import logging
from collections.abc import Callable

from router_service.peers import MeshPeers
from router_service.routes import Chosen
from weft.catalog import Offers
from weft.core import SYSTEM_CLOCK, Clock
from weft.core.edge_errors import UnknownAgentError
from weft.core.errors import WeftError
from weft.routing.errors import NoMatchingProtocolError, UnknownCapabilityError

log = logging.getLogger(__name__)

WAIT_SECONDS = 10.0
"""A process that was killed is back by then."""
SHARE = 0.5
"""Of the run's time, at most, goes by in waiting."""


async def choose_patiently(
    choose: Callable[[Offers], Chosen],
    peers: MeshPeers,
    *,
    remaining_s: float | None,
    clock: Clock = SYSTEM_CLOCK,
) -> Chosen:
    """Return what `choose` makes of the mesh, once the peers it lacks are back or given up."""
    offers = await peers.refresh()
    chosen = choose(offers)
    seconds = WAIT_SECONDS if remaining_s is None else min(WAIT_SECONDS, remaining_s * SHARE)
    until = clock.monotonic() + seconds
    while (
        chosen.error is not None
        and _may_come(chosen.error, peers)
        and (left := until - clock.monotonic()) > 0
    ):
        log.info("waits_for_peers", extra={"code": chosen.error.code})
        await peers.wait_change(offers, seconds=left)
        offers = await peers.refresh()
        chosen = choose(offers)
    return chosen


def _may_come(error: WeftError, peers: MeshPeers) -> bool:
    """Tell whether what the request lacks was there a moment ago."""
    if isinstance(error, UnknownAgentError):
        return peers.may_return(error.name)
    if isinstance(error, NoMatchingProtocolError | UnknownCapabilityError):
        return peers.may_return()
    return False

"""Telling a peer to stop, also while whoever tells is being cancelled himself."""

import asyncio
import logging
from collections.abc import Callable
from functools import partial

import anyio

from weft.core import JsonValue
from weft.loop.peer import PeerRun

__all__ = ["stopped"]

LEAST_SECONDS = 1.0
"""Telling takes a moment, also where nothing gets time to end in."""

log = logging.getLogger(__name__)

ANSWER_SECONDS = 4.0
"""Beyond its grace, for a peer's report: one elsewhere has some seconds to be reached, too."""


async def stopped(
    run: PeerRun,
    stopping: Callable[[], tuple[str, float]],
    name: str,
    *,
    answer_s: float = ANSWER_SECONDS,
) -> JsonValue:
    """Return what the peer `name` reports of its end; None where it does not.

    `stopping` says why it shall end, and what its calls in flight get to end in. Whoever waits here
    and is cancelled once more asks again, and tells the peer where the grace got shorter.
    """
    why, grace_s = stopping()
    report = partial(_reported, run, name, answer_s)
    ending = asyncio.ensure_future(report(why, grace_s))
    # Inside an agent that is cancelled, every wait that is not shielded ends at once.
    with anyio.CancelScope(shield=True):
        while not ending.done():
            try:
                await asyncio.shield(ending)
            except asyncio.CancelledError:
                if ending.done():
                    break
                why, shorter = stopping()
                if shorter < grace_s:
                    ending.cancel()
                    grace_s = shorter
                    ending = asyncio.ensure_future(report(why, grace_s))
    return ending.result()


async def _reported(
    run: PeerRun, name: str, answer_s: float, why: str, grace_s: float
) -> JsonValue:
    try:
        async with asyncio.timeout(max(grace_s + answer_s, LEAST_SECONDS)):
            return await run.cancel(why, grace_s=grace_s)
    except Exception:  # noqa: BLE001 - whatever the peer answers, the cancellation goes on
        log.warning("cancel_failed", extra={"peer": name})
        return None

"""A model's choice among the protocols that survived; the rules stand behind it."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace

from weft.routing.frame import GoalFrame
from weft.routing.select import Candidate, Selection

log = logging.getLogger(__name__)

PATIENCE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class PickerChoice:
    """A picker's choice, or why there is none."""

    protocol: str | None
    rationale: str = ""


Picker = Callable[[GoalFrame, Sequence[Candidate]], Awaitable[PickerChoice]]


async def pick(
    picker: Picker,
    frame: GoalFrame,
    survivors: Sequence[Candidate],
    *,
    patience: float = PATIENCE_SECONDS,
) -> PickerChoice | None:
    """Ask `picker`, unless there is nothing to choose; None leaves it to the rules."""
    if len(survivors) == 1:
        return None
    try:
        async with asyncio.timeout(patience):
            return await picker(frame, survivors)
    except TimeoutError:
        return PickerChoice(None, f"the picker was silent for {patience:g} s")
    except Exception:
        # A picker is anybody's code; the rules can always decide.
        log.exception("picker_failed")
        return PickerChoice(None, "the picker failed")


def as_picked(chosen: Selection, picked: PickerChoice | None) -> Selection:
    """Take the picker's choice among several survivors; anything else falls back to the rules."""
    if picked is None or chosen.method not in {"rule_based", "learned"}:
        return chosen
    for candidate in chosen.candidates:
        if candidate.protocol.id == picked.protocol:
            return replace(
                chosen,
                protocol=candidate.protocol,
                method="llm_picked",
                rationale=picked.rationale,
            )
    why = picked.rationale or f"{picked.protocol!r} is none of the survivors"
    return replace(chosen, method="rule_based_fallback", rationale=why)

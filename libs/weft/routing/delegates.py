"""Which agent outside the mesh a request goes to: the one it names, else its tenant's, else its domain's."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from weft.catalog import Provider
from weft.core import Principal
from weft.core.protocol_errors import DelegateRefusedError
from weft.language.addressed import addressed_to
from weft.routing.frame import GENERAL, MAX_SECONDARY, GoalFrame, Level, TaskType, highest

__all__ = ["HANDED_OUT", "Delegate", "delegate_of"]

HANDED_OUT = TaskType.COORDINATE
"""The goal of what is handed out after something else."""


@dataclass(frozen=True, slots=True)
class Delegate:
    """Who may do all of a request, and whether the request says so itself."""

    name: str
    risk: Level
    named: bool = False
    before: str = ""
    """What the request asks of the mesh before it turns to this one."""

    def doing(self, frame: GoalFrame) -> GoalFrame:
        """Return the frame of a request that turns to this one: alone, or after what is asked before."""
        risk = highest(frame.risk, self.risk)
        if self.before and frame.primary_goal is not HANDED_OUT:
            goals = [goal for goal in frame.secondary_goals if goal is not HANDED_OUT]
            kept = (*goals[: MAX_SECONDARY - 1], HANDED_OUT)
            return frame.model_copy(update={"secondary_goals": kept, "risk": risk})
        return frame.model_copy(
            update={
                "secondary_goals": (),
                "required_capabilities": (),
                "requires_tools": False,
                "requires_code_generation": False,
                "risk": risk,
            }
        )


def delegate_of(
    text: str,
    frame: GoalFrame,
    outside: Sequence[Provider],
    principal: Principal,
    *,
    agent: str | None = None,
) -> Delegate | None:
    """Return the delegate of a request of `principal`, who may call `outside`; `agent` was given with it.

    Raises:
        DelegateRefusedError: An address was given that is none of theirs.
    """
    by_name = {provider.service: provider for provider in outside}
    if agent is not None and "://" in agent:
        provider = next((one for one in outside if _same(one.url, agent)), None)
        if provider is None:
            raise DelegateRefusedError(
                f"{agent[:200]} is no agent that tenant {principal.tenant} may call; "
                "`weft agents add URL` adds one, and `weft agents ls` lists those there are"
            )
        return _delegate(provider, named=True)
    if agent is not None:
        return _delegate(by_name[agent], named=True) if agent in by_name else None
    if outside and (addressed := addressed_to(text, by_name)) is not None:
        delegate = _delegate(by_name[addressed.name], named=True)
        return replace(delegate, before=addressed.before)
    return _standing(frame, outside, principal)


def _standing(
    frame: GoalFrame, outside: Sequence[Provider], principal: Principal
) -> Delegate | None:
    """Return who does what no other agent is named for, should it be handed out at all."""
    for provider in outside:
        if provider.outside is not None and principal.tenant in provider.outside.default_for:
            return _delegate(provider)
    for provider in outside:
        terms = provider.outside
        if terms is not None and frame.domain != GENERAL and frame.domain in terms.domains:
            return _delegate(provider)
    return None


def _delegate(provider: Provider, *, named: bool = False) -> Delegate:
    risk = "medium" if provider.outside is None else provider.outside.risk
    return Delegate(provider.service, Level(risk), named)


def _same(card_url: str, url: str) -> bool:
    """Tell whether `url` is where the card is served, or where its agent is at home."""
    home = card_url.partition("/.well-known/")[0]
    return url.rstrip("/") in {card_url.rstrip("/"), home.rstrip("/")}

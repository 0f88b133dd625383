"""An agent outside the mesh as the catalogue offers it: its card's words, on the terms that were set here.

No tag of such a card counts: it could make itself harmless, a judge, or one of our analysts. Its skills
stand under its own name, so that none is taken for a skill of a member.
"""

from weft.a2a.wire.cards import capabilities_of
from weft.catalog import Capability, Effects, OutsideTerms, Provider
from weft.catalog.outside import OutsideAgent
from weft.core import dumps

__all__ = ["outside_provider"]

INSTANCE = "outside"
_MOST_SKILLS = 64
_LONGEST = 2_000


def outside_provider(agent: OutsideAgent) -> Provider:
    """Return what the mesh may ask of `agent`, for the tenants that may."""
    skills, _ = capabilities_of(agent.card)
    return Provider(
        service=agent.name,
        instance=INSTANCE,
        url=agent.card_url,
        card=dumps(agent.card).decode(),
        capabilities=tuple(_offered(agent, skill) for skill in skills[:_MOST_SKILLS]),
        outside=OutsideTerms(
            tenants=frozenset(agent.tenants),
            default_for=frozenset(agent.default_for),
            domains=frozenset(agent.domains),
            risk=agent.risk,
        ),
    )


def _offered(agent: OutsideAgent, skill: Capability) -> Capability:
    effects: Effects = "none" if agent.reads else "unknown"
    return Capability(
        id=f"{agent.name}/{skill.id}",
        description=skill.description[:_LONGEST],
        domains=frozenset(agent.domains),
        risk=agent.risk,
        effects=effects,
        tags=frozenset(tag for tag in skill.tags if ":" not in tag),
        examples=skill.examples,
        providers=(agent.name,),
    )

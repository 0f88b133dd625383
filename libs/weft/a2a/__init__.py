"""A2A 1.0: what is written on the wire, and who says that he is there.

`weft.a2a.server` answers it over runs, `weft.a2a.client` calls others as peers: whoever does one
need not load the other.
"""

from weft.a2a.events import ArtifactChunk, ArtifactUpdated
from weft.a2a.seals import Sealer, read_seal
from weft.a2a.wire.cards import (
    Card,
    PeerCard,
    Skill,
    capabilities_of,
    control_card,
    provider_of,
    read_card,
    read_control_card,
)

__all__ = [
    "ArtifactChunk",
    "ArtifactUpdated",
    "Card",
    "PeerCard",
    "Sealer",
    "Skill",
    "capabilities_of",
    "control_card",
    "provider_of",
    "read_card",
    "read_control_card",
    "read_seal",
]

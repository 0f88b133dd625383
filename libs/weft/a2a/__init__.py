"""A2A 1.0: cards, keys, delegation, a server over runs, and a client that is a peer."""

from weft.a2a.client.client import A2AClient, fetch_card
from weft.a2a.client.transport import open_session
from weft.a2a.events import ArtifactChunk, ArtifactUpdated
from weft.a2a.seals import MeshVouch, Sealer, read_seal
from weft.a2a.server.app import A2AServer
from weft.a2a.server.callers import Authenticator
from weft.a2a.server.executor import execute_task
from weft.a2a.server.tasks import TaskLimits
from weft.a2a.wire.cards import (
    Card,
    PeerCard,
    Skill,
    capabilities_of,
    control_card,
    provider_of,
    read_card,
    read_control_card,
    read_foreign_card,
)

__all__ = [
    "A2AClient",
    "A2AServer",
    "ArtifactChunk",
    "ArtifactUpdated",
    "Authenticator",
    "Card",
    "MeshVouch",
    "PeerCard",
    "Sealer",
    "Skill",
    "TaskLimits",
    "capabilities_of",
    "control_card",
    "execute_task",
    "fetch_card",
    "open_session",
    "provider_of",
    "read_card",
    "read_control_card",
    "read_foreign_card",
    "read_seal",
]

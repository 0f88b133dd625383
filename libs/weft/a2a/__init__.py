"""A2A 1.0: cards, keys, delegation, a server over runs, and a client that is a peer."""

from weft.a2a.cards import (
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
from weft.a2a.client import A2AClient, fetch_card
from weft.a2a.delegation import Caller, Minter, Verifier
from weft.a2a.errors import WIRE, Wire, problem_fields, wire
from weft.a2a.executor import execute_task
from weft.a2a.keys import PublicKey, SigningKey, Trust, TrustedKey, open_key, publish
from weft.a2a.seals import MeshVouch, Sealer, read_seal
from weft.a2a.server import A2AServer, Authenticator
from weft.a2a.tasks import Limits
from weft.a2a.transport import open_session

__all__ = [
    "WIRE",
    "A2AClient",
    "A2AServer",
    "Authenticator",
    "Caller",
    "Card",
    "Limits",
    "MeshVouch",
    "Minter",
    "PeerCard",
    "PublicKey",
    "Sealer",
    "SigningKey",
    "Skill",
    "Trust",
    "TrustedKey",
    "Verifier",
    "Wire",
    "capabilities_of",
    "control_card",
    "execute_task",
    "fetch_card",
    "open_key",
    "open_session",
    "problem_fields",
    "provider_of",
    "publish",
    "read_card",
    "read_control_card",
    "read_foreign_card",
    "read_seal",
    "wire",
]

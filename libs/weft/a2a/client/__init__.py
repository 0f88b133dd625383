"""A2A agents called as peers."""

from weft.a2a.client.client import A2AClient, fetch_card
from weft.a2a.client.foreign_card import FetchedCard, fetch_foreign_card
from weft.a2a.client.guarded import guarded_session
from weft.a2a.client.outside import OutsidePeer, outside_peer
from weft.a2a.client.trail import contexts_in, kept_contexts
from weft.a2a.client.transport import open_session
from weft.a2a.client.vouch import MeshVouch

__all__ = [
    "A2AClient",
    "FetchedCard",
    "MeshVouch",
    "OutsidePeer",
    "contexts_in",
    "fetch_card",
    "fetch_foreign_card",
    "guarded_session",
    "kept_contexts",
    "open_session",
    "outside_peer",
]

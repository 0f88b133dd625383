"""A2A agents called as peers."""

from weft.a2a.client.client import A2AClient, fetch_card
from weft.a2a.client.transport import open_session
from weft.a2a.client.vouch import MeshVouch

__all__ = ["A2AClient", "MeshVouch", "fetch_card", "open_session"]

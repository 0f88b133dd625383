"""The agent: think, execute, reflect, terminate."""

from weft.loop.peer import Peer, PeerRun, Task

__all__ = ["Peer", "PeerRun", "Task"]

"""A peer that looks at something even where the caller names nothing."""

from dataclasses import dataclass, replace
from pathlib import Path

from weft.loop import Peer, PeerRun, Task

__all__ = ["with_data"]


@dataclass(frozen=True, slots=True)
class _WithData:
    peer: Peer
    data: str

    @property
    def name(self) -> str:
        return self.peer.name

    def start(self, task: Task) -> PeerRun:
        return self.peer.start(replace(task, metadata={"data": self.data, **task.metadata}))


def with_data(peer: Peer, data: Path | None) -> Peer:
    """Return `peer`, given `data` as the request's metadata where it has none."""
    return peer if data is None else _WithData(peer, str(data))

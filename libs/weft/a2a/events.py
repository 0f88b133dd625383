"""What a task tells of artifacts that grow before its end."""

from typing import Literal

from weft.core import Artifact
from weft.events import Data, Event


class ArtifactChunk(Data):
    """More of an artifact, or all of it anew."""

    artifact: Artifact
    append: bool = False
    """Its parts go behind what was told under its id, and texts side by side are one; else they
    stand in the place of that."""
    last_chunk: bool = False
    """Nothing follows."""


class ArtifactUpdated(Event, frozen=True):
    """An artifact grew; a text that a model is writing is told by `agent.model.chunk` instead."""

    type: Literal["a2a.artifact.updated"] = "a2a.artifact.updated"
    data: ArtifactChunk

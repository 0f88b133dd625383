"""What each operation's runs are asked, as their rows keep it: written and read here alone."""

from abc import abstractmethod
from typing import ClassVar, Final, Literal, Self

from pydantic import Field

from weft.checkpoint import Run
from weft.core import JsonObject, Parts, Record, text_of
from weft.core.errors import InputError

__all__ = [
    "AgentRequest",
    "PeerRequest",
    "RoutedRequest",
    "StoredRequest",
]


Operation = Literal["run", "a2a.send", "agent.run"]
"""What a run is accepted for: an owner claims those of its own operations only."""

MESH_RUN: Final = "run"
"""A goal of a client of the mesh, which the router carries out."""
A2A_SEND: Final = "a2a.send"
"""A task that a peer was sent."""
AGENT_RUN: Final = "agent.run"
"""A call of a lone agent, which nobody else goes on with."""


class StoredRequest(Record):
    """What a run is asked. Writers and readers are deployed apart: new fields have defaults."""

    operation: ClassVar[Operation]
    """Stands in the run's row beside the request, and names its form."""

    @classmethod
    def of(cls, run: Run) -> Self:
        """Return what the run was asked.

        Raises:
            InputError: It is a run of another operation.
        """
        if run.operation != cls.operation:
            raise InputError(f"run {run.run_id} is a {run.operation!r}, not a {cls.operation!r}")
        return cls.model_validate(run.request)

    @property
    @abstractmethod
    def text(self) -> str:
        """What is asked, in words."""

    def to_json(self) -> JsonObject:
        """Return what the row keeps: nothing that has its default."""
        return self.model_dump(mode="json", exclude_defaults=True)


class RoutedRequest(StoredRequest):
    """A goal for the mesh: the front door stores it, the router carries it out."""

    operation: ClassVar[Operation] = MESH_RUN

    input: str = ""
    agent: str | None = None
    """Who shall do it; None leaves that to the router."""
    goal: JsonObject | None = None
    """A frame that was given with the request instead of being read from `input`."""
    protocol: str | None = None
    metadata: JsonObject = Field(default_factory=dict)

    @property
    def text(self) -> str:
        return self.input


class AgentRequest(StoredRequest):
    """A prompt for an agent that runs alone, in the process that calls it."""

    operation: ClassVar[Operation] = AGENT_RUN

    prompt: str = ""
    metadata: JsonObject = Field(default_factory=dict)
    kept: bool = False
    """The thread outlives the run."""

    @property
    def text(self) -> str:
        return self.prompt


class PeerRequest(StoredRequest):
    """A task that another agent, or a router, sent to this one over A2A."""

    operation: ClassVar[Operation] = A2A_SEND

    message_id: str = ""
    sender: Literal["user", "agent"] = "user"
    parts: Parts = ()
    metadata: JsonObject = Field(default_factory=dict)
    extensions: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    """Tasks that the message speaks of."""

    @property
    def text(self) -> str:
        return text_of(self.parts)

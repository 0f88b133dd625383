"""What is told under a name of its own, because no other event says it."""

from typing import Literal

from pydantic import Field

from weft.core import JsonObject
from weft.events.base import Data, Event


class Custom(Data):
    """A named thing that happened."""

    name: str
    data: JsonObject = Field(default_factory=dict)


class AgentCustom(Event, frozen=True):
    """Something happened that the teller names."""

    type: Literal["agent.custom"] = "agent.custom"
    data: Custom

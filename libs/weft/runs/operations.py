"""What runs are accepted for: an owner claims those of its own operations only."""

from typing import Final, Literal

Operation = Literal["run", "a2a.send", "agent.run"]

MESH_RUN: Final = "run"
"""A goal of a client of the mesh, which the router carries out."""
A2A_SEND: Final = "a2a.send"
"""A task that a peer was sent."""
AGENT_RUN: Final = "agent.run"
"""A call of a lone agent, which nobody else goes on with."""

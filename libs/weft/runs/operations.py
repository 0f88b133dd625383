"""What runs are accepted for: an owner claims those of its own operations only."""

MESH_RUN = "run"
"""A goal of a client of the mesh, which the router carries out."""
A2A_SEND = "a2a.send"
"""A task that a peer was sent."""
AGENT_RUN = "agent.run"
"""A call of a lone agent, which nobody else goes on with."""

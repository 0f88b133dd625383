"""Who answers: from the runbooks, and in the other roles of a plan by a model alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.generalist.library import Library
from services.generalist.tools import SEARCH, search_tool
from weft.language import parted
from weft.loop import Agent, ModelPatience, Peer, PeerRun, Task, role_agents
from weft.models import Model

ROLES = ("answer", "plan", "argue", "judge", "validate", "synthesize")
"""All that words can do; what writes or runs code is another specialist's."""
_ITERATIONS = 6


@dataclass(frozen=True, slots=True)
class Generalist:
    """Looks into the runbooks before it answers; plays any other role as the task names it."""

    name: str
    answering: Peer
    roles: Mapping[str, Peer]

    def start(self, task: Task) -> PeerRun:
        playing = self.roles.get(task.role or "")
        if playing is not None and task.role != "answer":
            return playing.start(task)
        # What is looked up is what was asked, not what earlier steps found about it; a caller's own
        # `question` is no better.
        asked, _ = parted(task.prompt)
        return self.answering.start(
            replace(task, metadata={**task.metadata, "question": asked.strip()})
        )


def generalist(
    name: str, model: Model, library: Library, prompt: str, patience: ModelPatience
) -> Generalist:
    """Return the generalist over `model`, which stays the caller's to close."""
    answering = Agent(
        model,
        [search_tool(library)],
        prompt,
        name=name,
        opening_tools=[SEARCH],
        cites_findings=True,
        max_iterations=_ITERATIONS,
        **patience,
    )
    return Generalist(name, answering, role_agents(model, **patience))

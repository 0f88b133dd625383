"""Who answers: from the runbooks, and in the other roles of a plan by a model alone."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from services.generalist.library import Library
from services.generalist.tools import SEARCH, search_tool
from weft.core import JsonObject
from weft.language import parted
from weft.loop import Agent, ModelPatience, PeerRun, Task, role_agents
from weft.models import Model

ROLES = ("answer", "plan", "argue", "judge", "validate", "synthesize")
"""All that words can do; what writes or runs code is another specialist's."""
_ITERATIONS = 6


@dataclass(frozen=True, slots=True)
class Generalist:
    """Looks into the runbooks before it answers; plays any other role as the task names it."""

    name: str
    answering: Agent
    roles: Mapping[str, Agent]

    def start(self, task: Task) -> PeerRun:
        agent, task = self._assigned(task)
        return agent.start(task)

    def replay(self, task: Task) -> PeerRun:
        agent, task = self._assigned(task)
        return agent.replay(task)

    def _assigned(self, task: Task) -> tuple[Agent, Task]:
        """Return who does the task, and what he is given."""
        playing = self.roles.get(task.role or "")
        if playing is not None and task.role != "answer":
            return playing, task
        # What is looked up is what was asked, not what earlier steps found about it; a caller's own
        # `question` is no better.
        asked, _ = parted(task.prompt)
        about: JsonObject = {**task.metadata, "question": asked.strip()}
        return self.answering, replace(task, metadata=about)


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

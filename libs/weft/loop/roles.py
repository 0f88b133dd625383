"""Agents for the roles of a plan that a model alone can play.

They have no tools but those that their call grants: whoever needs more plays the role himself.
"""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from typing_extensions import Unpack

from weft.loop.agent import Agent
from weft.loop.config import ModelPatience
from weft.models import Model

__all__ = ["ROLES", "ROLE_PROMPTS", "role_agents"]

ROLES = ("plan", "execute", "validate", "argue", "judge", "code", "answer", "synthesize")
"""All roles but `test`: running a test takes more than words."""
ITERATIONS = 12
"""Model calls of one task: what is granted may be used a few times, one after the other."""
ROLE_PROMPTS = MappingProxyType(
    {
        role: (Path(__file__).parent / "prompts" / f"{role}.md").read_text(encoding="utf-8")
        for role in ROLES
    }
)
"""What an agent in each role is told; read with the module, since a running loop must not wait."""


def role_agents(model: Model, **options: Unpack[ModelPatience]) -> Mapping[str, Agent]:
    """Return an agent per role over `model`, which stays the caller's to close."""
    return {
        role: Agent(
            model,
            system_prompt=prompt,
            name=f"builtin_{role}",
            max_iterations=ITERATIONS,
            cites_findings=role == "answer",
            **options,
        )
        for role, prompt in ROLE_PROMPTS.items()
    }

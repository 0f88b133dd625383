"""The peers that the router brings along: one for each role that a model alone can play.

They are used where no card offers the role, and have no tools but those that their call grants:
whoever needs more deploys a specialist with the role in its card.
"""

from collections.abc import Mapping
from pathlib import Path

from typing_extensions import Unpack

from weft.loop import Agent, Peer
from weft.models import Model
from weft.service import ModelPatience

ROLES = ("plan", "execute", "validate", "argue", "judge", "code", "answer", "synthesize")
"""All roles but `test`: running a test takes more than words."""
ITERATIONS = 12
"""Model calls of one task: what is granted may be used a few times, one after the other."""
PROMPTS = Path(__file__).parent / "prompts"


def builtin_peers(model: Model, **options: Unpack[ModelPatience]) -> Mapping[str, Peer]:
    """Return an agent per role over `model`, which stays the caller's to close."""
    return {
        role: Agent(
            model,
            system_prompt=(PROMPTS / f"{role}.md").read_text(encoding="utf-8"),
            name=f"builtin_{role}",
            max_iterations=ITERATIONS,
            cites_findings=role == "answer",
            **options,
        )
        for role in ROLES
    }

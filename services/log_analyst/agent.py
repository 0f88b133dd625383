"""The log analyst itself: a model, its tools and what it is told."""

from collections.abc import Sequence
from pathlib import Path

from weft.loop import Agent
from weft.models import Model
from weft.tools import Tool

PROMPT = (Path(__file__).parent / "prompts" / "system.md").read_text(encoding="utf-8")


def log_analyst(model: Model, tools: Sequence[Tool]) -> Agent:
    """Return the agent; it keeps no state of its runs."""
    return Agent(model, tools, PROMPT, name="log_analyst", max_iterations=6)

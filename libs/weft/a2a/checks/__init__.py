"""Whether an agent keeps to A2A: asked of it from outside, as any client would."""

from weft.a2a.checks.exchange import Exchange
from weft.a2a.checks.model import Check, Verdict
from weft.a2a.checks.report import check_agent

__all__ = ["Check", "Exchange", "Verdict", "check_agent"]

"""A deterministic planner for machines without a key: rules that never pose as a model."""

from weft.models.offline.frame import frame, risk_floor

__all__ = ["frame", "risk_floor"]

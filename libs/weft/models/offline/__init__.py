"""A deterministic planner for machines without a key: rules that never pose as a model."""

from weft.models.offline.frame import frame, risk_floor
from weft.models.offline.text import READ

__all__ = ["READ", "frame", "risk_floor"]

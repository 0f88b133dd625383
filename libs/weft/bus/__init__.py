"""Doorbell and live events: backends behind one contract."""

from weft.bus.base import Bus
from weft.bus.memory import MemoryBus

__all__ = ["Bus", "MemoryBus"]

"""Doorbell and live events: backends behind one contract."""

from weft.bus.base import Bus

__all__ = ["Bus"]

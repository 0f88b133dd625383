"""What a request says, read by rules: words, cues, entities, and the frame as a mapping."""

from weft.language.frame import frame, risk_floor
from weft.language.text import READ

__all__ = ["READ", "frame", "risk_floor"]

"""What a request says, read by rules: words, cues, entities, and the frame as a mapping."""

from weft.language.fences import parted
from weft.language.follow_ups import asked_before, in_context, points_back
from weft.language.frame import frame, risk_floor
from weft.language.naming import names_the_same
from weft.language.questions import EARLIER, Question, QuestionKind
from weft.language.scope import may_be_elsewhere
from weft.language.text import READ

__all__ = [
    "EARLIER",
    "READ",
    "Question",
    "QuestionKind",
    "asked_before",
    "frame",
    "in_context",
    "may_be_elsewhere",
    "names_the_same",
    "parted",
    "points_back",
    "risk_floor",
]

"""What a request says, read by rules: words, cues, entities, and the frame as a mapping."""

from weft.language.follow_ups import asked_before, in_context, points_back
from weft.language.frame import frame, risk_floor
from weft.language.naming import names_the_same
from weft.language.questions import EARLIER, Question, QuestionKind
from weft.language.scope import asks_about
from weft.language.text import READ

__all__ = [
    "EARLIER",
    "READ",
    "Question",
    "QuestionKind",
    "asked_before",
    "asks_about",
    "frame",
    "in_context",
    "names_the_same",
    "points_back",
    "risk_floor",
]

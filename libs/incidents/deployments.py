"""Lines that tell of a change made by people: a flag turned, a setting reloaded, a version deployed."""

import re

__all__ = ["tells_of_a_change"]

_SUBJECT = (
    r"(?:feature|flag|config(?:uration)?|settings?|deploy(?:ment)?|release|version|rollout)s?"
)
_VERB = (
    r"(?:chang|updat|enabl|disabl|switch|toggl|turn|appl|roll|reload|deploy|activat)"
    r"(?:e|ed|es|ing|led|ied|s)?"
)
_WORDS = re.compile(rf"\b(?:{_SUBJECT}|{_VERB})\b", re.IGNORECASE)
_SUBJECTS = re.compile(_SUBJECT, re.IGNORECASE)
_VERBS = re.compile(_VERB, re.IGNORECASE)


def tells_of_a_change(message: str) -> bool:
    """Tell whether one line of `message` names something that can change, and a change."""
    return any(_has_both(row) for row in message.split("\n"))


def _has_both(row: str) -> bool:
    """Tell whether a subject and a verb stand in `row`, as two words: `deploy` may be either."""
    words = _WORDS.findall(row)
    subjects = {at for at, word in enumerate(words) if _SUBJECTS.fullmatch(word)}
    verbs = {at for at, word in enumerate(words) if _VERBS.fullmatch(word)}
    return bool(subjects and verbs) and len(subjects | verbs) > 1

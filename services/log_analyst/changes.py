"""Changes that services tell of: a flag turned, a setting reloaded, a version deployed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from incidents import LogLine
from services.log_analyst.templates import Template

Event = tuple[LogLine, Template]
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


@dataclass(frozen=True, slots=True)
class Changed:
    """A change told of for the first time; `line` is the first of `count` that tell of it."""

    template: Template
    line: LogLine
    count: int


def changed(normal: Sequence[Event], since: Sequence[Event]) -> list[Changed]:
    """Return the changes in `since` of which nothing was said in normal times."""
    known = {template for _, template in normal}
    told: dict[Template, list[LogLine]] = {}
    for line, template in since:
        if template not in known and tells_of_a_change(line.head):
            told.setdefault(template, []).append(line)
    return [Changed(template, lines[0], len(lines)) for template, lines in told.items()]


def tells_of_a_change(message: str) -> bool:
    """Tell whether one line of `message` names something that can change, and a change."""
    return any(_has_both(row) for row in message.split("\n"))


def _has_both(row: str) -> bool:
    """Tell whether a subject and a verb stand in `row`, as two words: `deploy` may be either."""
    words = _WORDS.findall(row)
    subjects = {at for at, word in enumerate(words) if _SUBJECTS.fullmatch(word)}
    verbs = {at for at, word in enumerate(words) if _VERBS.fullmatch(word)}
    return bool(subjects and verbs) and len(subjects | verbs) > 1

"""Changes that services tell of: a flag turned, a setting reloaded, a version deployed."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from services.log_analyst.templates import Template
from weft.tools.dataset_logs import LogLine

Event = tuple[LogLine, Template]
_SUBJECT = (
    r"(?:feature|flag|config(?:uration)?|settings?|deploy(?:ment)?|release|version|rollout)s?"
)
_VERB = (
    r"(?:chang|updat|enabl|disabl|switch|toggl|turn|appl|roll|reload|deploy|activat)"
    r"(?:e|ed|es|ing|led|ied|s)?"
)
_CHANGE = re.compile(rf"\b{_SUBJECT}\b.*\b{_VERB}\b|\b{_VERB}\b.*\b{_SUBJECT}\b", re.IGNORECASE)


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
        if template not in known and _CHANGE.search(line.message):
            told.setdefault(template, []).append(line)
    return [Changed(template, lines[0], len(lines)) for template, lines in told.items()]

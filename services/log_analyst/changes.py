"""Changes that services tell of: a flag turned, a setting reloaded, a version deployed."""

from collections.abc import Sequence
from dataclasses import dataclass

from incidents import LogLine, tells_of_a_change
from services.log_analyst.templates import Template

Event = tuple[LogLine, Template]


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

"""What a model may say of data: what it can show a finding for, and nothing else.

Findings are what tools stated as claims. A model is told their ids; of its answer a sentence stays that
cites one, names its subject if it names any, has no number that the finding does not have, and does not
say the opposite of it.
"""

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property

from weft.core import Claim, Message, dumps
from weft.core.pointer import ABSENT, resolve
from weft.events import preview
from weft.loop.tool_claims import findings
from weft.reasoning.grounding import Clause, clauses_of, grounded
from weft.tools import ToolExecution

NO_DATA = "No data was looked at for this answer."
MOST_TOLD = 40
TOLERANCE = 0.05
_ERA = (1e9, 4e9)
"""Unix seconds from 2001 to 2096."""
SCALES = (1.0, 100.0, 0.01, 1000.0, 0.001)
"""A share told in per cent, or seconds in milliseconds, is the same number."""
HOW_TO_CITE = (
    "In your answer, end every sentence about the data with the id of the finding it rests on, as "
    "in [f_0123456789ab]. A sentence that cites none, names another subject only, has a number "
    "that its finding has not, or says the opposite of it, is removed from the answer."
)
_ID = re.compile(r"\bf_[0-9a-f]{12}\b")
_BEHIND = re.compile(r"([.!?])((?:\*\*|__)?+) ?((?:[\[(]f_[0-9a-f]{12}[\])] ?)++)[.]?")
"""A citation behind the full stop belongs to the sentence before it."""
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_BULLET = re.compile(r"(?:[-*>]\s|#|\s|\d{1,3}[.)]\s)*+")
_END = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')\]])|(?<=[.!?]\*\*)) (?=[A-Z\d\"'(\[*_])")
_BETWEEN = re.compile(r"[^\w-]++")
_WORD = re.compile(r"[a-z]+")
_HEADINGS = frozenset(
    [
        "analysis",
        "answer",
        "cause",
        "causes",
        "conclusion",
        "details",
        "evidence",
        "explanation",
        "finding",
        "findings",
        "likely",
        "main",
        "most",
        "next",
        "other",
        "recommendation",
        "recommendations",
        "recommended",
        "root",
        "steps",
        "summary",
        "suspects",
        "symptom",
        "symptoms",
        "the",
        "timeline",
        "what",
        "why",
    ]
)


@dataclass(frozen=True)
class Citable:
    """What may be said of one finding."""

    subject: str
    text: str
    """Everything that is known of it, in which its numbers stand."""
    statements: tuple[str, ...] = ()
    """What it says in words."""

    @cached_property
    def clauses(self) -> list[Clause]:
        """What it says, clause by clause."""
        return [clause for statement in self.statements for clause in clauses_of(statement)]

    @cached_property
    def numbers(self) -> tuple[float, ...]:
        """Its numbers in order; of an instant also what a clock and a calendar show."""
        numbers = {*_numbers(self.text), *map(float, _NUMBER.findall(self.text))}
        for number in tuple(numbers):
            if _ERA[0] <= number < _ERA[1]:
                at = datetime.fromtimestamp(number, UTC)
                numbers |= {at.year, at.month, at.day, at.hour, at.minute, at.second}
        return tuple(sorted(numbers))


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """What of an answer findings carry."""

    text: str
    kept: int
    removed: int
    cites: tuple[str, ...] = ()
    """Ids of the findings that what was kept rests on, in its order."""

    @property
    def note(self) -> str:
        """Say what was left out; empty where nothing was."""
        if not self.removed:
            return ""
        count = "1 sentence" if self.removed == 1 else f"{self.removed} sentences"
        return f"({count} of the model removed: no finding carries what was said.)"


def held_against(text: str, findings: Mapping[str, Citable]) -> CheckedAnswer:
    """Return what of `text` the findings carry, which are named by their ids."""
    checked = _Checked(findings)
    lines = [line for raw in text.splitlines() if (line := checked.line(raw)) is not None]
    cites = tuple(dict.fromkeys(checked.cites))
    return CheckedAnswer("\n".join(lines).strip(), checked.kept, checked.removed, cites)


def told_findings(executions: Iterable[ToolExecution]) -> tuple[Message, ...]:
    """Return what a model is told of the findings so far, and of how to cite them."""
    claims = _by_id(findings(executions).claims)
    lines = [f"- {name}: {preview(group[0].text)}" for name, group in claims.items()]
    if not lines:
        return ()
    return (
        Message.system(
            "\n".join([f"Findings of this run, by id. {HOW_TO_CITE}", *lines[:MOST_TOLD]])
        ),
    )


def cited_answer(text: str, executions: Sequence[ToolExecution]) -> str:
    """Return what of a model's answer the findings carry, and say what was left out.

    What says nothing of data stays as it is where no tool states findings.
    """
    if not any(execution.ok for execution in executions):
        return f"{NO_DATA}\n\n{text}"
    citable = _citable(executions)
    if citable is None:
        return text
    checked = held_against(text, citable)
    said = checked.text if checked.kept else "\n".join(_plainly(executions))
    return "\n\n".join(filter(None, (said, checked.note)))


class _Checked:
    """Reads an answer line by line, counting what stays and what does not."""

    def __init__(self, citable: Mapping[str, Citable]) -> None:
        self._citable = citable
        self._subjects = {one.subject.casefold() for one in citable.values() if one.subject}
        self.kept = 0
        self.removed = 0
        self.cites: list[str] = []

    def line(self, line: str) -> str | None:
        """Return what stays of a line; None if nothing does."""
        mark = _BULLET.match(line)
        begin = mark[0] if mark else ""
        rest = line[len(begin) :]
        if not any(map(str.isalnum, rest)) or _is_heading(rest):
            return line
        stay = [sentence for sentence in _sentences(rest) if self._stays(sentence)]
        return begin + " ".join(stay) if stay else None

    def _stays(self, sentence: str) -> bool:
        if sentence.rstrip("*_ ").endswith("?"):
            return True
        if self._is_carried(sentence):
            self.kept += 1
            self.cites += _ID.findall(sentence)
            return True
        self.removed += 1
        return False

    def _is_carried(self, sentence: str) -> bool:
        ids = _ID.findall(sentence)
        if not ids or any(name not in self._citable for name in ids):
            return False
        cited = [self._citable[name] for name in ids]
        words = _ID.sub(" ", sentence)
        spaced = f" {_apart(words)} "
        named = {subject for subject in self._subjects if f" {_apart(subject)} " in spaced}
        if named and named.isdisjoint(one.subject.casefold() for one in cited):
            return False
        if not all(any(_has(one.numbers, number) for one in cited) for number in _numbers(words)):
            return False
        said = [clause for one in cited for clause in one.clauses]
        return not grounded(words, said, numbers=False).contradicted


def _citable(executions: Sequence[ToolExecution]) -> dict[str, Citable] | None:
    """Return what may be cited; None where no tool speaks in findings."""
    stated = [one for one in executions if one.ok and _speaks_in_findings(one)]
    if not stated:
        return None
    by_call = {execution.tool_call_id: execution.structured for execution in stated}
    groups = _by_id(findings(stated).claims)
    return {name: _finding(group, by_call) for name, group in groups.items()}


def _speaks_in_findings(execution: ToolExecution) -> bool:
    structured = execution.structured
    return isinstance(structured, dict) and (
        isinstance(structured.get("claims"), list) or isinstance(structured.get("coverage"), dict)
    )


def _by_id(claims: Iterable[Claim]) -> dict[str, list[Claim]]:
    groups: dict[str, list[Claim]] = {}
    for claim in claims:
        groups.setdefault(claim.finding_id, []).append(claim)
    return groups


def _finding(group: Sequence[Claim], by_call: Mapping[str, object]) -> Citable:
    texts = [f"{claim.subject} {claim.text} {claim.value}" for claim in group]
    for claim in group:
        for reference in claim.evidence_refs:
            call_id, _, pointer = reference.partition("#")
            value = resolve(by_call.get(call_id), pointer)
            if value is not ABSENT:
                texts.append(dumps(value).decode())
    text = " ".join(texts)
    return Citable(group[0].subject, text, tuple(claim.text for claim in group))


def _plainly(executions: Sequence[ToolExecution]) -> Iterator[str]:
    """Yield the findings themselves, or what the tools say of having none."""
    groups = _by_id(findings(executions).claims)
    for name, group in list(groups.items())[:MOST_TOLD]:
        yield f"- {group[0].text} [{name}]"
    if groups:
        return
    for execution in executions:
        structured = execution.structured
        summary = structured.get("summary") if isinstance(structured, dict) else None
        yield f"- {execution.name}: {summary or 'states no finding'}"


def _sentences(text: str) -> list[str]:
    return _END.split(_BEHIND.sub(_within, " ".join(text.split())).strip())


def _within(end: re.Match[str]) -> str:
    return f"{end[2]} {end[3].strip()}{end[1]} "


def _is_heading(line: str) -> bool:
    words = _WORD.findall(line.casefold())
    plain = line.strip(" *_#:").replace(" ", "").isalpha()
    return plain and set(words) <= _HEADINGS


def _apart(text: str) -> str:
    """Return the words of a text, each apart from the next by one space."""
    return _BETWEEN.sub(" ", text.casefold()).strip()


def _numbers(text: str) -> list[float]:
    """Return the numbers of a text, also those whose thousands are parted."""
    return [float(digits) for digits in _NUMBER.findall(_THOUSANDS.sub("", text))]


def _has(numbers: Sequence[float], wanted: float) -> bool:
    """Tell whether sorted `numbers` have one that is `wanted`, as precisely as people tell it."""
    for scale in SCALES:
        least, most = wanted / scale / (1 + TOLERANCE), wanted / scale / (1 - TOLERANCE)
        at = bisect_left(numbers, least)
        if at < len(numbers) and numbers[at] <= most:
            return True
    return False

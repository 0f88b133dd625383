"""What the logs show: lines and errors by service, what the errors say, changes, and the first sign."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence

from incidents import Inquiry, LogLine, Seen, Split, seen, tells_of_a_change
from weft.core import Fact

_ERRORS = frozenset({"ERROR", "FATAL"})
_MOST_MESSAGES = 12
_MOST_CHANGES = 12
_CLEARLY = 3.0
_WORD = re.compile(r"[\w-]++")
_DIGIT = re.compile(r"\d")
_HEAD = 300


def log_facts(lines: Split[LogLine], inquiry: Inquiry) -> list[Fact]:
    """Return what `lines` show of what `inquiry` asks."""
    rows = seen(lines, inquiry)
    everybody = {line.service for line in (*lines.normal, *lines.onset, *lines.incident)}
    services = sorted(everybody)
    facts = [Fact(predicate="services", value=list(services))]
    facts += [] if rows.window is None else [rows.window]
    facts += _changes(rows)
    messages = _messages(rows)
    facts += _began(messages)
    return [*facts, *_counts(rows), *messages[:_MOST_MESSAGES]]


def _changes(rows: Seen[LogLine]) -> list[Fact]:
    told: dict[tuple[str, str], LogLine] = {}
    for line in rows.since:
        if tells_of_a_change(line.head):
            told.setdefault((line.service, line.head), line)
    usual = {(line.service, _form(line.head)) for line in rows.before}
    new = [line for line in told.values() if (line.service, _form(line.head)) not in usual]
    return [
        Fact(
            predicate="change",
            subject=line.service,
            what=line.message[:_HEAD],
            at=line.time,
            place=_place(line),
        )
        for line in sorted(new, key=lambda line: line.time)[:_MOST_CHANGES]
    ]


def _counts(rows: Seen[LogLine]) -> Iterator[Fact]:
    lines, errors = _by_service(rows.now)
    usual, usual_errors = _by_service(rows.before)
    order = sorted({*lines, *usual}, key=lambda name: (-errors[name], name))
    for name in order:
        expected = usual_errors[name] * lines[name] / usual[name] if usual[name] else 0.0
        compared = bool(lines[name] and usual[name])
        yield Fact(
            predicate="errors",
            subject=name,
            value=errors[name],
            total=lines[name],
            before=usual_errors[name] if compared else None,
            total_before=usual[name] if compared else None,
            unit="error lines",
            departs=compared and errors[name] > expected + _CLEARLY * (expected + 1) ** 0.5,
        )


def _by_service(lines: Sequence[LogLine]) -> tuple[Counter[str], Counter[str]]:
    every = Counter(line.service for line in lines)
    return every, Counter(line.service for line in lines if line.level in _ERRORS)


def _messages(rows: Seen[LogLine]) -> list[Fact]:
    """Return what the error lines say, each once, the most frequent first."""
    groups: dict[tuple[str, str], list[LogLine]] = defaultdict(list)
    for line in rows.since:
        if line.level in _ERRORS:
            groups[line.service, _form(line.head)].append(line)
    usual = Counter(
        (line.service, _form(line.head)) for line in rows.before if line.level in _ERRORS
    )
    facts = [
        Fact(
            predicate="error_line",
            subject=service,
            what=lines[0].message[:_HEAD],
            value=len(lines),
            before=usual[service, form] if rows.before else None,
            at=lines[0].time,
            until=lines[-1].time,
            place=_place(lines[0]),
            departs=bool(rows.before) and not usual[service, form],
        )
        for (service, form), lines in groups.items()
    ]
    return sorted(facts, key=lambda fact: (-_number(fact), fact.subject, fact.what))


def _began(messages: Sequence[Fact]) -> list[Fact]:
    """Return the first error that normal times do not have, and the last."""
    new = [fact for fact in messages if fact.departs and fact.at is not None]
    if not new:
        return []
    first = min(new, key=lambda fact: (fact.at or 0.0, fact.subject))
    last = max(fact.until or 0.0 for fact in new)
    update = {"predicate": "began", "value": None, "before": None, "until": last}
    return [first.model_copy(update=update)]


def _number(fact: Fact) -> float:
    return fact.value if isinstance(fact.value, int) else 0.0


def _form(message: str) -> str:
    """Return a message without the words that hold digits: ids, counts and times."""
    return _WORD.sub(lambda word: "#" if _DIGIT.search(word[0]) else word[0], message[:_HEAD])


def _place(line: LogLine) -> str:
    return f"{line.file}:{line.line}"

"""The first lines of an answer: what was asked, from what the sources show, before any diagnosis.

Every line is fixed text around facts that analysts counted or read; nothing is concluded here.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from weft.core import Fact
from weft.language import EARLIER, Question, QuestionKind, may_be_elsewhere, names_the_same
from weft.report.grounding import Branch
from weft.report.model import Report
from weft.report.overview import affected, in_short, over, worst
from weft.report.telling import Telling, joined, shown_time

__all__ = ["Asked", "asked_of", "opening_lines"]

NOT_ENGLISH = (
    "The question does not look English: it was read by the names, numbers and times in it only."
)

READ_BY_WORDS = "The question does not look English: read word by word, as `{}`, from {}."


@dataclass(frozen=True, slots=True)
class Asked:
    """A question beside what is there to answer it."""

    question: Question
    facts: tuple[Fact, ...]
    follows: bool = False
    """It goes on with what was asked before on its thread."""

    @property
    def services(self) -> tuple[str, ...]:
        """The services that the data name, of all sources."""
        listed = [fact.value for fact in self.of("services")]
        return tuple(sorted({str(n) for names in listed if isinstance(names, list) for n in names}))

    @property
    def named(self) -> tuple[str, ...]:
        """The services that the question names, in its order."""
        meant = [s for name in self.question.names for s in self._meant(name)]
        return tuple(dict.fromkeys(meant))

    @property
    def unknown(self) -> tuple[str, ...]:
        """What is asked about and neither a service nor any other word of the data."""
        if not self.services:
            return ()
        return tuple(
            name
            for name in self.question.subjects
            if not self._meant(name) and not self._is_spoken_of(name)
        )

    @property
    def is_elsewhere(self) -> bool:
        """Neither its kind nor any word of it is about the data."""
        question = self.question
        if self.follows or self.named or not (question.english or question.cues):
            return False
        if not may_be_elsewhere(question.text):
            return False
        return not any(self._is_spoken_of(name) for name in question.names)

    def of(self, *predicates: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.predicate in predicates]

    def _meant(self, name: str) -> list[str]:
        exact = [service for service in self.services if service.lower() == name]
        return exact or [service for service in self.services if names_the_same(name, service)]

    def _is_spoken_of(self, name: str) -> bool:
        return any(names_the_same(name, word) for fact in self.facts for word in fact.what.split())


def asked_of(goal: str, branches: Sequence[Branch]) -> Asked:
    """Return the question that `goal` is, with the facts of every branch that read anything."""
    facts = tuple(fact for branch in branches for fact in branch.facts)
    return Asked(Question.of(goal), facts, EARLIER in goal)


def opening_lines(inquiry: Asked, report: Report) -> list[str]:
    """Return what is said first, where some source shows anything."""
    lines = [] if inquiry.question.english else [_as_it_was_read(inquiry)]
    lines += [_absent(name, inquiry) for name in inquiry.unknown]
    lines += _window(inquiry, report)
    if inquiry.is_elsewhere:
        return [*lines, *_elsewhere(inquiry)]
    if inquiry.unknown and not inquiry.named:
        return lines
    telling = Telling(inquiry.facts, inquiry.named, inquiry.question.measures)
    return [*lines, *_KINDS[inquiry.question.kind](telling, report)]


def _as_it_was_read(inquiry: Asked) -> str:
    """Say of a question in another language what of it was read."""
    question = inquiry.question
    names = (
        f" It names {joined(inquiry.named)}."
        if inquiry.named
        else " It names no service of this data."
    )
    if not question.cues:
        return NOT_ENGLISH + names
    return READ_BY_WORDS.format(", ".join(question.cues), question.language) + names


def _absent(name: str, inquiry: Asked) -> str:
    there = f"there {'is' if len(inquiry.services) == 1 else 'are'} {joined(inquiry.services)}"
    return f"There is no service `{name}` in this data; {there}."


def _elsewhere(inquiry: Asked) -> Iterator[str]:
    """Say that the question may be about something else than the data."""
    there = f"it is about {joined(inquiry.services)}" if inquiry.services else "it names no service"
    yield (
        f"This mesh cannot answer that: nothing in the question names a part of the data; {there}."
    )
    example = inquiry.services[0] if inquiry.services else "checkout"
    yield f'Ask, for example: "Is {example} healthy?", "What changed, and when?", "Show the errors."'


def _window(inquiry: Asked, report: Report) -> Iterator[str]:
    """Say the time that the answer is about, and where it holds nothing."""
    windows = [fact for fact in inquiry.of("window") if fact.at is not None]
    period = inquiry.question.period
    if not windows:
        if period:
            yield f"The time `{period}` could not be read, so all of the data is meant."
        return
    start = min(fact.at or 0.0 for fact in windows)
    end = max(fact.until or 0.0 for fact in windows)
    rows = ", ".join(f"{fact.source} {fact.value} rows" for fact in windows)
    span = f"{shown_time(start)} to {shown_time(end)}"
    if not any(fact.value for fact in windows):
        when = windows[0].what or f"from {span}"
        yield f"Nothing is recorded {when}: the data are from {_recorded(report)}."
        return
    words = f", {windows[0].what}" if windows[0].what else ""
    yield f"The time looked at{words}: {span} by the data's clock ({rows})."


def _recorded(report: Report) -> str:
    files = [file for coverage in report.coverage for file in coverage.files]
    firsts = [file.first for file in files if file.first is not None]
    lasts = [file.last for file in files if file.last is not None]
    if not firsts or not lasts:
        return "no known time"
    return f"{shown_time(min(firsts))} to {shown_time(max(lasts))}"


Teller = Callable[[Telling, Report], Iterator[str]]


def _cause(telling: Telling, report: Report) -> Iterator[str]:
    """Say of what is named how it is, and whether it or another is to blame."""
    cause = next((finding for finding in report.findings if finding.kind == "cause"), None)
    for service in telling.named:
        if cause is not None and telling.departs(service):
            whose = f"the most likely cause is {cause.subject}"
            whose = "it is itself the most likely cause" if cause.subject == service else whose
            why = cause.statement.removeprefix(f"{cause.subject}: ").rstrip(".")
            yield f"{service} is not as usual, and {whose}: {why}."
        yield telling.state(service)


def _fix(telling: Telling, report: Report) -> Iterator[str]:
    advice = [finding for finding in report.findings if finding.kind == "recommendation"]
    top = next((finding.subject for finding in report.suspects if finding.is_cause), "")
    changes = [fact for fact in telling.of("change") if not top or fact.subject == top]
    for fact in changes:
        yield f"Undoing the change of {fact.subject} is nearest at hand: {telling.change(fact)}"
    for finding in advice[:_MOST_ADVICE]:
        yield f"Advised: {finding.statement}"
    if not changes and not advice:
        yield "No source advises anything: no change is recorded, and no code was found at fault."


_MOST_ADVICE = 3


def _compare(telling: Telling, report: Report) -> Iterator[str]:
    two = telling.named or telling.services
    scores = {suspect.subject: suspect.score for suspect in report.suspects}
    ranked = sorted(two, key=lambda name: -scores.get(name, 0.0))
    if len(ranked) > 1 and scores.get(ranked[0], 0.0) > scores.get(ranked[1], 0.0):
        others = joined(tuple(f"{name} {scores.get(name, 0.0):.2f}" for name in ranked[1:]))
        yield (f"{ranked[0]} departs more from normal (score {scores[ranked[0]]:.2f}; {others}).")
    elif len(ranked) > 1:
        yield f"Neither of {joined(tuple(ranked))} departs more from normal than the other."
    for service in ranked:
        yield telling.state(service)


def _services(telling: Telling, _: Report) -> Iterator[str]:
    yield f"The data name {len(telling.services)} services: {joined(telling.services)}."


def _evidence(telling: Telling, report: Report) -> Iterator[str]:
    about = [finding for finding in report.findings if finding.subject in telling.named]
    top = next(iter(about or report.findings), None)
    if top is None:
        yield "There is no finding to show evidence of."
        return
    sources = len({record.peer for record in top.evidence})
    yield f"The evidence on {top.subject or 'this'}: {len(top.evidence)} records of {sources} sources."
    for record in top.evidence[:_MOST_EVIDENCE]:
        value = record.value
        text = value.get("text") or value.get("message") if isinstance(value, dict) else value
        yield f"  - {record.peer}: {text} [{record.tool} {record.ref.partition('#')[2]}]"


_MOST_EVIDENCE = 8


def _plain(tell: Callable[[Telling], Iterator[str]]) -> Teller:
    return lambda telling, _: tell(telling)


_KINDS: Mapping[QuestionKind, Teller] = {
    "fix": _fix,
    "compare": _compare,
    "services": _services,
    "calls": _plain(Telling.calls),
    "affected": affected,
    "worst": worst,
    "recovery": over,
    "summary": in_short,
    "evidence": _evidence,
    "rate": _plain(Telling.rates),
    "count": _plain(Telling.counts),
    "moment": _plain(Telling.moments),
    "changes": _plain(Telling.changes),
    "timeline": _plain(Telling.timeline),
    "cause": _cause,
    "slowest": _plain(Telling.slowest),
    "errors": _plain(Telling.errors),
    "health": _plain(Telling.health),
    "metric": _plain(Telling.metrics),
}

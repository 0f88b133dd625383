"""What an answer says of all services together: in short, who is affected, the worst, whether it is over."""

from collections.abc import Iterator

from weft.report.model import Finding, Report
from weft.report.telling import Telling, joined, shown_time

__all__ = ["affected", "in_short", "over", "worst"]

_MOST_RANKED = 6
_MOST_STATES = 6
_LASTS = 0.1
_LEAST_QUIET = 30.0
"""It is taken to be over where so large a share of its time, and so many seconds, went without a sign."""


def in_short(telling: Telling, report: Report) -> Iterator[str]:
    """Say in one paragraph what all sources show: the cause, who departs, since when, how much failed."""
    cause = _cause(report)
    if cause is None:
        lead = "no cause stands out"
    else:
        why = cause.statement.removeprefix(f"{cause.subject}: ").rstrip(".")
        lead = f"{cause.subject} is the most likely cause ({why})"
    began = next(telling.moments(), "")
    whole = [fact for fact in telling.of("requests") if not fact.subject]
    counted = next(Telling(whole, ()).counts(), "") if whole else ""
    parts = [f"In short: {lead}.", *_who(telling), began.rstrip(":"), counted]
    yield " ".join(part for part in parts if part)
    for service in telling.named:
        yield telling.state(service)


def affected(telling: Telling, report: Report) -> Iterator[str]:
    """Say who departs from normal and who does not, by what was compared."""
    if telling.named:
        for service in telling.named:
            yield telling.state(service)
        return
    yield " ".join(_who(telling))
    scores = {suspect.subject: suspect.score for suspect in report.suspects}
    departed = [service for service in telling.services if telling.departs(service)]
    for service in sorted(departed, key=lambda name: -scores.get(name, 0.0))[:_MOST_STATES]:
        yield f"  - {telling.state(service)}"


def worst(telling: Telling, report: Report) -> Iterator[str]:
    """Say how far each service departs from normal, the furthest first."""
    suspects = [s for s in report.suspects if not telling.named or s.subject in telling.named]
    if not suspects:
        yield f"No service departs from normal{_compared(telling)}."
        return
    top, *rest = suspects[:_MOST_RANKED]
    others = joined([f"{suspect.subject} {suspect.score:.2f}" for suspect in rest])
    behind = f"; behind it {others}" if rest else ""
    yield f"{top.subject} departs most from normal (score {top.score:.2f}{behind})."
    yield telling.state(top.subject)


def over(telling: Telling, report: Report) -> Iterator[str]:
    """Say whether the data go on without a sign of what began, and for how long."""
    signs = [fact for fact in telling.of("began") if fact.at is not None and fact.until is not None]
    ends = [coverage.window.end for coverage in report.coverage if coverage.window is not None]
    if not signs or not ends:
        yield "Whether it is over cannot be seen: no source shows when it began and when it was last seen."
        return
    first, last = min(fact.at or 0.0 for fact in signs), max(fact.until or 0.0 for fact in signs)
    end = max(*ends, last)
    quiet = end - last
    seen = f"its last sign is at {shown_time(last)}, and the data end at {shown_time(end)}"
    if quiet >= max(_LEAST_QUIET, _LASTS * (end - first)):
        yield f"It looks over by the data: {seen}, {quiet:.0f} s later."
    else:
        yield f"It is not seen to be over: {seen}. What came after is not in the data."
    for service in telling.named:
        yield telling.state(service)


def _who(telling: Telling) -> Iterator[str]:
    departed = [service for service in telling.services if telling.departs(service)]
    usual = [s for s in telling.services if s not in departed and telling.is_compared(s)]
    unknown = [s for s in telling.services if s not in departed and s not in usual]
    if departed:
        yield f"Affected: {joined(departed)} {'is' if len(departed) == 1 else 'are'} not as usual."
    elif usual:
        yield "Affected: no service departs from normal by what was counted."
    if usual:
        yield f"As usual: {joined(usual)}."
    if unknown:
        yield f"Not compared with normal times: {joined(unknown)}."
    if not telling.services:
        yield "The data name no service."


def _compared(telling: Telling) -> str:
    held = any(telling.is_compared(service) for service in telling.services)
    return "" if held else ", but nothing was compared with normal times, so this is no verdict"


def _cause(report: Report) -> Finding | None:
    return next((finding for finding in report.findings if finding.kind == "cause"), None)

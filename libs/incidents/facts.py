"""What analysts show beside their findings: facts of bounded number, those asked about first."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from incidents.inquiry import Inquiry
from incidents.text import cut, visible
from incidents.windows import Split
from weft.core import Fact, JsonObject, JsonValue

__all__ = ["Seen", "facts_json", "seen", "window_fact"]

T = TypeVar("T")
MOST_FACTS = 60
_MOST_NAMES = 200
_WIDTH = 160
_UNASKED = frozenset({"services", "window", "began", "change"})
"""Always shown: what there is, when it was, and what happened."""


@dataclass(frozen=True, slots=True)
class Seen(Generic[T]):
    """The rows that a question is about, beside the normal ones."""

    now: Sequence[T]
    """Those of the incident, or of the time asked about."""
    since: Sequence[T]
    """The same, with those shortly before the alert."""
    before: Sequence[T]
    """Normal rows."""
    window: Fact | None
    """The time asked about, where one was."""

    @property
    def is_compared(self) -> bool:
        return bool(self.now and self.before)


def seen(parts: Split[T], inquiry: Inquiry) -> Seen[T]:
    """Return the rows of `parts`, and the time that `inquiry` asks about."""
    since = [*parts.onset, *parts.incident]
    return Seen(parts.incident, since, parts.normal, window_fact(parts, inquiry))


def window_fact(parts: Split[T], inquiry: Inquiry) -> Fact | None:
    """Return the time asked about, and how many rows lie in it; None where none was."""
    if parts.asked is None:
        return None
    return Fact(
        predicate="window",
        what="" if inquiry.named else inquiry.period,
        value=len(parts.incident),
        at=parts.asked.start,
        until=parts.asked.end,
    )


def facts_json(facts: Iterable[Fact], inquiry: Inquiry) -> list[JsonValue]:
    """Return at most `MOST_FACTS` of `facts`: what is asked about first, then in their order."""
    ordered = sorted(facts, key=lambda fact: not _is_asked(fact, inquiry))
    return [_to_json(fact) for fact in ordered[:MOST_FACTS]]


def _is_asked(fact: Fact, inquiry: Inquiry) -> bool:
    if fact.predicate in _UNASKED:
        return True
    if fact.what and (inquiry.concerns(fact.what) or inquiry.measures_by(fact.what)):
        return True
    return inquiry.concerns(fact.subject)


def _to_json(fact: Fact) -> JsonObject:
    shown = fact.model_dump(mode="json", exclude_defaults=True)
    if isinstance(fact.value, list):
        shown["value"] = [cut(visible(str(name)), _WIDTH) for name in fact.value[:_MOST_NAMES]]
    for name in ("subject", "what", "place"):
        if name in shown:
            shown[name] = cut(visible(str(shown[name])), _WIDTH)
    return shown

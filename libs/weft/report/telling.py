"""Facts in words, one way for each kind of question."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from weft.core import Fact

__all__ = ["Telling", "joined", "shown_time"]

_MOST_LINES, _MOST_OPERATIONS, _MOST_EVENTS = 6, 5, 15
_MOST_SERVICES = 10
_WIDTH = 160


@dataclass(frozen=True, slots=True)
class Telling:
    """What the sources show, and of whom it is asked."""

    facts: Sequence[Fact]
    named: tuple[str, ...]
    """The services that are asked about; none means all."""
    measures: tuple[str, ...] = ()
    """How the metrics may be called that are asked for; none means all."""

    @property
    def services(self) -> tuple[str, ...]:
        listed = [fact.value for fact in self.of("services")]
        return tuple(sorted({str(n) for names in listed if isinstance(names, list) for n in names}))

    def of(self, *predicates: str) -> list[Fact]:
        return [fact for fact in self.facts if fact.predicate in predicates]

    def about(self, *predicates: str) -> list[Fact]:
        """Return the facts of who is asked about, else all."""
        listed = self.of(*predicates)
        return [fact for fact in listed if fact.subject in self.named] if self.named else listed

    def changes(self) -> Iterator[str]:
        if "logs" not in self._sources():
            yield "Changes are read from logs, and no logs were read."
            return
        mine, every = self.about("change"), self.of("change")
        if not mine:
            whose = f" of {joined(self.named)}" if self.named else ""
            yield f"No change{whose} is recorded in the logs{self._asked_time()}."
        for fact in _in_time(mine or every)[:_MOST_LINES]:
            other = "" if mine else "Of others: "
            yield f"{other}Changed: {self.change(fact)}"

    def change(self, fact: Fact) -> str:
        return f"{shown_time(fact.at)} {fact.subject}: {_text(fact.what)}{_place(fact)}"

    def errors(self) -> Iterator[str]:
        counts = [fact for fact in self.about("errors") if _number(fact)]
        failed = [fact for fact in self.about("requests") if fact.subject and _number(fact)]
        whom = joined(self.named) if self.named else "the data"
        if not counts and not failed:
            read = joined(sorted({fact.source for fact in self.of("errors", "requests")}))
            yield f"No error of {whom} is in the {read}{self._asked_time()}."
            return
        shares = [f"{fact.subject} {_share(fact, 'error lines')}" for fact in counts]
        shares += [f"{fact.subject} {_share(fact, 'requests failed')}" for fact in failed]
        yield f"Errors: {'; '.join(shares[:_MOST_SERVICES])}."
        for fact in self.about("error_line")[:_MOST_LINES]:
            when = f"{shown_time(fact.at)} to {_clock(fact.until)}"
            yield f"  - {fact.subject}, {fact.value} times, {when}: {_text(fact.what)}{_place(fact)}"

    def health(self) -> Iterator[str]:
        for service in (self.named or self.services)[:_MOST_SERVICES]:
            yield self.state(service)

    def departs(self, service: str) -> bool:
        return any(fact.departs for fact in self.facts if fact.subject == service)

    def is_compared(self, service: str) -> bool:
        return any(f.before is not None for f in self.facts if f.subject == service)

    def state(self, service: str) -> str:
        """Say how a service is: well only where all that was counted was held against normal."""
        mine = [
            f for f in self.of("errors", "requests", "latency", "metric") if f.subject == service
        ]
        measured = [fact for fact in mine if fact.before is not None]
        worse = [fact for fact in mine if fact.departs]
        numbers = "; ".join(_measure(fact) for fact in mine if fact.predicate != "metric")
        moved = [fact for fact in worse if fact.predicate == "metric"]
        numbers += "".join(f"; {_measure(fact)}" for fact in moved[:_FEW_METRICS])
        numbers = numbers.removeprefix("; ")
        if not mine:
            return f"{service}: no source shows anything of it{self._asked_time()}."
        if worse:
            sources = joined(sorted({fact.source for fact in worse}))
            return f"{service} is not as usual, by its {sources}: {numbers}."
        if not measured:
            return f"{service}: nothing was compared with normal times, so no verdict: {numbers}."
        sources = joined(sorted({fact.source for fact in measured}))
        seen = numbers or f"{len(measured)} metrics as usual"
        return f"{service} looks healthy, by its {sources}: {seen}."

    def slowest(self) -> Iterator[str]:
        operations = [fact for fact in self.about("operation") if _number(fact)]
        whole = [fact for fact in self.of("slowest_request") if not self.named]
        for service in self.named:
            yield from self._lateness(service)
        if not operations:
            whom = f" of {joined(self.named)}" if self.named else ""
            yield f"No operation{whom} is in the traces that were read{self._asked_time()}."
        for service in self.named:
            yield self.state(service)
        if operations:
            yield "Slowest operations, by the time they spend themselves (95th percentile):"
        for fact in operations[:_MOST_OPERATIONS]:
            yield f"  - {fact.subject} {fact.what}: {_ms(fact)}{_place(fact)}"
        for fact in whole:
            yield f"Slowest request: {fact.value} ms, {fact.subject} {fact.what}{_place(fact)}"

    def _lateness(self, service: str) -> Iterator[str]:
        for fact in self.of("latency"):
            if fact.subject == service:
                yield f"{service}: {_measure(fact)} ({fact.source})."

    def calls(self) -> Iterator[str]:
        """Say who calls whom; where a service is named, of it alone, and how those around it are."""
        if "traces" not in self._sources():
            yield "Who calls whom is read from traces, and no traces were read."
            return
        pairs = [(fact.subject, fact.what, fact) for fact in self.of("calls")]
        for service in self.named:
            ahead = [
                f"{called} ({_value(f.value)} times)" for by, called, f in pairs if by == service
            ]
            behind = [
                f"{by} ({_value(f.value)} times)" for by, called, f in pairs if called == service
            ]
            yield (
                f"{service} calls {joined(ahead) if ahead else 'no other service'}; "
                f"it is called by {joined(behind) if behind else 'no other service'} (traces)."
            )
        if not self.named:
            yield (
                f"{len(pairs)} services call another (traces):"
                if pairs
                else (f"No call from one service to another is in the traces{self._asked_time()}.")
            )
            for by, called, fact in pairs[:_MOST_EVENTS]:
                yield f"  - {by} calls {called}, {_value(fact.value)} times"
        near = {
            name for by, called, _ in pairs if {by, called} & {*self.named} for name in (by, called)
        }
        for service in sorted(near, key=lambda name: (name not in self.named, name))[
            :_MOST_SERVICES
        ]:
            yield self.state(service)

    def moments(self) -> Iterator[str]:
        signs = _in_time([fact for fact in self.of("began") if fact.at is not None])
        moved = _in_time([f for f in self.of("metric") if f.departs and f.at is not None])
        changed = _in_time(self.of("change"))
        signs = _in_time([*signs, *moved[:1]])
        if not signs:
            yield "No source shows when anything began: nothing departs from normal at a known time."
            return
        first = signs[0]
        yield f"It began by {shown_time(first.at)}: {_sign(first)}."
        for fact in (fact for fact in changed if (fact.at or 0.0) <= (first.at or 0.0)):
            yield f"  - before it, {self.change(fact)}"
        for fact in signs[1:]:
            yield f"  - {shown_time(fact.at)} {_sign(fact)}"
        lasts = [fact.until for fact in signs if fact.until is not None]
        if lasts:
            yield f"Its last sign in the data is at {shown_time(max(lasts))}."

    def counts(self) -> Iterator[str]:
        requests = self.about("requests") if self.named else self._whole("requests")
        for fact in requests:
            whose = f" of {fact.subject}" if fact.subject else ""
            yield f"{_share(fact, f'requests{whose} failed')} ({fact.source})."
        for fact in self.about("errors"):
            if _number(fact) or self.named:
                yield f"{fact.subject}: {_share(fact, 'error lines')} ({fact.source})."
        if not self.about("requests", "errors"):
            yield f"Nothing was counted{self._asked_time()}."

    def rates(self) -> Iterator[str]:
        counted = [
            f for f in self.about("requests", "errors") if f.total and (self.named or f.subject)
        ]
        for fact in counted:
            share = _percent(_number(fact), fact.total)
            usual = ""
            if fact.before is not None and fact.total_before:
                usual = f", usually {_percent(fact.before, fact.total_before)}"
            what = "failed requests" if fact.predicate == "requests" else "error lines"
            yield f"{fact.subject}: {share} {what} ({_share(fact, '')}{usual}; {fact.source})."
        if not counted:
            yield f"No rate was counted{self._asked_time()}."

    def timeline(self) -> Iterator[str]:
        events = [
            (fact.at, f"{fact.subject}: {_text(fact.what)}", fact) for fact in self.about("change")
        ]
        for fact in self.about("error_line", "began"):
            words = f"{fact.subject}: first {_text(fact.what)}"
            events.append((fact.at, words, fact))
        moved = _in_time([f for f in self.about("metric") if f.departs and f.at is not None])
        firsts = {fact.subject: fact for fact in reversed(moved)}
        events += [(f.at, f"{f.subject}: {_measure(f)}", f) for f in firsts.values()]
        for fact in self.about("slowest_request"):
            words = f"{fact.subject}: slowest request, {fact.value} ms: {fact.what}"
            events.append((fact.at, words, fact))
        dated = sorted((e for e in events if e[0] is not None), key=lambda e: (e[0] or 0.0, e[1]))
        if not dated:
            yield f"Nothing unusual is dated{self._asked_time()}."
            return
        yield "Timeline:"
        for at, words, fact in dated[:_MOST_EVENTS]:
            yield f"  - {shown_time(at)} {words} ({fact.source})"
        if len(dated) > _MOST_EVENTS:
            yield f"  - and {len(dated) - _MOST_EVENTS} later"

    def metrics(self) -> Iterator[str]:
        listed = self.about("metric", "latency")
        meant = [f for f in listed if any(name in f.what.lower() for name in self.measures)]
        if self.measures and not meant and listed:
            yield f"No metric is called like {joined(self.measures)}; what there is:"
        listed = meant or listed
        listed = sorted(listed, key=lambda fact: not fact.departs)
        if not listed:
            whom = f" of {joined(self.named)}" if self.named else ""
            yield f"No metric{whom} is in the data{self._asked_time()}."
        for fact in listed[:_MOST_LINES]:
            yield f"{fact.subject}: {_measure(fact)} ({fact.source})"

    def _whole(self, predicate: str) -> list[Fact]:
        """Return what was counted of all services together, where it was."""
        listed = self.of(predicate)
        return [fact for fact in listed if not fact.subject] or listed

    def _sources(self) -> frozenset[str]:
        return frozenset(fact.source for fact in self.of("services") if fact.value)

    def _asked_time(self) -> str:
        windows = self.of("window")
        return f" of the time asked about ({windows[0].what})" if windows else ""


_FEW_METRICS = 3


def _measure(fact: Fact) -> str:
    if fact.predicate == "errors":
        return _share(fact, "error lines")
    if fact.predicate == "requests":
        return _share(fact, "requests failed")
    if fact.predicate == "latency":
        return f"{fact.what} {_ms(fact)}"
    return f"{fact.what} {_value(fact.value)}{_usually(fact)}"


def _share(fact: Fact, what: str) -> str:
    words = f"{_value(fact.value)} of {fact.total}" if fact.total else _value(fact.value)
    before = ""
    if fact.before is not None and fact.total_before:
        before = f" ({_value(fact.before)} of {fact.total_before} before)"
    return f"{words} {what}".rstrip() + before


def _ms(fact: Fact) -> str:
    return f"{_value(fact.value)} ms{_usually(fact, ' ms')}"


def _usually(fact: Fact, unit: str = "") -> str:
    return "" if fact.before is None else f", usually {_value(fact.before)}{unit}"


def _percent(part: float, whole: int | None) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "none"


def _sign(fact: Fact) -> str:
    what = _measure(fact) if fact.predicate == "metric" else _text(fact.what)
    return f"{fact.subject}: {what} ({fact.source}){_place(fact)}"


def _value(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value)


def _number(fact: Fact) -> float:
    value = fact.value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0


def _in_time(facts: Iterable[Fact]) -> list[Fact]:
    return sorted(facts, key=lambda fact: (fact.at or 0.0, fact.subject, fact.what))


def shown_time(at: float | None) -> str:
    if at is None:
        return "at an unknown time"
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _clock(at: float | None) -> str:
    return shown_time(at).rpartition(" ")[2]


def _place(fact: Fact) -> str:
    return f" [{fact.place}]" if fact.place else ""


def _text(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _WIDTH else words[: _WIDTH - 1] + "…"


def joined(names: Sequence[str]) -> str:
    *others, last = names or ("none",)
    return f"{', '.join(others)} and {last}" if others else last

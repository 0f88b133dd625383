"""Which action fits, by rules: what the request orders, else what the findings speak for.

Orders are read in the request's own words alone; what stands in findings is data, and names at most
what is suspected. The names that count are those of the target: its services, flags and people.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.operator.actions import (
    MOST_TEXT,
    Action,
    ActionKind,
    FlagState,
    NotPossibleError,
    ServiceState,
    TargetState,
    dry_run,
)
from weft.core import rfc3339

__all__ = ["Choice", "Suspected", "choose"]

_WORD = re.compile(r"[a-z0-9][a-z0-9_'-]*+")
_SENTENCE = re.compile(r"[^.!?;\n]++")
_NEVER = frozenset({"not", "never", "don't", "dont", "without", "avoid", "cannot", "can't", "no"})
_RESTART = frozenset(
    {"restart", "restarting", "reboot", "bounce", "recycle", "relaunch", "restarted"}
)
_SCALE = frozenset({"scale", "scaling", "resize", "upscale", "downscale"})
_COUNTED = frozenset(
    {"replica", "replicas", "instance", "instances", "processes", "copies", "workers"}
)
_PAGE = frozenset({"page", "paging", "notify", "alert", "escalate", "wake", "tell", "inform"})
_FLAGGED = frozenset({"flag", "flags", "toggle", "feature", "switch"})
_OFF = frozenset({"off", "disable", "disabling", "deactivate", "unset"})
_ON = frozenset({"on", "enable", "enabling", "activate"})
_REVERT = frozenset({"revert", "rollback", "undo", "roll", "turn", "flip"})
"""Whatever it is, it is to be the other way."""
_CLAUSE = re.compile(r"\b(?:and|then|but|so)\b|,")
_NUMBERS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7, "eight": 8}
_DOUBLED = frozenset({"double", "twice"})
_DAY = 86_400.0
"""A flag that was turned on longer ago is no change that an incident began with."""
_MOST_NAMED = 3


@dataclass(frozen=True, slots=True)
class Suspected:
    """A service that findings point at."""

    service: str
    is_cause: bool
    """It is named as the cause; else it is only suspected."""


@dataclass(frozen=True, slots=True)
class Choice:
    """An action, and what speaks for it."""

    action: Action
    why: str


def choose(
    request: str,
    findings: str,
    suspects: Sequence[Suspected],
    state: TargetState,
    *,
    now: float,
) -> Choice:
    """Return the action that fits.

    Raises:
        NotPossibleError: None does, or more than one: the sentence says what is missing.
    """
    orders = list(_orders(request, state))
    if orders:
        first = orders[0]
        action = _ordered(first, request, findings, suspects, state)
        why = f"it was asked for: {' '.join(first.text.split())[:160]}"
        others = {order.kind for order in orders} - {first.kind}
        if others:
            why += ". One approval is for one action: ask for the rest afterwards"
        return Choice(action, why)
    return _fitting(findings, suspects, state, now=now)


@dataclass(frozen=True, slots=True)
class _Order:
    kind: ActionKind
    text: str
    words: tuple[str, ...]


def _orders(request: str, state: TargetState) -> Iterator[_Order]:
    """Yield what each sentence orders; one that takes it back orders nothing."""
    for sentence in _SENTENCE.findall(request):
        clauses = [clause for clause in _CLAUSE.split(sentence) if clause.strip()]
        last: _Order | None = None
        for clause in clauses:
            order = _order(clause, state)
            if order is None and last is not None and _goes_on(clause, state):
                last = _order(f"{last.text}, {clause}", state) or last
                continue
            if last is not None:
                yield last
            last = order
        if last is not None:
            yield last


def _order(text: str, state: TargetState) -> _Order | None:
    words = tuple(_WORD.findall(text.lower()))
    spoken = frozenset(words)
    kind = _kind(spoken, text, state) if words and spoken.isdisjoint(_NEVER) else None
    return None if kind is None else _Order(kind, text.strip(), words)


def _goes_on(clause: str, state: TargetState) -> bool:
    """Tell whether a clause only names more of what the one before it is about."""
    short = len(clause.split()) <= _MOST_NAMED
    return short and bool(_services_in(clause, state) or _flags_in(clause, state))


def _kind(spoken: frozenset[str], text: str, state: TargetState) -> ActionKind | None:
    kind: ActionKind | None = None
    turned = not spoken.isdisjoint(_OFF | _ON | _REVERT | {"switch"})
    if spoken & _RESTART:
        kind = "restart_service"
    elif turned and (spoken & _FLAGGED or _flags_in(text, state)):
        kind = "set_flag"
    elif spoken & _SCALE or (
        spoken & _COUNTED and any(word in _DOUBLED or _number(word) for word in spoken)
    ):
        kind = "scale_service"
    elif spoken & _PAGE and (
        spoken & {"page", "paging", "escalate", "wake"} or _person(text, state)
    ):
        kind = "page_person"
    return kind


def _ordered(
    order: _Order,
    request: str,
    findings: str,
    suspects: Sequence[Suspected],
    state: TargetState,
) -> Action:
    match order.kind:
        case "set_flag":
            return _flag_ordered(order, request, suspects, state)
        case "page_person":
            return _page_ordered(order, request, findings, state)
        case "scale_service":
            service = _service_ordered(order, request, suspects, state)
            return Action(
                kind="scale_service", service=service.name, replicas=_wanted(order.words, service)
            )
        case _:
            service = _service_ordered(order, request, suspects, state)
            return Action(kind="restart_service", service=service.name)


def _service_ordered(
    order: _Order, request: str, suspects: Sequence[Suspected], state: TargetState
) -> ServiceState:
    """Return the service that the order is about: named in it, else the cause, else named before it."""
    named = _services_in(order.text, state)
    cause = next((state.service(each.service) for each in suspects if each.is_cause), None)
    if not named and cause is not None:
        return cause
    named = named or _services_in(request, state)
    if len(named) == 1:
        return named[0]
    if named:
        listed = ", ".join(service.name for service in named)
        raise NotPossibleError(f"the request names several services ({listed}): name one")
    listed = ", ".join(service.name for service in state.services)
    raise NotPossibleError(f"the request names no service of {state.name}: {listed}")


def _wanted(words: Sequence[str], service: ServiceState) -> int | None:
    """Return to how many processes: said outright, or by how many more or fewer."""
    number = next((found for word in words if (found := _number(word)) is not None), None)
    now = service.replicas or 0
    down = not {"down", "downscale", "fewer", "less", "remove"}.isdisjoint(words)
    relative = number is None or not {"by", "more", "another", "fewer", "less", "add"}.isdisjoint(
        words
    )
    if any(word == "to" and _number(after) is not None for word, after in pairwise(words)):
        relative = False
    if not _DOUBLED.isdisjoint(words):
        return 2 * now
    if not relative:
        return number
    if number is None and not {"up", "down", "upscale", "downscale", "more"} & set(words):
        return None
    step = 1 if number is None else number
    return max(now - step, 0) if down else now + step


def _number(word: str) -> int | None:
    if word.isdecimal() and len(word) <= _MOST_NAMED:
        return int(word)
    return _NUMBERS.get(word)


def _flag_ordered(
    order: _Order, request: str, suspects: Sequence[Suspected], state: TargetState
) -> Action:
    on = _direction(order.words)
    flags = _flags_in(order.text, state) or _flags_in(request, state) or _flags_of(state)
    services = {each.name for each in _services_in(request, state)}
    if any(service.name in services for service, _ in flags):
        flags = [pair for pair in flags if pair[0].name in services]
    if len(flags) > 1:
        causes = {each.service.casefold() for each in suspects if each.is_cause}
        flags = [pair for pair in flags if pair[0].name.casefold() in causes] or flags
    if len(flags) > 1 and on is not None:
        flags = [pair for pair in flags if pair[1].on != on] or flags
    if len(flags) != 1:
        listed = ", ".join(f"{flag.name} of {service.name}" for service, flag in flags)
        raise NotPossibleError(
            f"which flag is meant? There is: {listed}" if flags else f"{state.name} has no flags"
        )
    service, flag = flags[0]
    wanted = on if on is not None else not flag.on
    return Action(kind="set_flag", service=service.name, flag=flag.name, on=wanted)


def _direction(words: Sequence[str]) -> bool | None:
    """Return whether a flag is to be on; None is the other way than it is.

    Raises:
        NotPossibleError: Both are said.
    """
    spoken = set(words)
    if spoken & _OFF and spoken & _ON:
        raise NotPossibleError("say whether the flag is to be on or off")
    if spoken & _OFF:
        return False
    return True if spoken & _ON else None


def _page_ordered(order: _Order, request: str, findings: str, state: TargetState) -> Action:
    who = _person(order.text, state) or (state.people[0] if len(state.people) == 1 else "")
    if not who:
        listed = ", ".join(state.people)
        raise NotPossibleError(
            f"whom? {state.name} can page: {listed}" if listed else f"{state.name} can page nobody"
        )
    first = next((line.strip() for line in findings.splitlines() if line.strip()), "")
    text = " ".join(request.split())
    message = f"{text} ({first})" if first else text
    return Action(kind="page_person", who=who, message=message[:MOST_TEXT])


def _fitting(
    findings: str, suspects: Sequence[Suspected], state: TargetState, *, now: float
) -> Choice:
    """Return what the findings speak for: a flag that was turned, else a restart of the cause."""
    cause = next((each for each in suspects if each.is_cause), None)
    if cause is None:
        weak = ", ".join(each.service for each in suspects[:_MOST_NAMED])
        but = f" (they only suspect {weak})" if weak else ""
        raise NotPossibleError(
            f"no action is named in the request, and no cause in the findings{but}"
        )
    service = state.service(cause.service)
    if service is None:
        raise NotPossibleError(
            f"the findings name {cause.service} as the cause, which {state.name} does not have"
        )
    flag = _turned(service, findings, now=now)
    if flag is not None:
        turned = "on" if flag.on else "off"
        when = f" at {rfc3339(flag.changed_at)}" if flag.changed_at is not None else ""
        said = "; the findings name it" if _names(findings, flag.name) else ""
        action = Action(kind="set_flag", service=service.name, flag=flag.name, on=not flag.on)
        why = (
            f"the findings name {service.name} as the cause, and its flag {flag.name} was turned "
            f"{turned}{when}{said}."
        )
        return Choice(action, why)
    action = Action(kind="restart_service", service=service.name)
    dry_run(action, state)
    why = (
        f"the findings name {service.name} as the cause, and no flag of it was turned lately. A "
        "restart helps only if the fault lies in what its processes hold in memory."
    )
    return Choice(action, why)


def _turned(service: ServiceState, findings: str, *, now: float) -> FlagState | None:
    """Return the flag that may have begun it: named in the findings, else turned on within a day."""
    named = [flag for flag in service.flags if _names(findings, flag.name)]
    lately = [
        flag
        for flag in service.flags
        if flag.on and flag.changed_at is not None and now - flag.changed_at < _DAY
    ]
    turned = [flag for flag in named if flag.changed_at is not None or flag.on] or lately
    return max(turned, key=lambda flag: flag.changed_at or 0.0, default=None)


def _flags_of(state: TargetState) -> list[tuple[ServiceState, FlagState]]:
    return [(service, flag) for service in state.services for flag in service.flags]


def _flags_in(text: str, state: TargetState) -> list[tuple[ServiceState, FlagState]]:
    return [pair for pair in _flags_of(state) if _names(text, pair[1].name)]


def _services_in(text: str, state: TargetState) -> list[ServiceState]:
    return [service for service in state.services if _names(text, service.name)]


def _person(text: str, state: TargetState) -> str | None:
    return next((who for who in state.people if _names(text, who)), None)


def _names(text: str, name: str) -> bool:
    """Tell whether `text` has `name` as words of its own, however their parts are joined."""
    plain = _joined(name)
    return bool(plain) and f" {plain} " in f" {_joined(text)} "


def _joined(text: str) -> str:
    words = _PART.findall(text.lower())
    return " ".join(word.removesuffix("s") if len(word) > _MOST_NAMED else word for word in words)


_PART = re.compile(r"[a-z0-9]++")

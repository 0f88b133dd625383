"""What can be done to a target, and what each action would change: its dry run, and how to undo it."""

from collections.abc import Iterable, Mapping
from typing import Literal

from pydantic import Field

from weft.core import JsonObject, JsonValue, Record, StrictRecord, rfc3339

__all__ = [
    "ACTIONS",
    "Action",
    "ActionKind",
    "DryRun",
    "FlagState",
    "NotPossibleError",
    "ServiceState",
    "TargetState",
    "dry_run",
    "observed",
]

ActionKind = Literal["restart_service", "scale_service", "set_flag", "page_person"]
ACTIONS: Mapping[ActionKind, str] = {
    "restart_service": "restart a service",
    "scale_service": "scale a service to a number of processes",
    "set_flag": "turn a feature flag on or off",
    "page_person": "page somebody",
}
"""Each with the words for people."""
MOST_TEXT = 1000


class FlagState(Record):
    """A feature flag, as the target shows it."""

    name: str
    on: bool
    changed_at: float | None = None
    """Seconds since the Unix epoch; None where it was not changed, or nobody knows."""


class ServiceState(Record):
    """A service, as the target shows it."""

    name: str
    replicas: int | None = None
    """Processes that run now."""
    most_replicas: int = 0
    """To how many it can be scaled; 0: not at all."""
    can_restart: bool = False
    started_at: float | None = None
    """When its youngest process began."""
    flags: tuple[FlagState, ...] = ()


class TargetState(Record):
    """What the target is now, and what can be done to it."""

    name: str = "the target"
    services: tuple[ServiceState, ...] = ()
    people: tuple[str, ...] = ()
    """Whom it can page."""

    def service(self, name: str) -> ServiceState | None:
        """Return the service of that name, written in whatever case."""
        folded = name.casefold()
        return next((each for each in self.services if each.name.casefold() == folded), None)

    def flag(self, service: str, flag: str) -> FlagState | None:
        found = self.service(service)
        flags = () if found is None else found.flags
        return next((each for each in flags if each.name == flag), None)

    def abilities(self) -> list[str]:
        """Return what can be done here, a sentence each, with the names it can be done to."""
        restarts = [each.name for each in self.services if each.can_restart]
        scales = [
            f"{each.name} (1 to {each.most_replicas})"
            for each in self.services
            if each.most_replicas
        ]
        flags = [
            f"{flag.name} of {each.name} (now {_on(flag.on)})"
            for each in self.services
            for flag in each.flags
        ]
        listed = {
            "restart_service": restarts,
            "scale_service": scales,
            "set_flag": flags,
            "page_person": list(self.people),
        }
        return [f"{ACTIONS[kind]}: {', '.join(listed[kind])}" for kind in ACTIONS if listed[kind]]


class Action(StrictRecord):
    """One thing to do; the fields beside its kind say to what."""

    kind: ActionKind
    service: str = ""
    replicas: int | None = Field(default=None, ge=0)
    flag: str = ""
    on: bool | None = None
    who: str = ""
    message: str = Field(default="", max_length=MOST_TEXT)

    def arguments(self) -> JsonObject:
        """Return what the tool of this kind is called with."""
        names = {
            "restart_service": ("service",),
            "scale_service": ("service", "replicas"),
            "set_flag": ("service", "flag", "on"),
            "page_person": ("who", "message"),
        }[self.kind]
        return {name: getattr(self, name) for name in names}


class NotPossibleError(Exception):
    """The action does not fit the target: why, and what would."""


class DryRun(Record):
    """What an action would change, told without changing it."""

    action: Action
    target: str
    before: JsonObject
    """The part of the target's state that it is about, as it is now."""
    text: str
    """What would change."""
    undo: str
    why: str = ""
    """What speaks for it."""

    def words(self) -> str:
        """Return all of it, as a person reads it before saying yes or no."""
        lines = [f"Proposed: {self.text}"]
        if self.why:
            lines.append(f"Why: {self.why}")
        lines += [f"Now, read from {self.target}: {_shown(self.before)}", f"To undo: {self.undo}"]
        return "\n".join(lines)


def dry_run(action: Action, state: TargetState, *, why: str = "") -> DryRun:
    """Return what `action` would change of `state`.

    Raises:
        NotPossibleError: There is no such thing to act on, or it is as wanted already.
    """
    text, undo = {
        "restart_service": _restart,
        "scale_service": _scale,
        "set_flag": _flag,
        "page_person": _page,
    }[action.kind](action, state)
    before = observed(action, state)
    return DryRun(action=action, target=state.name, before=before, text=text, undo=undo, why=why)


def observed(action: Action, state: TargetState) -> JsonObject:
    """Return the part of `state` that `action` is about; what is not there is not in it."""
    service = state.service(action.service)
    values: JsonObject = {}
    if service is not None and action.kind == "restart_service":
        values = {"replicas": service.replicas, "started_at": service.started_at}
    elif service is not None and action.kind == "scale_service":
        values = {"replicas": service.replicas}
    elif (flag := state.flag(action.service, action.flag)) is not None:
        values = {"on": flag.on, "changed_at": flag.changed_at}
    return {name: value for name, value in values.items() if value is not None}


def _restart(action: Action, state: TargetState) -> tuple[str, str]:
    service = _service(action, state)
    if not service.can_restart:
        able = [each.name for each in state.services if each.can_restart]
        raise NotPossibleError(f"{service.name} cannot be restarted here; {_of(able)}")
    return (
        f"restart {service.name}: new processes take over, requests under way may fail.",
        "a restart cannot be undone; what the processes held in memory is gone.",
    )


def _scale(action: Action, state: TargetState) -> tuple[str, str]:
    service = _service(action, state)
    most, now = service.most_replicas, service.replicas
    if not most:
        able = [each.name for each in state.services if each.most_replicas]
        raise NotPossibleError(f"{service.name} cannot be scaled here; {_of(able)}")
    if action.replicas is None or not 1 <= action.replicas <= most:
        raise NotPossibleError(f"{service.name} can be scaled to 1 to {most}: say to how many")
    if action.replicas == now:
        raise NotPossibleError(f"{service.name} has {now} processes already")
    return (
        f"scale {service.name} from {now} to {action.replicas} processes.",
        f"scale {service.name} to {now}.",
    )


def _flag(action: Action, state: TargetState) -> tuple[str, str]:
    service = _service(action, state)
    flag = state.flag(action.service, action.flag)
    if flag is None:
        raise NotPossibleError(
            f"{service.name} has no flag {action.flag!r}; {_of([each.name for each in service.flags])}"
        )
    if action.on is None:
        raise NotPossibleError(f"say whether {flag.name} is to be on or off; it is {_on(flag.on)}")
    if action.on == flag.on:
        raise NotPossibleError(f"the flag {flag.name} of {service.name} is {_on(flag.on)} already")
    return (
        f"turn the flag {flag.name} of {service.name} {_on(action.on)}.",
        f"turn it {_on(flag.on)} again.",
    )


def _page(action: Action, state: TargetState) -> tuple[str, str]:
    if action.who not in state.people:
        raise NotPossibleError(f"nobody {action.who!r} can be paged here; {_of(state.people)}")
    if not action.message.strip():
        raise NotPossibleError(f"say what {action.who} is to be told")
    return (
        f"page {action.who}: {action.message.strip()}",
        f"a page cannot be taken back; page {action.who} again when it is over.",
    )


def _service(action: Action, state: TargetState) -> ServiceState:
    service = state.service(action.service)
    if service is None:
        names = [each.name for each in state.services]
        raise NotPossibleError(f"{state.name} has no service {action.service!r}; {_of(names)}")
    return service


def _of(names: Iterable[str]) -> str:
    listed = ", ".join(names)
    return f"there is: {listed}" if listed else "there is none"


def _on(on: bool) -> str:  # noqa: FBT001 - a state in words
    return "on" if on else "off"


def _shown(values: JsonObject) -> str:
    return ", ".join(f"{_NAMES[name]} {_value(name, each)}" for name, each in values.items()) or (
        "nothing that it is about"
    )


_NAMES = {
    "on": "it is",
    "changed_at": "since",
    "replicas": "processes",
    "started_at": "the youngest since",
}


def _value(name: str, value: JsonValue) -> str:
    if isinstance(value, bool):
        return _on(value)
    if name.endswith("_at") and isinstance(value, int | float):
        return rfc3339(value)
    return str(value)

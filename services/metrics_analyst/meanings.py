"""What a metric's name says of its role: what a service uses up, or what its callers feel."""

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["saturation", "resource", "failure", "latency", "traffic", "other"]

_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("other", re.compile(r"^node", re.IGNORECASE)),
    ("saturation", re.compile(r"lag|throttl|waiting|queue|pending|blocked|exhaust|oom|gc_")),
    ("failure", re.compile(r"error|fail|5xx|exception|restart|success|availab|^up$")),
    ("resource", re.compile(r"cpu|memory|heap|thread|disk|_fds|in_use|connections")),
    (
        "latency",
        re.compile(r"latency|duration|active|in_?flight|seconds_p\d|p50|p9\d|_time|acquire"),
    ),
    ("traffic", re.compile(r"byte|packet|workload|request|ops|per_second|rate|syscall")),
)
_GOOD = re.compile(r"success|availab|^up$")
_PERCENT = re.compile(r"%|percent|ratio|utili[sz]ation")
_FULL = 80.0


@dataclass(frozen=True, slots=True)
class Meaning:
    """How much a lasting change of this metric says that its own service is the cause."""

    role: Role
    worth: float
    bad_when_low: bool


_WORTH: dict[Role, float] = {
    "saturation": 0.9,
    "resource": 0.7,
    "failure": 0.25,
    "latency": 0.2,
    "traffic": 0.05,
    "other": 0.02,
}


def meaning(metric: str) -> Meaning:
    """Read a metric's name; what it does not tell counts for little."""
    name = metric.casefold()
    role: Role = next((role for role, pattern in _ROLES if pattern.search(name)), "other")
    return Meaning(role, _WORTH[role], bool(_GOOD.search(name)))


def is_full(metric: str, value: float) -> bool:
    """Whether a share, in percent by its name, is close to all there is."""
    return bool(_PERCENT.search(metric.casefold())) and value >= _FULL

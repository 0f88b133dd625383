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
_TIME = re.compile(r"latency|duration|seconds|_ms\b|\(m?s\)|_time|acquire")
_WAITING = re.compile(r"client|upstream|outbound|outgoing|egress")
_STATISTIC = re.compile(r"p\d{2,3}|average|avg|mean|median|max")
_CALLER = re.compile(
    r"[{,](?:caller|client|client_name|source|source_workload|src|from)=([^,{}]+)[,}]"
)
_COUNT = re.compile(r"workload|request|ops|calls|_count")
_UNITS = ((re.compile(r"_ms\b|\(ms\)|milli"), 1e-3), (re.compile(r"_us\b|\(us\)|micro"), 1e-6))


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a metric measures, as far as its name tells."""

    role: Role
    bad_when_low: bool
    is_time: bool = False
    """It is a time in seconds times `unit`."""
    unit: float = 1.0
    waiting: bool = False
    """It is a time that the service spends waiting for those it calls."""
    statistic: str = ""
    """What compares with each other: `p95` of one service with that of another."""
    counts_requests: bool = False
    caller: str = ""
    """Whose calls it is about, where it is about the calls of one service to another."""


def meaning(metric: str) -> Meaning:
    """Read a metric's name; what it does not tell counts for little."""
    name = metric.partition("{")[0].casefold()
    caller = _CALLER.search(metric)
    role: Role = next((role for role, pattern in _ROLES if pattern.search(name)), "other")
    statistic = _STATISTIC.search(name)
    return Meaning(
        role,
        bool(_GOOD.search(name)),
        is_time=role == "latency" and bool(_TIME.search(name)),
        unit=next((unit for pattern, unit in _UNITS if pattern.search(name)), 1.0),
        waiting=bool(_WAITING.search(name)),
        statistic=f"{name if caller else ''}{statistic.group() if statistic else ''}",
        counts_requests=role == "traffic" and bool(_COUNT.search(name)),
        caller=caller.group(1) if caller else "",
    )


def is_full(metric: str, value: float) -> bool:
    """Whether a share, in percent by its name, is close to all there is."""
    return bool(_PERCENT.search(metric.casefold())) and value >= _FULL

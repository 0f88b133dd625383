"""What a metric's name says of its role: what a service uses up, or what its callers feel."""

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["saturation", "resource", "failure", "latency", "traffic", "other"]

_ROLES: tuple[tuple[Role, re.Pattern[str]], ...] = (
    ("other", re.compile(r"^ node|timestamp|start time|up ?time|created|expir")),
    (
        "saturation",
        re.compile(r" lag|lag |throttl|waiting|queue|pending|blocked|exhaust| oom| gc "),
    ),
    ("resource", re.compile(r"(?:mem|memory|disk|swap|space|filesystem) (?:free|avail)")),
    ("failure", re.compile(r"error|fail|5xx|exception|restart|success|availab|^ up $")),
    (
        "resource",
        re.compile(
            r"cpu|memory| mem |heap|thread|disk| fds |in use|connections|clients |sessions"
            r"|goroutines|swap| load "
        ),
    ),
    ("traffic", re.compile(r"count per second|size|length")),
    (
        "latency",
        re.compile(r"latency|duration|active|in ?flight|seconds p\d|p50|p9\d| time|acquire"),
    ),
    ("traffic", re.compile(r"byte|packet|workload|request|ops|per second|rate|syscall")),
)
_GOOD = re.compile(r"success|avail|^ up $| free")
_PERCENT = re.compile(r"%|percent|pct|ratio|utili[sz]ation")
_FULL = 80.0
_TIME = re.compile(r"latency|duration|seconds| ms |\(m?s\)| time|acquire")
_WAITING = re.compile(r"client|upstream|outbound|outgoing|egress")
_STATISTIC = re.compile(r"p\d{2,3}|average|avg|mean|median|max")
_CALLERS = ("caller", "client", "client_name", "source", "source_workload", "src", "from")
"""Labels that name whose calls are measured."""
_SIZE = re.compile(r"size|length|byte")
_COUNT = re.compile(r"workload|request|ops|calls| count")
_UNITS = ((re.compile(r" ms |\(ms\)|milli"), 1e-3), (re.compile(r" us |\(us\)|micro"), 1e-6))
_CODES = ("status", "code")
"""So end labels that tell an outcome by a code."""
_OUTCOMES = ("outcome", "result", "error", "error_type", "exception", "status_class")
_SERVER_ERROR = re.compile(r"5[0-9x][0-9x]")
_FAILED = (
    "err", "fail", "timeout", "exception", "server_error", "unavailable", "deadline", "internal",
    "unknown", "resource_exhausted", "resourceexhausted", "data_loss", "dataloss", "aborted", "true",
)  # fmt: skip
"""So begins the outcome of what failed; a caller's own mistake (4xx) is none."""
_IDLE = ("idle", "free", "available", "max", "limit")
"""A part that is not in use, or a bound of it, tells of nothing that is used up."""


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
    before, _, rest = metric.partition("{")
    inside, _, behind = rest.partition("}")
    labels = dict(label.partition("=")[::2] for label in inside.split(", "))
    if any(_has_failed(label, value) for label, value in labels.items()):
        return Meaning("failure", bad_when_low=False)
    name = _words(f"{before}{behind}")
    caller = next((labels[label] for label in _CALLERS if label in labels), "")
    role: Role = next((role for role, pattern in _ROLES if pattern.search(name)), "other")
    if any(value.casefold() in _IDLE for value in labels.values()):
        role = "other"
    statistic = _STATISTIC.search(name)
    return Meaning(
        role,
        bool(_GOOD.search(name)),
        is_time=role == "latency" and bool(_TIME.search(name)),
        unit=next((unit for pattern, unit in _UNITS if pattern.search(name)), 1.0),
        waiting=bool(_WAITING.search(name)),
        statistic=f"{name if caller else ''}{statistic.group() if statistic else ''}",
        counts_requests=role == "traffic" and bool(_COUNT.search(name)) and not _SIZE.search(name),
        caller=caller,
    )


def _has_failed(label: str, value: str) -> bool:
    if not label.endswith(_CODES) and label not in _OUTCOMES:
        return False
    outcome = value.casefold()
    exceptions = label in ("error", "error_type", "exception") and outcome.endswith(
        ("error", "exception")
    )
    return exceptions or outcome.startswith(_FAILED) or _SERVER_ERROR.fullmatch(outcome) is not None


def _words(name: str) -> str:
    """Return a name as words between blanks, whether it is `written_so`, `written.so` or `writtenSo`."""
    parts = []
    for at, letter in enumerate(name):
        before, behind = name[at - 1 : at], name[at + 1 : at + 2]
        begins = before.islower() or before.isdigit() or (before.isupper() and behind.islower())
        if letter.isupper() and begins:
            parts.append(" ")
        parts.append(" " if letter in "_.-:/" else letter)
    return f" {''.join(parts).casefold()} "


def is_full(metric: str, value: float) -> bool:
    """Whether a share, in percent by its name, is close to all there is."""
    return bool(_PERCENT.search(metric.casefold())) and value >= _FULL

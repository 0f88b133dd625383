"""What container runtimes and their tools write around a line: CRI, kubectl, stern, compose."""

import re
from collections.abc import Iterable, Iterator

from incidents.dating import Dating
from incidents.logs.entry import LogEntry
from incidents.logs.text import TextLayout, read_inner
from incidents.names import service_of
from incidents.times import recorded

_CRI = re.compile(
    r"(?P<time>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) "
    r"(?P<stream>stdout|stderr) (?P<tag>[FP])(?::[^\s]{1,64}+)?+(?: |\Z)"
)
_POD = re.compile(r"\[pod/(?P<pod>[\w.-]{1,128}+)/(?P<container>[\w.-]{1,128}+)\] ")
_STERN = re.compile(r"(?P<pod>[a-z0-9][a-z0-9.-]{10,127}+) (?P<container>[a-z0-9-]{1,63}+) ")
_POD_NAME = re.compile(r"-[a-z0-9]{4,10}-[a-z0-9]{5}\Z")
_COMPOSE = re.compile(r"(?P<pod>[\w.-]{1,100}+)\s{1,40}+\| ")
_MOST = 1 << 20


def read_line(line: str, dating: Dating, layout: TextLayout | None = None) -> LogEntry:
    """Return what a line says, with or without an envelope."""
    if cri := _CRI.match(line):
        envelope = LogEntry("", recorded(cri["time"], dating))
        return envelope.around(read_line(line[cri.end() :], dating))
    if match := _named(line):
        inner = read_line(
            line[match.end() :].removeprefix("\N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} "),
            dating,
        )
        return LogEntry("", service=_service(match["pod"])).around(inner)
    return (layout.read if layout else read_inner)(line, dating)


def _named(line: str) -> re.Match[str] | None:
    """Return the name of a pod, or of a container of a replica, that a tool wrote before a line."""
    if match := _POD.match(line):
        return match
    if (match := _STERN.match(line)) and _POD_NAME.search(match["pod"][-18:]):
        return match
    match = _COMPOSE.match(line)
    return match if match and _service(match["pod"]) != match["pod"] else None


def _service(pod: str) -> str:
    """Return the service of a pod, or of a container that compose numbered."""
    name = pod.rstrip("0123456789")
    return name[:-1] if name != pod and name[-1:] == "_" else service_of(pod)


def whole_lines(lines: Iterable[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    """Yield the lines with those put together that CRI cut, since each was longer than it may be."""
    begun: dict[str, tuple[int, str]] = {}
    for at, line in lines:
        cri = _CRI.match(line) if line[4:5] == "-" else None
        if cri is None:
            yield at, line
            continue
        number, start = begun.pop(cri["stream"], (at, ""))
        whole = f"{start}{line[cri.end() :]}" if start else line
        if cri["tag"] == "P" and len(whole) < _MOST:
            begun[cri["stream"]] = number, whole
        else:
            yield number, whole
    yield from sorted(begun.values())

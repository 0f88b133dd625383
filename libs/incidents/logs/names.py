"""Which service a log file belongs to, by its name and the folder it lies in."""

import re
from pathlib import PurePosixPath

_ENDINGS = re.compile(r"\d{1,3}|\d{8}|\d{10}|\d{4}-\d\d-\d\d|log|txt|out|err|jsonl?|ndjson|csv|old")
"""What stands behind the name of a service in a file's: a number or a day of rotation, a kind."""
_KIND = re.compile(r"[._-](?:access|error|stdout|stderr|out|err|app|application)\Z", re.IGNORECASE)
_GENERAL = frozenset({
    "app", "application", "log", "logs", "out", "output", "stdout", "stderr", "access", "error",
    "errors", "current", "server", "service", "console", "messages", "syslog", "journal", "all",
    "0", "1", "main", "combined", "docker", "json", "latest",
})  # fmt: skip
_FOLDERS = frozenset({"log", "logs", "incident", "baseline", "case", "data", "", "var"})
_KUBELET = 3
"""Parts of a name that the kubelet gives: pod, namespace, and container with its id."""
_ID = 64
_DAYS = (8, 10)


def service_of_file(name: str) -> str:
    """Return the service that a file is named after; a general name gives way to its folder's."""
    path = PurePosixPath(name)
    stem = _stem(path.name)
    parts = stem.split("_")
    if len(parts) == _KUBELET and len(parts[-1].rpartition("-")[2]) == _ID:
        return parts[-1].rpartition("-")[0]
    bare = _KIND.sub("", stem)
    if bare.casefold() not in _GENERAL:
        return bare
    folder = path.parent.name
    return bare if folder.casefold() in _FOLDERS else folder


def _stem(name: str) -> str:
    start, dash, day = name.rpartition("-")
    if dash and start and day.isdigit() and len(day) in _DAYS:
        name = start
    stem, dot, ending = name.rpartition(".")
    while dot and stem and _ENDINGS.fullmatch(ending.casefold()):
        name = stem
        stem, dot, ending = name.rpartition(".")
    return name

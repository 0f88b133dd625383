"""Loki: the lines of a window, taken evenly over it.

API: https://grafana.com/docs/loki/latest/reference/loki-http-api/
"""

from collections.abc import AsyncIterator, Iterator, Sequence

from incidents.live.endpoints import QueryError
from incidents.live.reply import Replies, SourceReply, named_windows, objects, texts
from weft.core import JsonObject, rfc3339
from weft.core.result import Window

SLICES = 12
"""So many pieces of a window are asked for, each up to the same number of lines."""
LINES = 2_500
SELECTORS = ("service_name", "app", "job", "container", "namespace", "filename")
"""Labels that nearly every stream has one of; Loki wants at least one in a query."""
_QUERY = "/loki/api/v1/query_range"


async def loki_replies(
    replies: Replies, incident: Window, baseline: Window
) -> AsyncIterator[SourceReply]:
    """Yield one reply per slice of both windows, as lines with their labels and times."""
    answer = await replies.get(
        "/loki/api/v1/labels", [("start", _ns(baseline.start)), ("end", _ns(incident.end))]
    )
    labels = texts(answer.get("data"))
    if not labels:
        replies.problem("it has no stream in the window")
        return
    label = next((name for name in SELECTORS if name in labels), labels[0])
    for part, window in named_windows(incident, baseline):
        cut = 0
        for piece in _slices(window):
            query = _lines(label, piece)
            document = await replies.tried(_QUERY, query)
            if document is None:
                continue
            lines = list(_read(document))
            cut += len(lines) >= LINES
            yield SourceReply(part, replies.url(_QUERY, query), lines)
        if cut:
            replies.problem(
                f"{part}: only the first {LINES} lines were read of {cut} of {SLICES} slices"
            )


def _slices(window: Window) -> Iterator[Window]:
    length = (window.end - window.start) / SLICES
    for number in range(SLICES):
        start = window.start + number * length
        yield Window(start=start, end=start + length)


def _lines(label: str, window: Window) -> Sequence[tuple[str, str]]:
    return [
        ("query", f'{{{label}=~".+"}}'),
        ("start", _ns(window.start)),
        ("end", _ns(window.end)),
        ("limit", str(LINES)),
        ("direction", "forward"),
    ]


def _read(document: JsonObject) -> Iterator[JsonObject]:
    """Yield each line in the form in which Loki's own command prints lines as JSON."""
    data = document.get("data")
    if not isinstance(data, dict) or data.get("resultType") != "streams":
        raise QueryError("its answer holds no streams")
    for stream in objects(data.get("result")):
        values = stream.get("values")
        for value in values if isinstance(values, list) else ():
            match value:
                case [str(at), str(line), *_] if at.isascii() and at.isdigit():
                    seconds, ns = divmod(int(at), 10**9)
                    time = f"{rfc3339(seconds)[:19]}.{ns:09}Z"
                    yield {"timestamp": time, "labels": stream.get("stream"), "line": line}


def _ns(seconds: float) -> str:
    return str(round(seconds * 10**6) * 1000)

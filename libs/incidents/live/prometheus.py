"""Prometheus: every series of a window, by its range queries.

API: https://prometheus.io/docs/prometheus/latest/querying/api/
"""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence

from incidents.live.reply import Replies, SourceReply, named_windows, objects, texts
from weft.core import JsonObject
from weft.core.result import Window

POINTS = 120
"""Per series of a long window."""
RAW_SECONDS = 1_800.0
"""A window up to this long is read as it was scraped, sample by sample; a longer one in steps."""
MOST_NAMES = 500
MOST_SERIES = 20_000
AT_A_TIME = 8
"""Metrics."""
INTERNAL = ("go_", "promhttp_", "prometheus_", "python_gc_", "scrape_", "alertmanager_")
"""How a runtime, or the monitoring itself, calls its own insides: seldom what an alert is about."""


async def prometheus_replies(
    replies: Replies, incident: Window, baseline: Window
) -> AsyncIterator[SourceReply]:
    """Yield one reply per metric and window: its address shows just that."""
    span = (("start", _time(baseline.start)), ("end", _time(incident.end)))
    answer = await replies.get("/api/v1/label/__name__/values", span)
    names = _chosen(replies, texts(answer.get("data")))
    series = 0
    for at in range(0, len(names), AT_A_TIME):
        wanted = [
            (part, *_query(name, window))
            for name in names[at : at + AT_A_TIME]
            for part, window in named_windows(incident, baseline)
        ]
        documents = await asyncio.gather(*(replies.tried(path, query) for _, path, query in wanted))
        for (part, path, query), document in zip(wanted, documents, strict=True):
            if document is None:
                continue
            series += _count(document)
            yield SourceReply(part, replies.url(path, query), [document])
            for warning in texts(document.get("warnings")):
                replies.problem(f"it warns: {warning[:200]}")
        if series > MOST_SERIES:
            replies.problem(f"only the first {series} series were read")
            return


def _chosen(replies: Replies, names: Sequence[str]) -> list[str]:
    chosen = [name for name in names if not name.startswith(INTERNAL)]
    if len(chosen) < len(names):
        replies.problem(
            f"{len(names) - len(chosen)} of {len(names)} metrics were left out: the insides of "
            f"runtimes and of the monitoring itself ({', '.join(INTERNAL)})"
        )
    if len(chosen) > MOST_NAMES:
        replies.problem(f"only {MOST_NAMES} of {len(chosen)} metrics were read")
    return chosen[:MOST_NAMES]


def _query(name: str, window: Window) -> tuple[str, list[tuple[str, str]]]:
    quoted = name.replace("\\", r"\\").replace('"', r"\"")
    selector = f'{{__name__="{quoted}"}}'
    seconds = math.ceil(window.end - window.start)
    if seconds <= RAW_SECONDS:
        return "/api/v1/query", [("query", f"{selector}[{seconds}s]"), ("time", _time(window.end))]
    step = math.ceil(seconds / POINTS)
    return "/api/v1/query_range", [
        ("query", selector),
        ("start", _time(window.start)),
        ("end", _time(window.end)),
        ("step", str(step)),
    ]


def _count(document: JsonObject) -> int:
    data = document.get("data")
    return len(objects(data.get("result"))) if isinstance(data, dict) else 0


def _time(seconds: float) -> str:
    return f"{seconds:.3f}"

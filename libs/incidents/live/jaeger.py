"""Jaeger: traces of every service in a window, by the API of its query service.

API: https://www.jaegertracing.io/docs/latest/apis/ (the HTTP JSON that its own pages use)
"""

from collections.abc import AsyncIterator

from incidents.live.reply import Replies, SourceReply, named_windows, objects, texts
from weft.core.result import Window

MOST_SERVICES = 60
TRACES = 150
"""Per service and window."""


async def jaeger_replies(
    replies: Replies, incident: Window, baseline: Window
) -> AsyncIterator[SourceReply]:
    """Yield one reply per service and window."""
    answer = await replies.get("/api/services")
    services = sorted(texts(answer.get("data")))
    if len(services) > MOST_SERVICES:
        replies.problem(f"only {MOST_SERVICES} of {len(services)} services were read")
    for service in services[:MOST_SERVICES]:
        for part, window in named_windows(incident, baseline):
            query = [
                ("service", service),
                ("start", str(round(window.start * 10**6))),
                ("end", str(round(window.end * 10**6))),
                ("limit", str(TRACES)),
            ]
            document = await replies.tried("/api/traces", query)
            if document is None:
                continue
            if len(objects(document.get("data"))) >= TRACES:
                replies.problem(f"{part}: only {TRACES} traces of {service[:80]} were read")
            yield SourceReply(part, replies.url("/api/traces", query), [document])

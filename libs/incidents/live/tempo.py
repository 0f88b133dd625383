"""Tempo: the traces that a search finds in a window, each by its id.

API: https://grafana.com/docs/tempo/latest/api_docs/
"""

import re
from collections.abc import AsyncIterator

from incidents.live.reply import Replies, SourceReply, named_windows, objects
from weft.core import JsonObject
from weft.core.result import Window

TRACES = 200
"""Per window."""
_ID = re.compile(r"[0-9a-fA-F]{1,32}")


async def tempo_replies(
    replies: Replies, incident: Window, baseline: Window
) -> AsyncIterator[SourceReply]:
    """Yield the traces of each window as one reply."""
    for part, window in named_windows(incident, baseline):
        query = [
            ("start", str(int(window.start))),
            ("end", str(int(window.end) + 1)),
            ("limit", str(TRACES)),
        ]
        answer = await replies.get("/api/search", query)
        ids = [trace.get("traceID") for trace in objects(answer.get("traces"))]
        if len(ids) >= TRACES:
            replies.problem(f"{part}: only {TRACES} traces were read")
        batches: list[JsonObject] = []
        for trace_id in ids:
            if not isinstance(trace_id, str) or not _ID.fullmatch(trace_id):
                continue
            document = await replies.tried(f"/api/traces/{trace_id}", ())
            if document is not None:
                batches += objects(document.get("batches") or document.get("resourceSpans"))
        yield SourceReply(part, replies.url("/api/search", query), [{"batches": list(batches)}])

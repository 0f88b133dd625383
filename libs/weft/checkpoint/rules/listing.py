"""Pages of runs and threads: each begins where the one before ended, whatever is added meanwhile."""

from dataclasses import replace

from weft.checkpoint.base import Run, ThreadKey
from weft.checkpoint.index import Page, RunFilter, ThreadSummary
from weft.checkpoint.requests import Now, ReadOpenRuns, ReadRun, ReadRuns, ReadThreads
from weft.checkpoint.rules.rows import whole_run
from weft.checkpoint.script import Script
from weft.checkpoint.tables import ListedThread, RunRow
from weft.core import Principal, RunId, loads_object

LOOKED_AT = 500
"""So many runs are looked at for one page of those of an agent."""


def runs(
    principal: Principal, wanted: RunFilter, limit: int, before: int | None
) -> Script[Page[Run]]:
    subject = wanted.subject if principal.administers else principal.subject
    if wanted.subject not in {None, subject}:
        return Page(())
    request = ReadRuns(
        principal.tenant,
        subject,
        limit + 1,
        before,
        wanted.status,
        wanted.thread_id,
        wanted.created_after,
    )
    if wanted.agent is None:
        return (yield from _page(request, limit))
    return (yield from _page_for(wanted.agent, replace(request, limit=LOOKED_AT + 1), limit))


def waiting(tenant: str, limit: int, before: int | None) -> Script[Page[Run]]:
    request = ReadRuns(tenant, None, limit + 1, before, status="interrupted")
    return (yield from _page(request, limit))


def find_waiting(tenant: str, run_id: RunId) -> Script[Run | None]:
    row = yield from ReadRun(run_id)
    if row is None or row.tenant != tenant or row.gone or row.status != "interrupted":
        return None
    return (yield from whole_run(row, (yield from Now())))


def threads(principal: Principal, limit: int, before: int | None) -> Script[Page[ThreadSummary]]:
    tenant = principal.tenant
    subject = None if principal.administers else principal.subject
    rows = yield from ReadThreads(tenant, subject, limit + 1, before)
    entries: list[ThreadSummary] = []
    for row in rows[:limit]:
        key = ThreadKey(tenant, row.subject, row.thread_id)
        open_runs = yield from ReadOpenRuns(key)
        entries.append(_summary(key, row, open_runs))
    return Page(tuple(entries), rows[limit - 1].position if len(rows) > limit else None)


def _page(request: ReadRuns, limit: int) -> Script[Page[Run]]:
    rows = yield from request
    now = yield from Now()
    entries: list[Run] = []
    for row in rows[:limit]:
        entries.append((yield from whole_run(row, now)))  # noqa: PERF401 - it yields
    return Page(tuple(entries), rows[limit - 1].position if len(rows) > limit else None)


def _page_for(agent: str, request: ReadRuns, limit: int) -> Script[Page[Run]]:
    """Return those of the runs that are read whose request names `agent`."""
    rows = yield from request
    now = yield from Now()
    entries: list[Run] = []
    for row in rows[:LOOKED_AT]:
        if loads_object(row.request).get("agent") == agent:
            entries.append((yield from whole_run(row, now)))
        if len(entries) == limit:
            return Page(tuple(entries), row.position if row is not rows[-1] else None)
    return Page(tuple(entries), rows[LOOKED_AT - 1].position if len(rows) > LOOKED_AT else None)


def _summary(key: ThreadKey, row: ListedThread, open_runs: tuple[RunRow, ...]) -> ThreadSummary:
    waits = [RunId(run.run_id) for run in open_runs if run.status == "interrupted"]
    return ThreadSummary(
        key,
        row.created,
        row.updated,
        waits=waits[-1] if waits else None,
        active=RunId(open_runs[-1].run_id) if open_runs else None,
    )

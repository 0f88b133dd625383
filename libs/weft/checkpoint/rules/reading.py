"""What a principal may see of its runs, and who administers a tenant of all that are in it."""

from collections.abc import Sequence

from weft.checkpoint.backlog import Backlog, Share
from weft.checkpoint.base import TERMINAL, LogState, Run, ThreadKey
from weft.checkpoint.folding import lacks_output, with_output
from weft.checkpoint.inbound import Received
from weft.checkpoint.requests import (
    CountAccepted,
    CountWork,
    Now,
    ReadEvents,
    ReadLogStates,
    ReadMessage,
    ReadRunByKey,
    ReadStep,
    ReadThreadRuns,
)
from weft.checkpoint.rules.rows import readable, result_of, steps_of, whole_run
from weft.checkpoint.script import Script
from weft.checkpoint.tables import PRUNED, RequestKey
from weft.checkpoint.text import encode, envelope
from weft.core import JsonObject, Path, Principal, RunId, loads_object
from weft.core.errors import EventsExpiredError
from weft.events import TERMINAL_EVENTS, Envelope


def read(principal: Principal, run_id: RunId) -> Script[Run]:
    row = yield from readable(principal, run_id)
    return (yield from whole_run(row, (yield from Now())))


def find(principal: Principal, operation: str, idem_key: str) -> Script[Run | None]:
    key = RequestKey(principal.tenant, principal.subject, operation, idem_key)
    row = yield from ReadRunByKey(key)
    if row is None or row.gone:
        return None
    return (yield from whole_run(row, (yield from Now())))


def received(principal: Principal, operation: str, key: str) -> Script[Received | None]:
    row = yield from ReadMessage(RequestKey(principal.tenant, principal.subject, operation, key))
    return None if row is None else Received(RunId(row.run_id), row.body_hash)


def events(
    principal: Principal, run_id: RunId, *, after: int, limit: int
) -> Script[tuple[Envelope, ...]]:
    run = yield from readable(principal, run_id)
    if run.erased == PRUNED and after < run.last_seq:
        raise EventsExpiredError(run_id)
    rows = yield from ReadEvents(run_id, after, limit)
    envelopes = [envelope(row, run.tenant, run.thread_id, run.trace_id) for row in rows]
    if envelopes and envelopes[-1].type in TERMINAL_EVENTS and lacks_output(envelopes[-1].data):
        data = with_output(envelopes[-1].data, (yield from result_of(run)))
        envelopes[-1] = envelopes[-1].model_copy(update={"data": data})
    return tuple(envelopes)


def steps(principal: Principal, run_id: RunId) -> Script[dict[Path, JsonObject]]:
    yield from readable(principal, run_id)
    return (yield from steps_of(run_id))


def step(principal: Principal, run_id: RunId, path: Path) -> Script[JsonObject | None]:
    yield from readable(principal, run_id)
    text = yield from ReadStep(run_id, encode(path))
    return None if text is None else loads_object(text)


def thread_runs(key: ThreadKey, limit: int) -> Script[tuple[Run, ...]]:
    now = yield from Now()
    rows = yield from ReadThreadRuns(key, max(limit, 0))
    runs: list[Run] = []
    for row in rows:
        if not row.gone:
            runs.append((yield from whole_run(row, now)))  # noqa: PERF401 - it yields
    return tuple(runs)


def log_states(run_ids: Sequence[RunId]) -> Script[dict[RunId, LogState]]:
    rows = yield from ReadLogStates(tuple(run_ids))
    return {
        RunId(run_id): LogState(seq, status in TERMINAL or status == "interrupted")
        for run_id, seq, status in rows
    }


def backlog(operation: str) -> Script[Backlog]:
    now = yield from Now()
    oldest = now
    shares: dict[tuple[str, str], Share] = {}
    for row in (yield from CountWork(operation)):
        queued, active = shares.get((row.tenant, row.subject), (0, 0))
        if row.status == "queued":
            oldest = min(oldest, row.since)
            share = Share(queued + row.runs, active)
        else:
            share = Share(queued, active + row.runs)
        shares[row.tenant, row.subject] = share
    return Backlog((yield from CountAccepted()), oldest_wait=now - oldest, shares=shares)


def ping() -> Script[float]:
    return (yield from Now())

"""What a principal may see of its own runs."""

from collections.abc import Sequence

from weft.checkpoint.backlog import Backlog, Share
from weft.checkpoint.base import Run, ThreadKey
from weft.checkpoint.folding import with_output
from weft.checkpoint.inbound import Received
from weft.checkpoint.rules.writing import owned, result_of, steps_of, whole_run
from weft.checkpoint.tables import Tables
from weft.checkpoint.text import encode, envelope
from weft.core import JsonObject, Path, Principal, RunId, loads_object
from weft.events import TERMINAL_EVENTS, Envelope


def read(tables: Tables, principal: Principal, run_id: RunId) -> Run:
    return whole_run(tables, owned(tables, principal, run_id), tables.now())


def find(tables: Tables, principal: Principal, operation: str, idem_key: str) -> Run | None:
    row = tables.run_by_key(principal.tenant, principal.subject, operation, idem_key)
    return None if row is None or row.erased else whole_run(tables, row, tables.now())


def received(tables: Tables, principal: Principal, operation: str, key: str) -> Received | None:
    row = tables.message(principal.tenant, principal.subject, operation, key)
    return None if row is None else Received(RunId(row.run_id), row.body_hash)


def events(
    tables: Tables, principal: Principal, run_id: RunId, *, after: int, limit: int
) -> tuple[Envelope, ...]:
    run = owned(tables, principal, run_id)
    rows = tables.events(run_id, after, limit)
    envelopes = [envelope(row, run.tenant, run.thread_id, run.trace_id) for row in rows]
    if envelopes and envelopes[-1].type in TERMINAL_EVENTS:
        data = with_output(envelopes[-1].data, lambda: result_of(tables, run))
        envelopes[-1] = envelopes[-1].model_copy(update={"data": data})
    return tuple(envelopes)


def steps(tables: Tables, principal: Principal, run_id: RunId) -> dict[Path, JsonObject]:
    owned(tables, principal, run_id)
    return steps_of(tables, run_id)


def step(tables: Tables, principal: Principal, run_id: RunId, path: Path) -> JsonObject | None:
    owned(tables, principal, run_id)
    text = tables.step(run_id, encode(path))
    return None if text is None else loads_object(text)


def thread_runs(tables: Tables, key: ThreadKey, limit: int) -> tuple[Run, ...]:
    now = tables.now()
    rows = tables.thread_runs(key, max(limit, 0))
    return tuple([whole_run(tables, row, now) for row in rows if not row.erased])


def last_seqs(tables: Tables, run_ids: Sequence[RunId]) -> dict[RunId, int]:
    return {RunId(run_id): seq for run_id, seq in tables.last_seqs(run_ids)}


def backlog(tables: Tables, operation: str) -> Backlog:
    now, oldest = tables.now(), tables.now()
    shares: dict[tuple[str, str], Share] = {}
    for row in tables.working(operation):
        queued, active = shares.get((row.tenant, row.subject), (0, 0))
        if row.status == "queued":
            oldest = min(oldest, row.since)
            share = Share(queued + row.runs, active)
        else:
            share = Share(queued, active + row.runs)
        shares[row.tenant, row.subject] = share
    return Backlog(tables.accepted(), oldest_wait=now - oldest, shares=shares)

"""What becomes of old things: their contents go first, their rows and keys later."""

from weft.checkpoint.index import Pruned
from weft.checkpoint.requests import (
    DeleteThread,
    ForgetRun,
    Now,
    PruneRun,
    ReadBareRuns,
    ReadOldRuns,
    ReadOldThreads,
    ReadOpenRuns,
    ReadThreadRuns,
    SaveRun,
)
from weft.checkpoint.rules.rows import result_of
from weft.checkpoint.script import Script
from weft.checkpoint.tables import PRUNED, RunRow
from weft.checkpoint.text import decode_object, encode
from weft.core import JsonObject

_KEPT_OF_RESULT = ("status", "usage", "stop_reason")
_KEPT_OF_CANCEL = ("requested_by", "at")
GONE = "what it said was pruned"


def prune(*, older_s: float, forget_s: float, limit: int) -> Script[Pruned]:
    now = yield from Now()
    runs = yield from ReadOldRuns(now - older_s, limit)
    for row in runs:
        yield from _prune(row)
    threads = 0
    for key in (yield from ReadOldThreads(now - older_s, limit)):
        # Whoever was asked something in it meanwhile needs what was said before.
        if (yield from ReadOpenRuns(key, lock=True)):
            continue
        newest = yield from ReadThreadRuns(key, 1)
        if newest and newest[0].updated >= now - older_s:
            continue
        threads += yield from DeleteThread(key)
    bare = yield from ReadBareRuns(now - forget_s, limit)
    for run_id in bare:
        yield from ForgetRun(run_id)
    return Pruned(len(runs), threads, len(bare))


def _prune(row: RunRow) -> Script[None]:
    """Leave of a run that ended what holds no content."""
    # Some of its result stands in its steps.
    result = yield from result_of(row)
    error, cancel = decode_object(row.error), decode_object(row.cancel)
    yield from PruneRun(row.run_id)
    yield from SaveRun(
        row._replace(
            erased=PRUNED,
            request="{}",
            authority="{}",
            interrupts="[]",
            result=_encoded(result, _KEPT_OF_RESULT),
            error=None if error is None else encode({"code": error.get("code"), "message": GONE}),
            cancel=_encoded(cancel, _KEPT_OF_CANCEL),
        )
    )


def _encoded(whole: JsonObject | None, names: tuple[str, ...]) -> str | None:
    if whole is None:
        return None
    return encode({name: whole[name] for name in names if name in whole})

"""What came of protocols: written with the end of a run, and counted by tenant."""

from collections.abc import Sequence

from weft.checkpoint.book import NEWEST, BookEntry
from weft.checkpoint.requests import AddOutcome, RateRun, ReadTally
from weft.checkpoint.rules.rows import readable
from weft.checkpoint.script import Script
from weft.core import Principal, RunId, Tally, name_digest
from weft.core.errors import NotFoundError, RunNotRateableError


def add(run_id: RunId, tenant: str, entries: Sequence[BookEntry]) -> Script[None]:
    for entry in entries:
        cell = _cell(tenant, entry.goal, entry.domain, entry.protocol)
        yield from AddOutcome(run_id, entry.goal, cell, int(entry.success))


def tallies(
    tenant: str, goal: str, domain: str, protocols: Sequence[str]
) -> Script[dict[str, Tally]]:
    counted: dict[str, Tally] = {}
    for name in protocols:
        counted[name] = yield from ReadTally(_cell(tenant, goal, domain, name), NEWEST)
    return counted


def rate(principal: Principal, run_id: RunId, *, bad: bool) -> Script[None]:
    row = yield from readable(principal, run_id)
    # Who may read all of a tenant does not judge for those who asked.
    if row.subject != principal.subject:
        raise NotFoundError("run", run_id)
    if not (yield from RateRun(run_id, int(bad))):
        raise RunNotRateableError(run_id)


def _cell(*names: str) -> str:
    """Return the one short key of what is counted together, however long its names are."""
    return name_digest("\0".join(names))

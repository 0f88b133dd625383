"""The one maker of runs that are about to be accepted, whoever was asked and over whatever door."""

import hashlib
from typing import Final, TypedDict, Unpack

from weft.checkpoint import NewRun, OnBusy
from weft.core import Authority, Deadline, JsonObject, RunId, dumps, new_id
from weft.events import Acceptance, RunAccepted, preview
from weft.runs.requests import StoredRequest

__all__ = ["new_run"]

MAX_EVENT_INPUT: Final = 48 * 1024
"""A longer input stays with the run: an event's data must not grow over 64 KiB."""
LONGEST_ESCAPE: Final = 6
"""Bytes that a character takes in JSON at most."""


class RunTerms(TypedDict, total=False):
    """What a request says beside what shall be done."""

    thread_id: str | None
    """None begins a thread of the run's own."""
    timeout_s: float | None
    """It ends so long after it is accepted, where its authority does not end it before."""
    key: str | None
    """Two requests of one key and hash are the same; None makes it the run's own id."""
    body_hash: str | None
    """None hashes what is asked and what it may spend."""
    agent: str | None
    """Who shall do it, where that was said."""
    protocol: str | None
    on_conflict: OnBusy | None
    """What the caller wants where its thread is busy; None where callers have no say."""
    service: str | None
    """Who accepts it, as its event says; None for a door before many."""


def new_run(
    request: StoredRequest, authority: Authority, *, run_id: RunId, **terms: Unpack[RunTerms]
) -> NewRun:
    """Return the run of `request`, not accepted yet, with the event that tells of it."""
    stored, text = request.to_json(), request.text
    timeout_s, left = terms.get("timeout_s"), authority.remaining()
    limits = [limit for limit in (left, timeout_s) if limit is not None]
    acceptance = Acceptance(
        input=text if _short(text) else None,
        input_preview=preview(text),
        subject=authority.principal.subject,
        agent=terms.get("agent"),
        protocol=terms.get("protocol"),
        deadline_s=round(min(limits), 3) if limits else None,
        budget=authority.budget,
        on_conflict=terms.get("on_conflict"),
    )
    return NewRun(
        run_id=run_id,
        authority=authority
        if timeout_s is None
        else authority.narrowed(deadline=Deadline.after(timeout_s)),
        operation=request.operation,
        idem_key=terms.get("key") or run_id,
        body_hash=terms.get("body_hash") or _hash(stored, authority),
        thread_id=terms.get("thread_id") or new_id(),
        request=stored,
        accepted=RunAccepted(agent=terms.get("service"), data=acceptance),
    )


def _hash(stored: JsonObject, authority: Authority) -> str:
    return hashlib.sha256(dumps([stored, authority.budget.to_json()])).hexdigest()


def _short(text: str) -> bool:
    return len(text) * LONGEST_ESCAPE <= MAX_EVENT_INPUT or len(dumps(text)) <= MAX_EVENT_INPUT

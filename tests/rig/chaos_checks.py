"""What must hold after a trial, whatever was done to the mesh: read from its front door and book."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from tests.rig.chaos_client import EFFECTS, PAST, TERMINAL, Told
from tests.rig.house import RigMesh

ENDED = ("completed", "failed", "canceled", "expired")
NO_PEER = frozenset({"unknown_agent", "no_capability", "peer_unavailable", "fan_out_failed"})
"""How a run fails that found nobody to do its work."""


@dataclass(slots=True)
class Verdict:
    """Faults found, by kind; everything but `no_peer` must be 0."""

    counts: Counter[str] = field(default_factory=Counter)
    statuses: Counter[str] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)

    def note(self, kind: str, run: Told, more: object = "") -> None:
        """Count a fault and keep the first of its kind in words."""
        self.counts[kind] += 1
        if self.counts[kind] <= 3:
            self.examples.append(f"{kind}: {run.kind} {run.order} {run.run_id} {more}")


async def checked(mesh: RigMesh, runs: Sequence[Told]) -> Verdict:
    """Compare each run's end, log, streams and effects with each other."""
    verdict = Verdict()
    book = Counter(mesh.written())
    async with mesh.session() as session:
        for run in runs:
            async with session.get(f"/v1/runs/{run.run_id}") as reply:
                shown = await reply.json()
            log = await _log(session, run)
            _check_log(verdict, run, shown, log)
            _check_effect(verdict, run, shown, book)
    verdict.counts["doubled"] += sum(count - 1 for count in book.values())
    return verdict


async def _log(session: aiohttp.ClientSession, run: Told) -> list[tuple[int, str]]:
    rows: list[tuple[int, str]] = []
    while True:
        after = rows[-1][0] if rows else 0
        url = f"/v1/runs/{run.run_id}/events?after={after}&limit=1000"
        async with session.get(url) as reply:
            page = (await reply.json())["data"]
        if not page:
            return rows
        rows += [(event["seq"], event["type"]) for event in page]


def _check_log(
    verdict: Verdict, run: Told, shown: dict[str, Any], log: list[tuple[int, str]]
) -> None:
    status = shown["status"]
    verdict.statuses[status] += 1
    if status not in ENDED:
        verdict.note("lost", run, status)
        return
    if [number for number, _ in log] != list(range(1, len(log) + 1)):
        verdict.note("gaps", run, "in the log")
    if run.gaps or run.events != log[: len(run.events)]:
        verdict.note("gaps", run, "in the stream")
    ends = [kind for _, kind in log if kind in TERMINAL]
    if ends != [f"run.{status}"] or log[-1][1] != ends[0]:
        verdict.note("wrong_end", run, f"{status} {ends}")


def _check_effect(verdict: Verdict, run: Told, shown: dict[str, Any], book: Counter[str]) -> None:
    effect = EFFECTS.get(run.kind)
    written = book[f"{effect} {run.order}"] if effect else 0
    text = str((shown.get("output") or {}).get("text"))
    if shown["status"] == "completed" and effect:
        wanted = f"Done: {PAST[effect]} {run.order}"
        if not written or (wanted not in text and not run.accepted):
            verdict.note("untrue", run, f"written {written}, told {text[:200]!r}")
    if shown["status"] == "failed":
        error = shown.get("error") or {}
        code = str(error.get("code"))
        verdict.codes[code] += 1
        if code in NO_PEER:
            verdict.note("no_peer", run, error.get("message"))
        if written and error.get("retryable"):
            verdict.note("untrue", run, f"done once, yet told retryable: {error.get('message')}")

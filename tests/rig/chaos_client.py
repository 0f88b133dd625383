"""A client of a mesh that is being hurt: it repeats itself, drops streams, resumes, answers."""

import asyncio
import json
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp

from tests.rig.house import RigMesh

TERMINAL = ("run.completed", "run.failed", "run.canceled", "run.expired")
PAUSE_SECONDS = 0.2
CERTAIN_SECONDS = 8.0
"""A person looks at the book only when a frozen process can have nothing left to write."""
EFFECTS = {"payer": "charge", "biller": "bill"}
PAST = {"charge": "charged", "bill": "billed"}


@dataclass(slots=True)
class Told:
    """What a client was told of one run."""

    run_id: str
    kind: str
    order: str
    began: float
    ended: float | None = None
    events: list[tuple[int, str]] = field(default_factory=list)
    """(number, type), as the streams brought them."""
    gaps: int = 0
    asked: int = 0
    accepted: bool = False
    """Whether we said that a lost outcome counts as done: the report cannot quote it then."""


@dataclass(slots=True)
class Client:
    """One client; `work` goes on until a time of the monotonic clock."""

    mesh: RigMesh
    chance: random.Random
    number: int
    runs: list[Told]
    tally: Counter[str]

    async def work(self, until: float) -> None:
        async with self.mesh.session(seconds=90.0) as session:
            count = 0
            while time.monotonic() < until:
                count += 1
                kind = self.chance.choice(("diagnose", "diagnose", "payer", "biller"))
                order = f"o-{self.number}-{count}"
                run = await self._submitted(session, kind, order, until)
                if run is not None:
                    self.runs.append(run)
                    await self._followed(session, run, until + 60.0)

    async def _submitted(
        self, session: aiohttp.ClientSession, kind: str, order: str, until: float
    ) -> Told | None:
        """Ask until somebody answers, always with the same key."""
        body: dict[str, Any] = {"input": f"Diagnose the slowdown of {order}"}
        if kind in EFFECTS:
            body = {"input": f"{EFFECTS[kind]} {order}", "agent": kind}
        headers = {"idempotency-key": uuid4().hex}
        began, run_id = time.monotonic(), None
        repeat = self.chance.random() < 0.2
        while time.monotonic() < until + 60.0:
            try:
                async with session.post("/v1/runs", json=body, headers=headers) as reply:
                    self.tally[f"POST {reply.status}"] += 1
                    answer = await reply.json()
            except (aiohttp.ClientError, TimeoutError):
                self.tally["POST broken"] += 1
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if reply.status not in {200, 202}:
                await asyncio.sleep(PAUSE_SECONDS)
                continue
            if run_id is not None and answer["run_id"] != run_id:
                self.tally["another run for the same key"] += 1
            run_id = answer["run_id"]
            if not repeat:
                return Told(run_id, kind, order, began)
            repeat = False
        return None

    async def _followed(self, session: aiohttp.ClientSession, run: Told, until: float) -> None:
        """Read the run's stream to its end, over as many connections as that takes."""
        while run.ended is None and time.monotonic() < until:
            last = run.events[-1][0] if run.events else 0
            headers = {"last-event-id": str(last)} if last else {}
            drop_at = self.chance.randrange(1, 12) if self.chance.random() < 0.15 else None
            url = f"/v1/runs/{run.run_id}/stream"
            try:
                async with session.get(url, headers=headers) as stream:
                    self.tally[f"stream {stream.status}"] += 1
                    if stream.status == 204:
                        run.ended = time.monotonic()
                    elif stream.status == 200:
                        await self._read(session, stream, run, drop_at)
            except (aiohttp.ClientError, TimeoutError):
                self.tally["stream broken"] += 1
            if run.ended is None:
                await asyncio.sleep(PAUSE_SECONDS)

    async def _read(
        self,
        session: aiohttp.ClientSession,
        stream: aiohttp.ClientResponse,
        run: Told,
        drop_at: int | None,
    ) -> None:
        number, kind, seen = 0, "", 0
        async for line in stream.content:
            text = line.decode().rstrip("\n")
            if text.startswith("id:"):
                number = int(text[3:])
            elif text.startswith("event:"):
                kind = text[6:].strip()
            elif not text and number:
                run.gaps += number != (run.events[-1][0] + 1 if run.events else 1)
                run.events.append((number, kind))
                seen += 1
                if kind in TERMINAL:
                    run.ended = time.monotonic()
                    return
                if kind == "run.interrupted":
                    await self._answered(session, run)
                if drop_at is not None and seen >= drop_at:
                    self.tally["stream dropped"] += 1
                    return
                number, kind = 0, ""

    async def _answered(self, session: aiohttp.ClientSession, run: Told) -> None:
        """Say what became of the effect, as a person who looked at the book."""
        await asyncio.sleep(CERTAIN_SECONDS)
        url = f"/v1/runs/{run.run_id}"
        for _ in range(50):
            try:
                async with session.get(url) as reply:
                    shown = await reply.json()
                if shown.get("status") != "interrupted":
                    return
                answers = [self._answer(run, each) for each in shown["interrupts"]]
                run.asked += len(answers)
                async with session.post(f"{url}/resume", json={"responses": answers}) as reply:
                    self.tally[f"answer {reply.status}"] += 1
                    if reply.status in {200, 202, 409}:
                        return
            except (aiohttp.ClientError, TimeoutError, json.JSONDecodeError):
                self.tally["answer broken"] += 1
            await asyncio.sleep(PAUSE_SECONDS)

    def _answer(self, run: Told, interrupt: dict[str, Any]) -> dict[str, Any]:
        effect = EFFECTS.get(run.kind, "")
        written = f"{effect} {run.order}" in self.mesh.written()
        payload: dict[str, Any]
        if interrupt["reason"] == "outcome_unknown":
            payload = {"outcome": "accept" if written else "retry"}
            run.accepted |= written
        elif written:
            payload = {"outcome": "done", "value": f"{PAST[effect]} {run.order}"}
        else:
            payload = {"outcome": "not_done"}
        self.tally[f"asked {interrupt['reason']}: {payload['outcome']}"] += 1
        return {"interrupt_id": interrupt["id"], "status": "resolved", "payload": payload}

"""What every run store promises about who holds a run."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from itertools import chain

import pytest

from weft.checkpoint import LEASE_SECONDS, Checkpointer, Held
from weft.core.errors import FencedError
from weft.events import Event
from weft.testing.store_values import (
    ALICE,
    RUNS,
    ScriptedFaults,
    effect,
    ending,
    new_run,
    question,
    running,
    started,
    step,
    thread_of,
    timeless,
)

OWNERS_WRITES: dict[str, Callable[[Checkpointer, Held], Coroutine[object, object, object]]] = {
    "append": lambda them, held: them.runs.append(held, 1, [Event(type="agent.custom")]),
    "record_step": lambda them, held: them.runs.record_step(held, step("other")),
    "record_step again": lambda them, held: them.runs.record_step(held, step()),
    "finish": lambda them, held: them.runs.finish(held, ending()),
    "park": lambda them, held: them.runs.park(held, [question()], ()),
    "release": lambda them, held: them.runs.release(held),
    "intend": lambda them, held: them.effects.intend(held, effect("new")),
    "settle": lambda them, held: them.effects.doubt(held, "open", 1),
}


class OwnershipContract:
    """Claims, leases and fences."""

    @pytest.mark.requirement("RS-3")
    async def test_16_claimers_take_each_of_500_runs_once(self, checkpointer: Checkpointer) -> None:
        runs = checkpointer.runs
        news = [new_run() for _ in range(500)]
        await asyncio.gather(*[runs.accept(new, on_busy="reject") for new in news])

        async def claimer(name: str) -> list[str]:
            taken: list[str] = []
            while claimed := await runs.claim(name, RUNS, limit=5):
                # A lease that ended on a busy machine is another matter.
                taken += [claim.run.run_id for claim in claimed if claim.held.epoch == 1]
            return taken

        taken = await asyncio.gather(*[claimer(f"owner {n}") for n in range(16)])

        assert sorted(chain.from_iterable(taken)) == sorted(new.run_id for new in news)

    @pytest.mark.requirement("RS-5")
    async def test_a_lost_lease_hands_the_run_over_with_its_steps(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        await runs.record_step(held, step())

        faults.ahead_s = LEASE_SECONDS - 0.5
        assert await runs.claim("two", RUNS, limit=1) == []
        faults.ahead_s = LEASE_SECONDS + 0.5
        (taken,) = await runs.claim("two", RUNS, limit=1)

        assert taken.held.epoch == held.epoch + 1
        assert taken.run.owner == "two"
        assert taken.steps == {("collect",): {"text": "found"}}
        recovered, resumed = taken.events
        assert recovered.type == "run.recovered"
        assert recovered.data["previous_owner"] == "one"
        assert recovered.data["steps_done"] == 1
        assert (resumed.type, resumed.data["cause"]) == ("run.resumed", "recovered")

    async def test_renewing_keeps_the_run(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)

        for seconds in (2.0, 4.0, 6.0):
            faults.ahead_s = seconds
            assert (await runs.renew([held])).lost == frozenset()
            assert await runs.claim("two", RUNS, limit=1) == []

    @pytest.mark.requirement("RS-5")
    async def test_a_lease_that_the_clock_left_behind_has_ended(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        faults.ahead_s = 3600.0
        held = await running(checkpointer)

        faults.ahead_s = 0.0

        (taken,) = await checkpointer.runs.claim("two", RUNS, limit=1)
        assert taken.held.epoch == held.epoch + 1

    @pytest.mark.requirement("RS-6", "CKPT-9")
    @pytest.mark.parametrize("write", OWNERS_WRITES.values(), ids=OWNERS_WRITES.keys())
    async def test_a_stale_owner_writes_nothing(
        self,
        checkpointer: Checkpointer,
        faults: ScriptedFaults,
        write: Callable[[Checkpointer, Held], Coroutine[object, object, object]],
    ) -> None:
        held = await running(checkpointer)
        await checkpointer.runs.record_step(held, step())
        await checkpointer.effects.intend(held, effect("open"))
        faults.ahead_s = LEASE_SECONDS + 1
        await checkpointer.runs.claim("two", RUNS, limit=1)
        before = await _seen(checkpointer, held)

        with pytest.raises(FencedError):
            await write(checkpointer, held)

        assert await _seen(checkpointer, held) == before

    @pytest.mark.requirement("RS-6", "CKPT-9")
    async def test_a_stale_owner_adds_nothing_to_its_thread(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        claimed = await started(checkpointer)
        faults.ahead_s = LEASE_SECONDS + 1
        await checkpointer.runs.claim("two", RUNS, limit=1)
        key = thread_of(claimed.run)

        with pytest.raises(FencedError):
            await checkpointer.threads.append(key, [b"late"], expected=0, fence=claimed.held)

        assert await checkpointer.threads.load(key) is None

    @pytest.mark.requirement("RS-6")
    async def test_a_stale_renewal_is_told_so_and_extends_nothing(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        stale = await running(checkpointer)
        other = await running(checkpointer)
        faults.ahead_s = LEASE_SECONDS - 1
        await checkpointer.runs.renew([other])
        faults.ahead_s = LEASE_SECONDS + 1
        await checkpointer.runs.claim("two", RUNS, limit=1)

        renewal = await checkpointer.runs.renew([stale, other])

        assert renewal.lost == {stale.run_id}

    @pytest.mark.requirement("RS-7")
    async def test_a_released_run_is_claimable_at_once(self, checkpointer: Checkpointer) -> None:
        held = await running(checkpointer)

        await checkpointer.runs.release(held)

        (taken,) = await checkpointer.runs.claim("two", RUNS, limit=1)
        assert taken.held.epoch == held.epoch + 1
        assert [(it.type, it.data.get("cause")) for it in taken.events] == [
            ("run.resumed", "released")
        ]

    @pytest.mark.requirement("CKPT-9")
    async def test_a_run_claimed_by_its_id_is_the_only_one_taken(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        other = (await runs.accept(new_run(), on_busy="reject")).run
        first = (await runs.accept(new_run("t"), on_busy="enqueue")).run
        behind = (await runs.accept(new_run("t"), on_busy="enqueue")).run

        assert await runs.claim("two", RUNS, limit=5, run_id=behind.run_id) == []
        (taken,) = await runs.claim("two", RUNS, limit=5, run_id=first.run_id)
        assert taken.run.run_id == first.run_id
        assert await runs.claim("three", RUNS, limit=5, run_id=first.run_id) == []
        assert (await runs.read(ALICE, other.run_id)).status == "queued"
        faults.ahead_s = LEASE_SECONDS + 1
        (again,) = await runs.claim("three", RUNS, limit=5, run_id=first.run_id)
        assert (again.run.run_id, again.held.epoch) == (first.run_id, 2)
        await runs.finish(again.held, ending())
        assert await runs.claim("four", RUNS, limit=5, run_id=first.run_id) == []
        assert await runs.claim("four", RUNS, limit=5, run_id=new_run().run_id) == []

    async def test_a_run_that_keeps_losing_its_owners_is_poison(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        claims = 1
        for lost in range(1, 6):
            faults.ahead_s = lost * (LEASE_SECONDS + 1)
            claims += len(await runs.claim(f"owner {lost}", RUNS, limit=1))

        run = await runs.read(ALICE, held.run_id)
        assert claims == 5
        assert run.status == "failed"
        assert run.error is not None
        assert run.error["code"] == "poison"
        last = (await runs.events(ALICE, held.run_id))[-1]
        assert last.type == "run.failed"

    async def test_a_new_step_clears_what_was_lost_and_release_loses_nothing(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        for lost in range(1, 9):
            faults.ahead_s = lost * (LEASE_SECONDS + 1)
            (taken,) = await runs.claim("next", RUNS, limit=1)
            await runs.record_step(taken.held, step(f"step {lost}"))
            for _ in range(6):
                await runs.release(taken.held)
                (taken,) = await runs.claim("next", RUNS, limit=1)

        assert (await runs.read(ALICE, held.run_id)).status == "running"

    async def test_a_run_past_its_deadline_is_ended_by_whoever_would_claim_it(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        queued = new_run(timeout_s=10)
        await runs.accept(queued, on_busy="reject")
        owned = await running(checkpointer, new_run(timeout_s=10))
        stopped = await running(checkpointer, new_run(timeout_s=10))
        await runs.cancel(ALICE, stopped.run_id, reason="enough", grace_s=1)

        faults.ahead_s = 11.0

        assert await runs.claim("two", RUNS, limit=5) == []
        ends = {
            run_id: (await runs.read(ALICE, run_id)).status
            for run_id in (queued.run_id, owned.run_id, stopped.run_id)
        }
        assert list(ends.values()) == ["expired", "expired", "canceled"]
        causes = [(await runs.events(ALICE, it))[-1].data.get("cause") for it in ends]
        assert causes == ["queue", "deadline", None]
        with pytest.raises(FencedError):
            await runs.finish(owned, ending())

    @pytest.mark.requirement("RS-20")
    @pytest.mark.parametrize("hours", [1, -1])
    async def test_the_clock_of_the_process_decides_no_lease(
        self, checkpointer: Checkpointer, monkeypatch: pytest.MonkeyPatch, hours: int
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer, new_run(timeout_s=60))
        real = time.time

        monkeypatch.setattr(time, "time", lambda: real() + hours * 3600)

        assert await runs.claim("two", RUNS, limit=1) == []
        assert (await runs.renew([held])).lost == frozenset()
        run = await runs.read(ALICE, held.run_id)
        assert run.remaining_s is not None
        assert 50 < run.remaining_s <= 60


async def _seen(checkpointer: Checkpointer, held: Held) -> tuple[object, ...]:
    return (
        timeless(await checkpointer.runs.read(ALICE, held.run_id)),
        await checkpointer.runs.events(ALICE, held.run_id),
        await checkpointer.runs.steps(ALICE, held.run_id),
        await checkpointer.effects.find_effect("open"),
        await checkpointer.effects.find_effect("new"),
    )

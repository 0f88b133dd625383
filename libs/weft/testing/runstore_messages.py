"""What every run store promises about messages to a run, and about runs side by side."""

import pytest

from weft.checkpoint import Checkpointer, Held, Inbound, OnBusy, Received, entry_path
from weft.core import RunId
from weft.core.errors import (
    IdempotencyKeyReusedError,
    InputError,
    InterruptNotFoundError,
    NotFoundError,
    QueueFullError,
    RunNotInterruptedError,
    StoreUnavailableError,
)
from weft.testing.store_values import (
    ALICE,
    BOB,
    RUNS,
    ScriptedFaults,
    all_of,
    ending,
    new_run,
    question,
    running,
)

SAID = Inbound("message-1", "hash-1")


async def parked(checkpointer: Checkpointer, *ids: str, **changes: object) -> Held:
    """Return the claim of a run that waits for answers to questions of these ids."""
    held = await running(checkpointer)
    interrupts = [question(id=name).model_copy(update=changes) for name in ids]
    await checkpointer.runs.park(held, interrupts, ())
    return held


class MessageContract:
    """Each message to a run is taken once; runs of a thread stand side by side where they may."""

    @pytest.mark.requirement("A2A-84")
    async def test_a_message_again_changes_nothing_whatever_the_run_came_to(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await parked(checkpointer, "a")
        await runs.resume(ALICE, held.run_id, {"a": 1}, message=SAID)
        (taken,) = await runs.claim("two", RUNS, limit=1)
        await runs.park(taken.held, [question(id="b")], ())

        again = await runs.resume(ALICE, held.run_id, {"b": 1}, message=SAID)
        await runs.resume(ALICE, held.run_id, {"b": 2})
        (last,) = await runs.claim("two", RUNS, limit=1)
        await runs.finish(last.held, ending())
        after = await runs.resume(ALICE, held.run_id, {"c": 1}, message=SAID)

        assert [interrupt.id for interrupt in again.interrupts] == ["b"]
        assert after.status == "completed"
        steps = await runs.steps(ALICE, held.run_id)
        assert steps[("interrupt", "b")]["answer"] == 2
        received = await runs.received(ALICE, taken.run.operation, SAID.key)
        assert received == Received(held.run_id, SAID.body_hash)

    @pytest.mark.requirement("A2A-2")
    async def test_each_message_has_its_entry_in_the_order_in_which_they_came(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await parked(checkpointer, "a", "b")
        for name in ("a", "b"):
            said = Inbound(f"message-{name}", "hash", {"said": name})
            await runs.resume(ALICE, held.run_id, {name: 1}, message=said)
            await runs.resume(ALICE, held.run_id, {name: 1}, message=said)
        refused = Inbound("message-c", "hash", {"said": "c"})
        with pytest.raises(RunNotInterruptedError):
            await runs.resume(ALICE, held.run_id, {"c": 1}, message=refused)

        entries = [await runs.step(ALICE, held.run_id, entry_path(number)) for number in (1, 2, 3)]
        (claimed,) = await runs.claim("two", RUNS, limit=1)
        assert entries == [{"said": "a"}, {"said": "b"}, None]
        assert claimed.steps[entry_path(2)] == {"said": "b"}

    @pytest.mark.requirement("A2A-84")
    async def test_a_key_that_was_used_is_refused_for_anything_else(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held, other = await parked(checkpointer, "a"), await parked(checkpointer, "a")
        await runs.resume(ALICE, held.run_id, {"a": 1}, message=SAID)
        opening = new_run()
        await runs.accept(opening, on_busy="reject")

        with pytest.raises(IdempotencyKeyReusedError):
            await runs.resume(ALICE, held.run_id, {"a": 1}, message=Inbound(SAID.key, "another"))
        with pytest.raises(IdempotencyKeyReusedError):
            await runs.resume(ALICE, other.run_id, {"a": 1}, message=SAID)
        used = Inbound(opening.idem_key, "hash")
        with pytest.raises(IdempotencyKeyReusedError):
            await runs.resume(ALICE, other.run_id, {"a": 1}, message=used)
        with pytest.raises(IdempotencyKeyReusedError):
            await runs.accept(new_run(key=SAID.key), on_busy="reject")

    async def test_a_message_that_was_refused_was_not_received(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await parked(checkpointer, "a", options=("yes", "no"))
        operation = (await runs.read(ALICE, held.run_id)).operation

        with pytest.raises(InputError, match="'yes', 'no'"):
            await runs.resume(ALICE, held.run_id, {"a": "perhaps"}, message=SAID)
        with pytest.raises(InterruptNotFoundError):
            await runs.resume(ALICE, held.run_id, {"z": "yes"}, message=SAID)
        with pytest.raises(NotFoundError):
            await runs.resume(BOB, held.run_id, {"a": "yes"}, message=SAID)

        assert await runs.received(ALICE, operation, SAID.key) is None
        resumed = await runs.resume(ALICE, held.run_id, {"a": "no"}, message=SAID)
        assert resumed.status == "queued"

    @pytest.mark.requirement("A2A-84")
    async def test_of_20_equal_messages_at_once_one_is_taken(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await parked(checkpointer, "a")

        answers = await all_of(
            runs.resume(ALICE, held.run_id, {"a": 1}, message=SAID) for _ in range(20)
        )

        assert [answer for answer in answers if isinstance(answer, Exception)] == []
        assert len(await runs.steps(ALICE, held.run_id)) == 1

    @pytest.mark.requirement("RS-9")
    async def test_a_message_whose_acknowledgement_was_lost_is_sent_again(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        runs = checkpointer.runs
        held = await parked(checkpointer, "a")
        faults.lose_next_acknowledgement()

        with pytest.raises(StoreUnavailableError):
            await runs.resume(ALICE, held.run_id, {"a": 1}, message=SAID)
        again = await runs.resume(ALICE, held.run_id, {"a": 1}, message=SAID)

        assert again.status == "queued"

    async def test_keys_of_principals_and_operations_are_apart(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await parked(checkpointer, "a")
        operation = (await runs.read(ALICE, held.run_id)).operation
        await runs.resume(ALICE, held.run_id, {"a": 1}, message=SAID)

        assert await runs.received(BOB, operation, SAID.key) is None
        assert await runs.received(ALICE, "another", SAID.key) is None

    @pytest.mark.requirement("A2A-85")
    @pytest.mark.parametrize("on_busy", ["alongside", "overtake"])
    async def test_a_run_that_waits_for_a_person_stands_in_nobodys_way(
        self, checkpointer: Checkpointer, on_busy: OnBusy
    ) -> None:
        runs = checkpointer.runs
        waiting = await self._begun(checkpointer, on_busy)
        await runs.park(waiting, [question(id="q")], ())

        accepted = await runs.accept(new_run(thread_id="t"), on_busy=on_busy, owner="two")

        assert accepted.claimed is not None
        await runs.resume(ALICE, waiting.run_id, {"q": 1})
        (taken,) = await runs.claim("three", RUNS, limit=5)
        assert taken.run.run_id == waiting.run_id

    @pytest.mark.requirement("A2A-85")
    async def test_alongside_waits_for_none_and_none_waits_for_it(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        await self._begun(checkpointer, "enqueue")
        beside = [new_run(thread_id="t") for _ in range(20)]
        for new in beside:
            await runs.accept(new, on_busy="alongside")
        claimed = {claim.run.run_id for claim in await runs.claim("two", RUNS, limit=50)}
        assert claimed == {new.run_id for new in beside}

        queued = await runs.accept(new_run(thread_id="t"), on_busy="overtake")
        assert await runs.claim("two", RUNS, limit=5) == []
        assert await runs.claim("two", RUNS, limit=5, run_id=queued.run.run_id) == []

    async def test_what_overtakes_waits_for_those_at_work_and_its_queue_is_bounded(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        working = await self._begun(checkpointer, "overtake")
        queued = [new_run(thread_id="t") for _ in range(16)]
        for new in queued:
            await runs.accept(new, on_busy="overtake")

        with pytest.raises(QueueFullError):
            await runs.accept(new_run(thread_id="t"), on_busy="overtake")
        assert await runs.claim("two", RUNS, limit=5) == []
        await runs.finish(working, ending())
        (first,) = await runs.claim("two", RUNS, limit=5)
        assert first.run.run_id == queued[0].run_id

    async def _begun(self, checkpointer: Checkpointer, on_busy: OnBusy) -> Held:
        new = new_run(thread_id="t")
        accepted = await checkpointer.runs.accept(new, on_busy=on_busy, owner="one")
        assert accepted.claimed is not None
        return Held(RunId(new.run_id), 1)

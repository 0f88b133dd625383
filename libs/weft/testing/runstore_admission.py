"""What every run store promises about taking runs in, and about who may see them."""

from dataclasses import replace

import pytest

from weft.checkpoint import Checkpointer, Claimed, NewRun, ThreadKey
from weft.core import Authority, Budget, Deadline, Principal, RunId, TraceContext
from weft.core.errors import (
    IdempotencyKeyReusedError,
    InputError,
    NotFoundError,
    QueueFullError,
    ThreadBusyError,
    ThreadInterruptedError,
)
from weft.events import Event
from weft.testing.store_values import (
    ALICE,
    BOB,
    NAMESAKE,
    RUNS,
    all_of,
    ending,
    new_run,
    question,
    running,
    started,
)

HOSTILE = (
    "'; DROP TABLE runs; --",
    '"',
    "",
    "👩‍🚀 مرحبا",
    "caf\u00e9",
    "cafe\u0301",
    "\\u0000",
    "%s ? :x $1",
    "x" * (1 << 20),
)


class AdmissionContract:
    """Accepting, replaying, queueing, and keeping principals apart."""

    @pytest.mark.requirement("RS-1")
    async def test_one_key_accepted_200_times_at_once_makes_one_run(
        self, checkpointer: Checkpointer
    ) -> None:
        requests = [new_run("t", key="k") for _ in range(200)]

        answers = await all_of(
            checkpointer.runs.accept(new, on_busy="reject", owner="one") for new in requests
        )

        accepted = [answer for answer in answers if not isinstance(answer, Exception)]
        assert len(accepted) == 200
        assert len({answer.run.run_id for answer in accepted}) == 1
        assert sum(not answer.replayed for answer in accepted) == 1
        assert sum(answer.claimed is not None for answer in accepted) == 1

    @pytest.mark.requirement("A2A-65")
    async def test_a_run_keeps_the_authority_it_was_accepted_with(
        self, checkpointer: Checkpointer
    ) -> None:
        authority = Authority(
            ALICE,
            Budget(tokens=5, cost_usd=0.0),
            Deadline.after(60),
            act=("gateway", "router"),
            depth=2,
            trace=TraceContext.begun(),
            root_id="f" * 32,
        )
        new = replace(new_run(), authority=authority)

        claimed = await started(checkpointer, new)

        read = await checkpointer.runs.read(ALICE, new.run_id)
        events = await checkpointer.runs.events(ALICE, new.run_id)
        for run in (claimed.run, read):
            kept = run.authority()
            assert kept == run.authority()
            assert replace(kept, deadline=authority.deadline) == authority
            # The database's clock counts milliseconds.
            assert 50 < (kept.remaining() or 0) <= 60.002
        assert authority.trace is not None
        assert {read.trace_id, *(event.trace_id for event in events)} == {authority.trace.trace_id}

    @pytest.mark.requirement("RS-2")
    async def test_a_key_with_another_body_is_refused(self, checkpointer: Checkpointer) -> None:
        first = new_run("t", key="k")
        await checkpointer.runs.accept(first, on_busy="reject")
        other = replace(new_run("u", key="k"), body_hash="another")

        with pytest.raises(IdempotencyKeyReusedError):
            await checkpointer.runs.accept(other, on_busy="reject")

        stored = await checkpointer.runs.find(ALICE, "run", "k")
        assert stored is not None
        assert stored.run_id == first.run_id
        assert await checkpointer.runs.thread_runs(ThreadKey("acme", "alice", "u")) == ()

    async def test_a_key_belongs_to_its_operation_and_subject(
        self, checkpointer: Checkpointer
    ) -> None:
        news = [
            new_run("t", key="k"),
            replace(new_run("u", key="k"), operation="a2a.send"),
            new_run("t", key="k", principal=BOB),
            new_run("t", key="k", principal=NAMESAKE),
        ]

        accepted = [await checkpointer.runs.accept(new, on_busy="reject") for new in news]

        assert [answer.replayed for answer in accepted] == [False] * 4

    @pytest.mark.requirement("RS-4")
    async def test_of_50_racing_runs_of_a_thread_one_is_taken(
        self, checkpointer: Checkpointer
    ) -> None:
        answers = await all_of(
            checkpointer.runs.accept(new_run("t"), on_busy="reject") for _ in range(50)
        )

        refused = [answer for answer in answers if isinstance(answer, ThreadBusyError)]
        assert len(refused) == 49
        runs = await checkpointer.runs.thread_runs(ThreadKey("acme", "alice", "t"))
        assert {error.active_run_id for error in refused} == {runs[0].run_id}

    @pytest.mark.requirement("RS-4")
    async def test_queued_runs_of_a_thread_are_claimed_one_after_the_other(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        order = []
        for _ in range(4):
            accepted = await runs.accept(new_run("t"), on_busy="enqueue", owner=None)
            order.append(accepted.run.run_id)

        claimed: list[Claimed] = []
        for _ in range(4):
            (first,) = await runs.claim("one", RUNS, limit=10)
            assert await runs.claim("two", RUNS, limit=10) == []
            await runs.finish(first.held, ending())
            claimed.append(first)

        assert [claim.run.run_id for claim in claimed] == order

    async def test_a_run_that_must_wait_is_not_claimed_by_its_acceptor(
        self, checkpointer: Checkpointer
    ) -> None:
        await running(checkpointer, new_run("t"))

        waiting = await checkpointer.runs.accept(new_run("t"), on_busy="enqueue", owner="one")

        assert waiting.claimed is None
        assert waiting.run.status == "queued"

    async def test_a_seventeenth_waiting_run_is_refused(self, checkpointer: Checkpointer) -> None:
        await running(checkpointer, new_run("t"))
        for _ in range(16):
            await checkpointer.runs.accept(new_run("t"), on_busy="enqueue")

        with pytest.raises(QueueFullError):
            await checkpointer.runs.accept(new_run("t"), on_busy="enqueue")

    async def test_a_thread_that_waits_for_a_person_takes_no_run(
        self, checkpointer: Checkpointer
    ) -> None:
        held = await running(checkpointer, new_run("t"))
        await checkpointer.runs.park(held, [question()], ())

        for on_busy in ("reject", "enqueue"):
            with pytest.raises(ThreadInterruptedError):
                await checkpointer.runs.accept(new_run("t"), on_busy=on_busy)

    async def test_interrupting_cancels_what_lives_and_waits_for_it(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        first = await running(checkpointer, new_run("t"))
        queued = await runs.accept(new_run("t"), on_busy="enqueue")

        newest = await runs.accept(new_run("t"), on_busy="interrupt", owner="one")

        assert newest.claimed is None
        assert (await runs.read(ALICE, first.run_id)).status == "canceling"
        assert (await runs.read(ALICE, queued.run.run_id)).status == "canceled"
        await runs.finish(first, ending("canceled"))
        assert [it.run.run_id for it in await runs.claim("one", RUNS, limit=5)] == [
            newest.run.run_id
        ]

    async def test_rolling_back_is_refused_instead_of_half_done(
        self, checkpointer: Checkpointer
    ) -> None:
        with pytest.raises(InputError):
            await checkpointer.runs.accept(new_run("t"), on_busy="rollback")

    async def test_accept_tells_the_first_event_and_claims_with_the_second(
        self, checkpointer: Checkpointer
    ) -> None:
        new = new_run("t", timeout_s=60)

        accepted = await checkpointer.runs.accept(new, on_busy="reject", owner="one")

        assert [event.type for event in accepted.events] == ["run.accepted", "run.started"]
        stored = await checkpointer.runs.events(ALICE, new.run_id)
        assert stored == accepted.events
        assert [event.seq for event in stored] == [1, 2]
        assert accepted.run.request == {"prompt": "hello"}
        assert accepted.run.scopes == ALICE.scopes
        assert accepted.run.remaining_s is not None
        assert 59 < accepted.run.remaining_s <= 60

    @pytest.mark.requirement("RS-18", "CKPT-5")
    @pytest.mark.parametrize("other", [BOB, NAMESAKE], ids=["subject", "tenant"])
    async def test_another_principals_run_is_absent(
        self, checkpointer: Checkpointer, other: Principal
    ) -> None:
        runs = checkpointer.runs
        new = new_run("t", key="k")
        held = await running(checkpointer, new)
        await runs.park(held, [question(id="q")], ())
        absent = RunId("0" * 32)

        for run_id in (new.run_id, absent):
            calls = [
                runs.read(other, run_id),
                runs.events(other, run_id),
                runs.steps(other, run_id),
                runs.step(other, run_id, ()),
                runs.cancel(other, run_id, reason="mine", grace_s=1),
                runs.resume(other, run_id, {"q": True}),
            ]
            for call in calls:
                with pytest.raises(NotFoundError) as caught:
                    await call
                assert str(caught.value) == f"no such run: {run_id!r}"
        assert await runs.find(other, "run", "k") is None
        assert await runs.thread_runs(ThreadKey(other.tenant, other.subject, "t")) == ()
        assert (await runs.read(ALICE, new.run_id)).status == "interrupted"

    @pytest.mark.requirement("RS-21")
    @pytest.mark.parametrize("text", HOSTILE, ids=[ascii(text[:12]) for text in HOSTILE])
    async def test_hostile_text_is_data(self, checkpointer: Checkpointer, text: str) -> None:
        who = Principal(tenant=text, subject=text)
        new = new_run("t", principal=who, key=f"k{text}", request={text: [text]})
        new = replace(new, thread_id=text)
        held = (await started(checkpointer, new)).held
        event = Event(type="agent.custom", path=(text,), agent=text)

        await checkpointer.runs.append(held, 1, [event])

        run = await checkpointer.runs.read(who, new.run_id)
        assert (run.thread_id, run.request) == (text, {text: [text]})
        stored = await checkpointer.runs.find(who, "run", f"k{text}")
        assert stored is not None
        events = await checkpointer.runs.events(who, new.run_id, after=2)
        assert [(event.path, event.agent) for event in events] == [((text,), text)]

    @pytest.mark.requirement("RS-21", "CKPT-5")
    async def test_texts_that_only_look_alike_are_different_threads(
        self, checkpointer: Checkpointer
    ) -> None:
        for text in HOSTILE:
            await checkpointer.runs.accept(new_run_in(text), on_busy="reject")

        for text in HOSTILE:
            runs = await checkpointer.runs.thread_runs(ThreadKey("acme", "alice", text))
            assert [run.thread_id for run in runs] == [text]

    @pytest.mark.requirement("RS-21")
    @pytest.mark.parametrize("text", ["a\0b", "a\ud800b"], ids=["NUL", "surrogate"])
    async def test_text_that_not_every_database_keeps_is_refused(
        self, checkpointer: Checkpointer, text: str
    ) -> None:
        held = await running(checkpointer)
        refused = [
            checkpointer.runs.accept(new_run_in(text), on_busy="reject"),
            checkpointer.runs.accept(new_run(request={"deep": [text]}), on_busy="reject"),
            checkpointer.runs.accept(new_run(key=text), on_busy="reject"),
            checkpointer.runs.append(held, 1, [Event(type="agent.custom", path=(text,))]),
            checkpointer.runs.find(ALICE, "run", text),
            checkpointer.threads.load(ThreadKey("acme", "alice", text)),
        ]

        for call in refused:
            with pytest.raises(InputError):
                await call
        run = await checkpointer.runs.read(ALICE, held.run_id)
        assert run.last_seq == 2


def new_run_in(thread_id: str) -> NewRun:
    """Return a run of exactly this thread, the empty name included."""
    return replace(new_run(), thread_id=thread_id)

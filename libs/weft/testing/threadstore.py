"""What every thread store promises."""

from dataclasses import replace

import pytest

from weft.checkpoint import Checkpointer, EffectOutcome, Erasing, ThreadKey, Turn
from weft.core import Authority, RunId
from weft.core.errors import FencedError, NotFoundError, StaleThreadError, ThreadBusyError
from weft.events import AnyData, Event, Origin
from weft.testing.runstore_admission import HOSTILE, new_run_in
from weft.testing.store_values import (
    ALICE,
    RUNS,
    all_of,
    effect,
    ending,
    new_run,
    running,
    started,
    step,
    thread_of,
)

KEY = ThreadKey("acme", "alice", "t")


class ThreadStoreContract:
    """Subclass in a test module and override the `checkpointer` fixture."""

    @pytest.fixture
    def checkpointer(self) -> Checkpointer:
        raise NotImplementedError

    async def test_a_thread_without_history_is_none(self, checkpointer: Checkpointer) -> None:
        assert await checkpointer.threads.load(KEY) is None

    async def test_entries_come_back_as_they_were_in_order(
        self, checkpointer: Checkpointer
    ) -> None:
        held = await running(checkpointer, new_run("t"))
        entries = (b"", b"\0\xff binary", "é".encode(), b"x" * (1 << 20))

        version = await checkpointer.threads.append(KEY, entries[:1], expected=0, fence=held)
        version = await checkpointer.threads.append(KEY, entries[1:], expected=version, fence=held)

        thread = await checkpointer.threads.load(KEY)
        assert thread is not None
        assert (version, thread.version, thread.entries) == (4, 4, entries)
        assert 0 < thread.created_at <= thread.updated_at

    @pytest.mark.requirement("CKPT-1")
    async def test_a_stale_append_is_refused_and_stores_nothing(
        self, checkpointer: Checkpointer
    ) -> None:
        held = await running(checkpointer, new_run("t"))
        await checkpointer.threads.append(KEY, [b"kept"], expected=0, fence=held)

        for expected in (0, 2):
            with pytest.raises(StaleThreadError) as caught:
                await checkpointer.threads.append(KEY, [b"lost"], expected=expected, fence=held)
            assert (caught.value.expected, caught.value.actual) == (expected, 1)

        thread = await checkpointer.threads.load(KEY)
        assert thread is not None
        assert thread.entries == (b"kept",)

    @pytest.mark.requirement("CKPT-2")
    async def test_of_racing_appends_one_wins_whole(self, checkpointer: Checkpointer) -> None:
        held = await running(checkpointer, new_run("t"))
        turns = [[f"{n}a".encode(), f"{n}b".encode()] for n in range(20)]

        answers = await all_of(
            checkpointer.threads.append(KEY, turn, expected=0, fence=held) for turn in turns
        )

        assert [answer for answer in answers if not isinstance(answer, Exception)] == [2]
        thread = await checkpointer.threads.load(KEY)
        assert thread is not None
        assert list(thread.entries) in turns

    @pytest.mark.requirement("CKPT-2")
    async def test_a_repeated_append_counts_once_and_another_runs_does_not(
        self, checkpointer: Checkpointer
    ) -> None:
        first = await running(checkpointer, new_run("t"))
        other = await running(checkpointer, new_run("u"))
        await checkpointer.threads.append(KEY, [b"same"], expected=0, fence=first)

        assert await checkpointer.threads.append(KEY, [b"same"], expected=0, fence=first) == 1
        with pytest.raises(StaleThreadError):
            await checkpointer.threads.append(KEY, [b"same"], expected=0, fence=other)

    @pytest.mark.requirement("CKPT-5")
    async def test_principals_and_lookalike_names_share_nothing(
        self, checkpointer: Checkpointer
    ) -> None:
        for text in HOSTILE:
            claimed = await started(checkpointer, new_run_in(text))
            key = thread_of(claimed.run)
            body = [text.encode()[:20]]
            await checkpointer.threads.append(key, body, expected=0, fence=claimed.held)

        for text in HOSTILE:
            mine = await checkpointer.threads.load(ThreadKey("acme", "alice", text))
            assert mine is not None
            assert mine.entries == (text.encode()[:20],)
            for tenant, subject in (("acme", "bob"), ("other", "alice")):
                assert await checkpointer.threads.load(ThreadKey(tenant, subject, text)) is None

    @pytest.mark.requirement("CKPT-1")
    async def test_entries_are_any_bytes_and_come_back_as_they_were(
        self, checkpointer: Checkpointer
    ) -> None:
        fence = await running(checkpointer)
        entries = (
            b"",
            b"x",
            b"x\x01\x9c",
            b"\xff\x00",
            b'{"a":"x"}',
            b"x" * 10_000,
            b"long " * 9_999,
        )

        await checkpointer.threads.append(KEY, entries, expected=0, fence=fence)

        thread = await checkpointer.threads.load(KEY)
        assert thread is not None
        assert thread.entries == entries

    @pytest.mark.requirement("GW-6")
    async def test_a_deleted_run_is_kept_in_mind_until_its_peers_are_rid_of_it(
        self, checkpointer: Checkpointer
    ) -> None:
        held = await running(checkpointer, new_run("t"))
        peers = [Event(type="plan.step.started", data=AnyData.model_validate({"peer": name}))
                 for name in ("logs", "bank", "logs", None)]  # fmt: skip
        named = AnyData.model_validate({"peer": "called by a peer"})
        adopted = Event(type="plan.step.started", data=named).under(
            ("logs",), origin=Origin(run_id="another", seq=1)
        )
        await checkpointer.runs.append(held, 1, [*peers, adopted])
        await checkpointer.runs.finish(held, ending())
        other = await running(checkpointer, new_run("u"))
        await checkpointer.runs.append(other, 1, peers[1:2])
        threads = checkpointer.threads
        assert await threads.erasing(limit=10) == ()

        await threads.delete(KEY)
        await threads.delete(ThreadKey("acme", "alice", "u"), cancel=True)

        mine = Erasing(held.run_id, "acme", "alice", ("bank", "logs"))
        going_on = await threads.erasing(ThreadKey("acme", "alice", "u"), limit=10)
        assert [erasing.over for erasing in going_on] == [False]
        # What it comes to is nothing to keep; whom it called still is.
        await checkpointer.runs.finish(other, ending("canceled"))
        theirs = Erasing(other.run_id, "acme", "alice", ("bank",))
        assert await threads.erasing(limit=10) == (mine, theirs)
        assert await threads.erasing(limit=1) == (mine,)
        [first] = await threads.erasing(limit=1)
        [second] = await threads.erasing(limit=1, after=first.position)
        assert (first, second) == (mine, theirs)
        assert await threads.erasing(limit=1, after=second.position) == ()
        assert await threads.erasing(KEY, limit=10) == (mine,)
        await threads.erased([held.run_id, RunId("absent")])
        assert await threads.erasing(limit=10) == (theirs,)

    @pytest.mark.requirement("GW-6")
    async def test_work_is_found_by_the_run_it_is_for_and_only_by_its_owner(
        self, checkpointer: Checkpointer
    ) -> None:
        for thread, root in (("t", "r1"), ("u", "r1"), ("t", "r1"), ("v", "r2")):
            new = replace(new_run(thread), authority=Authority(ALICE, root_id=root))
            await checkpointer.runs.finish((await started(checkpointer, new)).held, ending())

        rooted = checkpointer.threads.rooted
        keys = {ThreadKey("acme", "alice", thread) for thread in "tu"}
        assert set(await rooted(ALICE, ["r1", "absent"])) == keys
        assert len(await rooted(ALICE, ["r1", "r2"])) == 3
        for change in ({"subject": "bob"}, {"tenant": "other"}):
            assert await rooted(ALICE.model_copy(update=change), ["r1", "r2"]) == ()

    @pytest.mark.requirement("CKPT-5")
    async def test_a_run_writes_into_no_thread_of_another_principal(
        self, checkpointer: Checkpointer
    ) -> None:
        held = await running(checkpointer)
        theirs = ThreadKey("other", "alice", "t")

        with pytest.raises(FencedError):
            await checkpointer.threads.append(theirs, [b"x"], expected=0, fence=held)

        assert await checkpointer.threads.load(theirs) is None

    @pytest.mark.requirement("CKPT-8")
    async def test_deleting_leaves_neither_words_nor_traces_but_effect_keys(
        self, checkpointer: Checkpointer
    ) -> None:
        held = await running(checkpointer, new_run("t", key="k"))
        await checkpointer.threads.append(KEY, [b"secret"], expected=0, fence=held)
        await checkpointer.effects.intend(held, effect("e"))
        await checkpointer.effects.settle(held, "e", 1, EffectOutcome("done", "secret"))
        await checkpointer.runs.finish(held, ending())

        assert await checkpointer.threads.delete(KEY)
        assert not await checkpointer.threads.delete(KEY)

        assert await checkpointer.threads.load(KEY) is None
        assert await checkpointer.runs.thread_runs(KEY) == ()
        for absent in (checkpointer.runs.read, checkpointer.runs.events, checkpointer.runs.steps):
            with pytest.raises(NotFoundError):
                await absent(ALICE, held.run_id)
        late = await checkpointer.effects.intend(await running(checkpointer), effect("e"))
        assert late.state == "settled"
        assert late.outcome == EffectOutcome("done", None)

    @pytest.mark.requirement("CKPT-8")
    async def test_a_thread_can_begin_anew_after_its_deletion(
        self, checkpointer: Checkpointer
    ) -> None:
        held = await running(checkpointer, new_run("t"))
        await checkpointer.threads.append(KEY, [b"old"], expected=0, fence=held)
        await checkpointer.runs.finish(held, ending())
        await checkpointer.threads.delete(KEY)

        fresh = await running(checkpointer, new_run("t"))
        version = await checkpointer.threads.append(KEY, [b"new"], expected=0, fence=fresh)

        assert version == 1

    async def test_a_thread_with_a_living_run_is_deleted_only_with_it(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer, new_run("t"))
        waiting = await runs.accept(new_run("t"), on_busy="enqueue")
        await checkpointer.threads.append(KEY, [b"old"], expected=0, fence=held)
        with pytest.raises(ThreadBusyError):
            await checkpointer.threads.delete(KEY)

        assert await checkpointer.threads.delete(KEY, cancel=True)

        assert held.run_id in (await runs.renew([held])).canceling
        with pytest.raises(FencedError):
            await checkpointer.threads.append(KEY, [b"late"], expected=0, fence=held)
        last = ending("canceled")
        turn = Turn(KEY, (b"late",), 0)
        envelopes = await runs.finish(
            held, type(last)("canceled", {}, turn=turn, events=last.events)
        )
        assert [event.type for event in envelopes] == ["thread.deleted", "run.canceled"]
        assert await checkpointer.threads.load(KEY) is None
        assert await runs.thread_runs(KEY) == ()
        assert await runs.claim("two", RUNS, limit=5) == []
        with pytest.raises(NotFoundError):
            await runs.read(ALICE, waiting.run.run_id)

    @pytest.mark.requirement("GW-6", "CKPT-8")
    async def test_what_a_deleted_run_still_writes_is_kept_nowhere(
        self, checkpointer: Checkpointer
    ) -> None:
        held = await running(checkpointer, new_run("t"))
        await checkpointer.effects.intend(held, effect("e"))
        assert await checkpointer.threads.delete(KEY, cancel=True)

        recorded = await checkpointer.runs.record_step(held, step("late", "secret"))
        for _ in range(2):
            await checkpointer.effects.settle(held, "e", 1, EffectOutcome("done", "secret"))
        stored = await checkpointer.effects.find_effect("e")
        await checkpointer.runs.release(held)
        (claimed,) = await checkpointer.runs.claim("two", RUNS, limit=5)
        await checkpointer.runs.finish(claimed.held, ending("canceled", step("last", "secret")))

        assert recorded.outcome == {"text": "secret"}
        assert stored is not None
        assert stored.outcome == EffectOutcome("done", None)
        assert claimed.steps == {}
        assert await checkpointer.threads.erasing(KEY, limit=5) == (
            Erasing(held.run_id, "acme", "alice", ()),
        )

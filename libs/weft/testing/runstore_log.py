"""What every run store promises about events, steps and ends."""

import asyncio
import hashlib
from itertools import chain

import pytest

from weft.checkpoint import Checkpointer, Ending, Held, LogState, StepWrite, Turn
from weft.core import JsonObject, Message, dumps
from weft.core.errors import (
    BatchGapError,
    CanceledError,
    FencedError,
    InputError,
    StaleThreadError,
    WeftError,
)
from weft.events import (
    AnyData,
    Completion,
    Event,
    Origin,
    Output,
    RunCanceled,
    RunCompleted,
    preview,
)
from weft.testing.store_values import (
    ALICE,
    RUNS,
    STEP,
    ScriptedFaults,
    all_of,
    ending,
    new_run,
    running,
    started,
    step,
    thread_of,
)


class LogContract:
    """Numbers without gaps, outcomes written once, one end."""

    async def test_how_far_the_logs_of_many_runs_are_is_one_question(
        self, checkpointer: Checkpointer
    ) -> None:
        held = [await running(checkpointer) for _ in range(3)]
        await checkpointer.runs.append(held[1], 1, [Event(type="agent.custom")] * 2)
        ids = [*(claim.run_id for claim in held), new_run().run_id]

        await checkpointer.runs.finish(held[2], ending())
        states = [LogState(2, settled=False), LogState(4, settled=False), LogState(3, settled=True)]
        assert await checkpointer.runs.log_states(ids) == dict(zip(ids, states, strict=False))
        assert await checkpointer.runs.log_states([]) == {}

    @pytest.mark.requirement("RS-11", "EV-11")
    async def test_eight_racing_writers_share_dense_numbers(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)

        async def writer(name: str) -> list[int]:
            numbers: list[int] = []
            for n in range(10):
                write = StepWrite((name, str(n)), {}, (STEP,) * (n % 3))
                numbers += [event.seq for event in (await runs.record_step(held, write)).events]
            return numbers

        by_writer = await asyncio.gather(*[writer(f"w{n}") for n in range(8)])

        events = await runs.events(ALICE, held.run_id)
        assert [event.seq for event in events] == list(range(1, len(events) + 1))
        assert sorted(chain.from_iterable(by_writer)) == [event.seq for event in events[2:]]

    async def test_what_was_appended_is_what_is_read(self, checkpointer: Checkpointer) -> None:
        held = await running(checkpointer)
        event = Event(
            type="agent.custom",
            path=("collect", "metrics"),
            agent="metrics",
            span_id="ab" * 8,
            origin=Origin(run_id="cd" * 16, seq=9),
            data=AnyData.model_validate({"deep": {"list": [1, 2.5, None, True, "é"]}}),
        )

        envelopes = await checkpointer.runs.append(held, 1, [event])

        stored = await checkpointer.runs.events(ALICE, held.run_id, after=2)
        assert stored == envelopes
        assert stored[0].event() == event
        assert (stored[0].tenant, stored[0].v) == ("acme", 1)

    async def test_events_come_in_pages(self, checkpointer: Checkpointer) -> None:
        held = await running(checkpointer)
        await checkpointer.runs.append(held, 1, [Event(type="agent.custom")] * 10)

        page = await checkpointer.runs.events(ALICE, held.run_id, after=3, limit=4)

        assert [event.seq for event in page] == [4, 5, 6, 7]

    @pytest.mark.requirement("RS-12")
    async def test_a_batch_counts_once_and_none_is_skipped(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        first = await runs.append(held, 1, [Event(type="agent.custom")])

        assert await runs.append(held, 1, [Event(type="agent.custom")]) == ()
        with pytest.raises(BatchGapError) as caught:
            await runs.append(held, 3, [Event(type="agent.custom")])

        assert (caught.value.expected, caught.value.actual) == (2, 3)
        assert await runs.events(ALICE, held.run_id, after=2) == first

    async def test_an_epoch_counts_its_batches_from_one(self, checkpointer: Checkpointer) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        await runs.append(held, 1, [Event(type="agent.custom")])
        await runs.release(held)
        (taken,) = await runs.claim("two", RUNS, limit=1)

        envelopes = await runs.append(taken.held, 1, [Event(type="agent.custom")])

        assert len(envelopes) == 1

    @pytest.mark.requirement("EV-14")
    async def test_times_never_decrease_along_the_numbers(
        self, checkpointer: Checkpointer, faults: ScriptedFaults
    ) -> None:
        faults.ahead_s = 2.0
        held = await running(checkpointer)
        faults.ahead_s = 0.0

        await checkpointer.runs.append(held, 1, [Event(type="agent.custom")])
        await checkpointer.runs.record_step(held, step())
        await checkpointer.runs.finish(held, ending())

        times = [event.ts for event in await checkpointer.runs.events(ALICE, held.run_id)]
        assert times == sorted(times)

    @pytest.mark.requirement("RS-8")
    async def test_of_two_outcomes_the_first_is_adopted_and_told_once(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)

        first = await runs.record_step(held, step(text="first"))
        second = await runs.record_step(held, step(text="second"))

        assert (first.outcome, len(first.events)) == ({"text": "first"}, 1)
        assert (second.outcome, second.events) == ({"text": "first"}, ())
        assert await runs.steps(ALICE, held.run_id) == {("collect",): {"text": "first"}}
        events = await runs.events(ALICE, held.run_id)
        assert [event.type for event in events].count("plan.step.finished") == 1

    async def test_one_step_can_be_read_alone(self, checkpointer: Checkpointer) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        await runs.record_step(held, step(text="first"))

        assert await runs.step(ALICE, held.run_id, ("collect",)) == {"text": "first"}
        assert await runs.step(ALICE, held.run_id, ()) is None

    async def test_paths_that_join_alike_are_different_steps(
        self, checkpointer: Checkpointer
    ) -> None:
        held = await running(checkpointer)
        paths = [("a", "b"), ("a.b",), ("a,b",), ("a/b",), ("a", "b", ""), ()]
        for path in paths:
            await checkpointer.runs.record_step(held, StepWrite(path, {"at": list(path)}))

        steps = await checkpointer.runs.steps(ALICE, held.run_id)

        assert steps == {path: {"at": list(path)} for path in paths}

    @pytest.mark.requirement("EV-15")
    async def test_an_event_is_at_most_64_kib_and_says_what_was_left_out(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        long = "é" * 40_000
        output = Output(text=long, data={"kept": 1})
        last = RunCompleted(data=Completion(output=output, output_preview="short"))
        result: JsonObject = {"status": "completed", "text": long}

        (envelope,) = await runs.finish(held, Ending("completed", result, events=(last,)))

        assert len(dumps(envelope.data)) <= 65_536
        text = dumps(long)
        shown = envelope.data["output"]
        assert isinstance(shown, dict)
        assert shown["data"] == {"kept": 1}
        assert shown["text"] == {
            "$omitted": True,
            "size": len(text),
            "sha256": hashlib.sha256(text).hexdigest(),
            "preview": preview(long),
        }
        assert envelope.data["output_preview"] == "short"
        assert (await runs.events(ALICE, held.run_id))[-1] == envelope
        assert (await runs.read(ALICE, held.run_id)).result == result

    @pytest.mark.requirement("EV-15")
    @pytest.mark.parametrize("members", [3, 70, 5_000])
    async def test_many_large_members_are_bounded_together(
        self, checkpointer: Checkpointer, members: int
    ) -> None:
        held = await running(checkpointer)
        data = AnyData.model_validate({f"m{n}": "x" * (200_000 // members) for n in range(members)})

        (envelope,) = await checkpointer.runs.append(
            held, 1, [Event(type="agent.custom", data=data)]
        )

        assert len(dumps(envelope.data)) <= 65_536
        assert "$omitted" in dumps(envelope.data).decode()

    @pytest.mark.requirement("RS-13", "EV-12")
    async def test_nothing_follows_the_end(self, checkpointer: Checkpointer) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        await runs.finish(held, ending())

        late = [
            runs.append(held, 1, [Event(type="agent.custom")]),
            runs.record_step(held, step()),
            runs.park(held, [], ()),
            runs.release(held),
        ]
        for call in late:
            with pytest.raises(FencedError):
                await call
        assert (await runs.renew([held])).lost == {held.run_id}
        assert (await runs.cancel(ALICE, held.run_id, reason="late", grace_s=1)).terminal

        events = await runs.events(ALICE, held.run_id)
        assert [event.type for event in events] == ["run.accepted", "run.started", "run.completed"]
        assert await runs.steps(ALICE, held.run_id) == {}

    @pytest.mark.requirement("EV-12")
    async def test_only_an_ending_ends_a_run(self, checkpointer: Checkpointer) -> None:
        runs = checkpointer.runs
        held = await running(checkpointer)
        (last,) = ending().events
        refused = [
            runs.append(held, 1, [last]),
            runs.record_step(held, StepWrite(("s",), {}, (last,))),
            runs.park(held, [], [last]),
        ]
        endings = [
            Ending("completed", {}),
            Ending("failed", {}, events=(last,)),
            Ending("completed", {}, events=(last, last)),
        ]

        for call in (*refused, *[runs.finish(held, wrong) for wrong in endings]):
            with pytest.raises(InputError):
                await call
        assert (await runs.read(ALICE, held.run_id)).last_seq == 2

    async def test_the_end_keeps_last_step_turn_and_result_together(
        self, checkpointer: Checkpointer
    ) -> None:
        claimed = await started(checkpointer)
        held, key = claimed.held, thread_of(claimed.run)
        entry = Message.assistant("done").model_dump_json().encode()
        last = ending("completed", step())
        last = Ending(
            last.status, last.result, None, last.steps, Turn(key, (entry,), 0), last.events
        )

        envelopes = await checkpointer.runs.finish(held, last)

        assert [event.type for event in envelopes] == ["plan.step.finished", "run.completed"]
        run = await checkpointer.runs.read(ALICE, held.run_id)
        assert (run.status, run.owner, run.result) == ("completed", None, last.result)
        assert await checkpointer.runs.steps(ALICE, held.run_id) == {
            ("collect",): {"text": "found"}
        }
        thread = await checkpointer.threads.load(key)
        assert thread is not None
        assert (thread.version, thread.entries) == (1, (entry,))

    @pytest.mark.parametrize("what", ["step", "turn"])
    async def test_an_end_that_rests_on_something_else_is_refused_whole(
        self, checkpointer: Checkpointer, what: str
    ) -> None:
        claimed = await started(checkpointer)
        held, key = claimed.held, thread_of(claimed.run)
        await checkpointer.runs.record_step(held, step("one", "stored"))
        await checkpointer.threads.append(key, [b"stored"], expected=0, fence=held)
        text = "other" if what == "step" else "stored"
        expected = 5 if what == "turn" else 1
        whole = ending("completed", step("new"), step("one", text))
        wrong = Ending(
            "completed", {}, None, whole.steps, Turn(key, (b"x",), expected), whole.events
        )

        with pytest.raises(WeftError) as caught:
            await checkpointer.runs.finish(held, wrong)

        assert caught.type is (FencedError if what == "step" else StaleThreadError)
        run = await checkpointer.runs.read(ALICE, held.run_id)
        assert (run.status, run.last_seq) == ("running", 3)
        assert list(await checkpointer.runs.steps(ALICE, held.run_id)) == [("one",)]
        thread = await checkpointer.threads.load(key)
        assert thread is not None
        assert thread.version == 1

    @pytest.mark.requirement("RS-14", "EV-12")
    async def test_cancel_and_finish_race_to_one_end(self, checkpointer: Checkpointer) -> None:
        runs = checkpointer.runs

        async def race(turn: int) -> list[str]:
            held = await running(checkpointer)
            calls = [
                runs.cancel(ALICE, held.run_id, reason="enough", grace_s=1),
                _finish_either_way(checkpointer, held),
            ]
            await all_of(calls if turn % 2 else reversed(calls))
            return [event.type for event in await runs.events(ALICE, held.run_id)][2:]

        logs = []
        for group in range(20):
            logs += await asyncio.gather(*[race(group * 50 + n) for n in range(50)])

        finished, canceled = ["run.completed"], ["run.canceling", "run.canceled"]
        assert len(logs) == 1000
        assert all(log in (finished, canceled) for log in logs)
        assert finished in logs
        assert canceled in logs


async def _finish_either_way(checkpointer: Checkpointer, held: Held) -> None:
    try:
        await checkpointer.runs.finish(held, ending())
    except CanceledError:
        await checkpointer.runs.finish(held, Ending("canceled", {}, events=(_canceled(),)))


def _canceled() -> Event:
    (event,) = ending("canceled").events
    assert isinstance(event, RunCanceled)
    return event

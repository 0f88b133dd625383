"""Content once: what stands in a run's steps is read whole in its result and in its last event."""

from dataclasses import replace

import pytest

from weft.checkpoint import Checkpointer, Ending, StepWrite
from weft.core import JsonObject, JsonValue, Result, dumps
from weft.events import Completion, Output, RunCompleted
from weft.testing.store_values import ALICE, ending, new_run, started, thread_of


def _found(lines: int = 40) -> JsonObject:
    """Return what a tool may have found, a few kilobytes of it."""
    findings: list[JsonValue] = [
        {"line": f"{at}: " + f"{at * 7919:x} " * 40, "count": at} for at in range(lines)
    ]
    return {"findings": findings, "$step": ["collect"], "rest": {}, "shared": [[[], [], []]]}


def _quoting(quoted: JsonObject, *, text: str = "it was the database " * 40) -> Ending:
    """Return the end of a run that quotes `found` in its result, and that in its last event."""
    findings = quoted["findings"]
    assert isinstance(findings, list)
    data: JsonObject = {"quoted": [findings[1], findings[3], findings[1]], "whole": quoted}
    result = Result(status="completed", text=text, data=data).to_json()
    completion = Completion(output=Output(text=text, data=data), output_preview="it was")
    return Ending("completed", result, events=(RunCompleted(data=completion),))


class ContentContract:
    """What a result quotes may be kept in one place only; nobody who reads it can tell."""

    @pytest.mark.parametrize("recorded", [True, False])
    async def test_a_result_that_quotes_its_steps_is_read_as_it_was_written(
        self, checkpointer: Checkpointer, *, recorded: bool
    ) -> None:
        runs, new = checkpointer.runs, new_run(key="once")
        claimed = await started(checkpointer, new)
        held, quoted = claimed.held, _found()
        steps = (StepWrite(("collect",), {"results": [quoted]}), StepWrite((), {"plan": "p"}))
        written = _quoting(quoted)
        if recorded:
            for step in steps:
                await runs.record_step(held, step)
            end = replace(written, recorded={step.path: step.outcome for step in steps})
        else:
            end = replace(written, steps=steps)

        (last,) = await runs.finish(held, end)

        again = await runs.accept(new, on_busy="reject")
        (listed,) = await runs.thread_runs(thread_of(again.run))
        read = [
            again.run,
            listed,
            await runs.read(ALICE, held.run_id),
            await runs.find(ALICE, "run", "once"),
            await runs.cancel(ALICE, held.run_id, reason="late", grace_s=1),
        ]
        assert [run and run.result for run in read] == [written.result] * 5
        answer = Result.model_validate(written.result)
        assert last.data["output"] == {"text": answer.text, "data": answer.data}
        assert (await runs.events(ALICE, held.run_id))[-1] == last
        assert await runs.finish(held, end) == ()

    @pytest.mark.requirement("EV-15")
    async def test_an_output_that_is_cut_to_64_kib_is_read_cut_alike(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = (await started(checkpointer)).held
        quoted = _found(lines=400)

        (last,) = await runs.finish(held, _quoting(quoted))

        assert len(dumps(last.data)) <= 65_536
        assert "$omitted" in dumps(last.data).decode()
        assert (await runs.events(ALICE, held.run_id))[-1] == last

    async def test_a_result_that_looks_like_kept_names_is_read_as_it_is(
        self, checkpointer: Checkpointer
    ) -> None:
        runs = checkpointer.runs
        held = (await started(checkpointer)).held
        odd: JsonObject = {"rest": {"status": "completed"}, "shared": [[["status"], [], []]]}

        await runs.finish(held, replace(ending(), result=odd))

        assert (await runs.read(ALICE, held.run_id)).result == odd

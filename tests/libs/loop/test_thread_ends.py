"""However a lone agent's run ends, its row says so, and its thread is free."""

import asyncio
from dataclasses import replace

import anyio
import pytest

from weft.checkpoint import Checkpointer, ThreadKey, Turn, memory_checkpointer
from weft.core import LOCAL, RunId
from weft.core.errors import CanceledError, InputError, RunFailedError, StaleThreadError, WeftError
from weft.loop import Agent, AgentResult
from weft.models import ModelRequest
from weft.runs import AGENT_RUN
from weft.testing.models import FunctionModel, ScriptedModel
from weft.testing.store_values import ScriptedFaults, ending, new_run

RUN = RunId("d" * 32)
KEY = ThreadKey(LOCAL.tenant, LOCAL.subject, "t")


@pytest.fixture(autouse=True)
def _no_renewals(monkeypatch: pytest.MonkeyPatch) -> None:
    # What happens in the store meanwhile is met by the run's last write first.
    monkeypatch.setattr("weft.runs.lease.RENEW_SECONDS", 60)


async def cancel(store: Checkpointer) -> None:
    await store.runs.cancel(LOCAL, RUN, reason="enough", grace_s=1)


async def overtake(store: Checkpointer) -> None:
    """Let another run of the thread end first, with a turn of its own."""
    new = new_run("t", principal=LOCAL)
    accepted = await store.runs.accept(new, on_busy="alongside", owner="another")
    assert accepted.claimed is not None
    turn = Turn(KEY, (b'{"role":"user","content":"quick"}',), expected=0)
    await store.runs.finish(accepted.claimed.held, replace(ending(), turn=turn))


@pytest.mark.parametrize(
    ("interfere", "error", "status"),
    [(cancel, CanceledError, "canceled"), (overtake, StaleThreadError, "failed")],
)
async def test_a_run_whose_end_is_refused_gets_the_one_it_may_have(
    interfere: object, error: type[WeftError], status: str
) -> None:
    store = memory_checkpointer()

    async def reply(_: ModelRequest) -> str:
        await interfere(store)  # type: ignore[operator]
        return "done"

    with anyio.fail_after(5), pytest.raises(error):
        await Agent(FunctionModel(reply), checkpointer=store).arun("go", thread_id="t", run_id=RUN)
    run = await store.runs.read(LOCAL, RUN)
    later = await Agent(ScriptedModel(["free"]), checkpointer=store).arun("next", thread_id="t")

    assert run.status == status
    assert later.text == "free"


async def hung(store: Checkpointer) -> "asyncio.Future[AgentResult]":
    """Return a run whose model does not answer, once it was asked."""
    begun = asyncio.Event()

    async def hang(_: ModelRequest) -> str:
        begun.set()
        await anyio.sleep_forever()
        return ""

    agent = Agent(FunctionModel(hang), checkpointer=store)
    run = asyncio.ensure_future(agent.arun("go", thread_id="t", run_id=RUN))
    with anyio.fail_after(5):
        await begun.wait()
    return run


async def test_a_run_that_was_to_end_does_nothing_more_when_it_is_taken_over() -> None:
    faults = ScriptedFaults()
    store = memory_checkpointer(faults=faults)
    dead = await hung(store)
    await cancel(store)
    faults.ahead_s = 4
    model = ScriptedModel(["again"])

    with anyio.fail_after(5):
        result = await Agent(model, checkpointer=store).resume(run_id=RUN)
    dead.cancel()
    await asyncio.gather(dead, return_exceptions=True)

    assert result.stop_reason == "canceled"
    assert model.requests == []
    assert (await store.runs.read(LOCAL, RUN)).status == "canceled"


@pytest.mark.parametrize("seconds", [0.0, 0.05])
async def test_a_run_out_of_time_is_expired(seconds: float) -> None:
    store = memory_checkpointer()

    async def hang(_: ModelRequest) -> str:
        await anyio.sleep_forever()
        return ""

    with anyio.fail_after(5):
        result = await Agent(FunctionModel(hang), checkpointer=store).arun(
            "go", thread_id="t", run_id=RUN, deadline=seconds
        )
    run = await store.runs.read(LOCAL, RUN)
    events = await store.runs.events(LOCAL, RUN)

    assert result.stop_reason == "deadline"
    assert run.status == "expired"
    assert [event.type for event in events][-1] == "run.expired"


async def test_a_run_that_failed_says_in_its_log_what_its_row_says() -> None:
    store = memory_checkpointer()

    with pytest.raises(RunFailedError):
        await Agent(ScriptedModel([RuntimeError("x")]), checkpointer=store).arun(
            "go", thread_id="t", run_id=RUN
        )
    run = await store.runs.read(LOCAL, RUN)
    last = (await store.runs.events(LOCAL, RUN))[-1]

    assert run.error is not None
    assert isinstance(error := last.data["error"], dict)
    assert (last.type, error["code"]) == ("run.failed", run.error["code"])


async def test_a_run_that_the_mesh_was_asked_for_is_not_resumed_by_a_lone_agent() -> None:
    store = memory_checkpointer()
    accepted = await store.runs.accept(new_run("t", principal=LOCAL), on_busy="reject", owner=None)

    with anyio.fail_after(2), pytest.raises(InputError):
        await Agent(ScriptedModel(["x"]), checkpointer=store).resume(run_id=accepted.run.run_id)

    assert (await store.runs.read(LOCAL, accepted.run.run_id)).status == "queued"


async def test_a_caller_that_is_cancelled_hears_of_nothing_else() -> None:
    faults = ScriptedFaults()
    store = memory_checkpointer(faults=faults)
    run = await hung(store)
    faults.ahead_s = 4
    (taken,) = await store.runs.claim("another", (AGENT_RUN,), limit=1)
    run.cancel()

    with anyio.fail_after(5), pytest.raises(asyncio.CancelledError):
        await run
    assert (await store.runs.read(LOCAL, RUN)).epoch == taken.held.epoch

"""Old runs go by themselves, whoever looks after them."""

import logging

import anyio
import anyio.lowlevel
import pytest

from weft.checkpoint import memory_checkpointer
from weft.core.supervision import kept_going
from weft.runs import Pruner, pruning
from weft.testing import ScriptedFaults
from weft.testing.store_values import ALICE, ending, running

DAY = 86_400.0


@pytest.mark.requirement("RS-24")
async def test_everything_old_goes_in_small_bites_and_the_rest_stays() -> None:
    faults = ScriptedFaults()
    store = memory_checkpointer(faults=faults)
    for _ in range(pruning.TOGETHER * 2 + 3):
        await store.runs.finish(await running(store), ending())
    faults.ahead_s = 20 * DAY
    young = await running(store)
    await store.runs.finish(young, ending())
    faults.ahead_s = 31 * DAY

    pruned = await Pruner(store).sweep()

    assert (pruned.runs, pruned.forgotten) == (pruning.TOGETHER * 2 + 3, 0)
    assert not (await store.runs.read(ALICE, young.run_id)).pruned
    faults.ahead_s = 61 * DAY
    assert (await Pruner(store).sweep()).forgotten == pruning.TOGETHER * 2 + 3


@pytest.mark.requirement("IDEM-7")
async def test_a_key_outlives_its_run_by_a_week_at_least() -> None:
    faults = ScriptedFaults()
    store = memory_checkpointer(faults=faults)
    held = await running(store)
    await store.runs.finish(held, ending())
    for days, forgotten in ((1.5, 0), (7.5, 0), (8.5, 1)):
        faults.ahead_s = days * DAY
        assert (await Pruner(store, keep_days=1).sweep()).forgotten == forgotten


async def test_nothing_is_old_where_everything_is_kept() -> None:
    faults = ScriptedFaults()
    store = memory_checkpointer(faults=faults)
    await store.runs.finish(await running(store), ending())
    faults.ahead_s = 10_000 * DAY

    assert not await Pruner(store, keep_days=0).sweep()
    await Pruner(store, keep_days=0).keep()


async def test_a_process_prunes_as_soon_as_it_is_there_and_says_so(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    faults = ScriptedFaults()
    store = memory_checkpointer(faults=faults)
    held = await running(store)
    await store.runs.finish(held, ending())
    faults.ahead_s = 31 * DAY
    monkeypatch.setattr(pruning, "LOOK_SECONDS", 0.001)

    def counts() -> list[tuple[int, int]]:
        return [(vars(record)["runs"], vars(record)["forgotten"]) for record in caplog.records]

    with caplog.at_level(logging.INFO, logger="weft.runs.pruning"), anyio.fail_after(10):
        async with kept_going(Pruner(store).keep, name="pruning"):
            while counts() != [(1, 0)]:
                await anyio.lowlevel.checkpoint()
            faults.ahead_s = 100 * DAY
            while counts() != [(1, 0), (0, 1)]:
                await anyio.lowlevel.checkpoint()
